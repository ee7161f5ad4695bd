package sqlite_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// A container may have nothing to write to but the folder of its store. SQLite keeps there what belongs to the file, and
// looks for a folder for temporary files elsewhere. https://www.sqlite.org/tempfiles.html
func TestNoFolderForTemporaryFiles(t *testing.T) {
	folder := t.TempDir()
	run := func(script string, args ...string) ([]byte, error) {
		cmd := exec.CommandContext(t.Context(), "unshare", append([]string{"--user", "--map-root-user", "--mount", "sh", "-ec", script, folder}, args...)...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), childFile + "=" + filepath.Join(folder, "a.db"), childPart + "=leases"}
		return cmd.CombinedOutput()
	}
	const closed = `mount --bind "$0" "$0"
		mount -o remount,bind,ro /
		for d in /var/tmp /usr/tmp /tmp; do [ ! -d $d ] || { mount --rbind $d $d; mount -o remount,bind,ro $d; }; done
		cd /
		touch "$0/may"
		for d in . /var/tmp /usr/tmp /tmp; do if touch $d/may; then exit 1; fi; done
		`
	if out, err := run(closed); err != nil {
		t.Skipf("this user may not mount: %v, %s", err, out)
	}
	if out, err := run(closed+`exec "$@"`, os.Args[0], "-test.run=^TestChild$"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
