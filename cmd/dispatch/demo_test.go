package main

import (
	"os"
	"strings"
	"testing"
)

func TestDemo(t *testing.T) {
	folder := t.TempDir()
	got := dispatchIn(t, folder, "", "demo") // it ends by itself: its own deadline is less than 20 s
	if got.code != 0 {
		t.Fatalf("exit %d\n%s%s", got.code, got.out, got.err)
	}
	for _, want := range []string{
		"signature ok; it answers 503", "attempt 1 failed; the next one in", "=> delivered by attempt 3",
		"=> stopped: stop code 404", "=> stopped: stop code 410", "=> expired: ", "ID  ",
	} {
		if !strings.Contains(got.out, want) {
			t.Errorf("it does not say %q:\n%s", want, got.out)
		}
	}
	if strings.Contains(got.out, "\x1b") {
		t.Error("colour where no terminal is")
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("it leaves %v, %v", left, err)
	}
}
