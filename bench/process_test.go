package main

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

func shell(t *testing.T, script string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no shell")
	}
	return exec.CommandContext(t.Context(), path, "-c", script)
}

// TestBegin: a process that is ready has said where it listens; its end is orderly, or told with what it said.
func TestBegin(t *testing.T) {
	p, err := begin(t.Context(), shell(t, `trap 'exit 0' TERM; echo Now Serving on http://127.0.0.1:1 >&2; read line`), "serving")
	if err != nil || p.url != "http://127.0.0.1:1" {
		t.Fatalf("it listens on %+v: %v", p, err)
	}
	if err := p.end(syscall.SIGTERM); err != nil && !strings.Contains(err.Error(), "exit status 1") { // the end of its input came before the signal
		t.Error(err)
	}
	if _, err := begin(t.Context(), shell(t, "echo no disk >&2; exit 3"), "serving"); err == nil || !strings.Contains(err.Error(), "no disk") {
		t.Errorf("of one that ended at once: %v", err)
	}
}

// TestLongLines: a process that says much is read to the end, or it would wait for ever.
func TestLongLines(t *testing.T) {
	p, err := begin(t.Context(), shell(t, `echo ready; head -c 12000000 /dev/zero | tr '\0' x; echo; read line; true`), "ready")
	if err != nil {
		t.Fatal(err)
	}
	p.stdin.Close()
	<-p.ended
	if p.err != nil || len(p.output.String()) > 10_000 {
		t.Errorf("it ended with %v and %d bytes of output", p.err, len(p.output.String()))
	}
}
