package main

import (
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A short run of what the command does for long.
func TestLimitedDisk(t *testing.T) {
	o := options{seed: rand.Uint64(), cycles: 2, folder: t.TempDir()}
	r, err := limitedDisk(t.Context(), o)
	var table strings.Builder
	if writing := r.write(&table); err != nil || writing != nil || r.failed() {
		t.Errorf("%v, %v", err, writing)
	}
	t.Log(table.String())
}

// On a disk that may only be read a server does not start, and a task that is enqueued past it is refused; both say why.
// What was there is served once it may be written again.
func TestReadOnlyDisk(t *testing.T) {
	if !mayMount(t.Context()) {
		t.Skip("this user may not mount")
	}
	folder, disk := t.TempDir(), t.TempDir()
	program, err := build(t.Context(), folder, "example.com/dispatch/cmd/dispatch")
	if err != nil {
		t.Fatal(err)
	}
	db := filepath.Join(disk, "dispatch.db")
	task := func(id string) string { return `{"id": "` + id + `", "uri": "https://example.com/", "delay": 60}` }
	run := func(readOnly bool, input string, args ...string) (string, error) {
		script := `exec "$@"`
		if readOnly {
			script = `mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"`
		}
		cmd := exec.CommandContext(t.Context(), "unshare", append([]string{"--user", "--map-root-user", "--mount", "sh", "-c", script, disk, program}, args...)...)
		cmd.Stdin = strings.NewReader(input)
		said, err := cmd.CombinedOutput()
		return string(said), err
	}
	if said, err := run(false, task("before"), "enqueue", "--store", "sqlite:"+db); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	for _, args := range [][]string{{"serve", "--db", db, "--listen", "127.0.0.1:0"}, {"enqueue", "--store", "sqlite:" + db}} {
		if said, err := run(true, task("refused"), args...); err == nil || !strings.Contains(said, "read-only") {
			t.Errorf("%v: %v, it says %s", args, err, said)
		}
	}
	if said, err := run(false, task("after"), "enqueue", "--store", "sqlite:"+db); err != nil {
		t.Errorf("%v: %s", err, said)
	}
	rows, err := storedIn(db)(t.Context())
	if len(rows) != 2 || err != nil {
		t.Errorf("%v, %v; want the tasks before and after", rows, err)
	}
}
