package main

import (
	"os"
	"runtime"
	"slices"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	// The name is of the process's choice.
	got, err := parseStat("4711 (a) b (c) S 12 4711 4711 0 -1 4194560 2593 50 1 0 300 20 7 3 20 0 9 0 100 1270 515 18446744073709551615")
	if want := (stat{4711, 12, 3300 * time.Millisecond}); err != nil || got != want {
		t.Errorf("got %+v, %v, not %+v", got, err, want)
	}
	for _, line := range []string{"", "4711", "4711 (a", "4711 (a) S 12 4711", "x (a) S 12 4711 4711 0 -1 4194560 2593 50 1 0 300 20 7 3 20 0"} {
		if got, err := parseStat(line); err == nil {
			t.Errorf("%q: %+v", line, got)
		}
	}
}

func TestParsePSS(t *testing.T) {
	got, err := parsePSS([]byte("55d0-7ffd ---p 00000000 00:00 0    [rollup]\nRss:    900 kB\nPss:    123 kB\nPss_Dirty:    99 kB\n"))
	if err != nil || got != 123*1024 {
		t.Errorf("got %d, %v", got, err)
	}
	if _, err := parsePSS([]byte("Rss:    900 kB\n")); err == nil {
		t.Error("no proportional set size, and no error")
	}
}

func TestTree(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("it reads /proc")
	}
	all, err := tree([]int{os.Getppid()})
	if err != nil || !slices.ContainsFunc(all, func(s stat) bool { return s.pid == os.Getpid() }) {
		t.Errorf("this process is not among its parent's, %+v: %v", all, err)
	}
	all, err = tree([]int{os.Getpid()})
	if err != nil || slices.ContainsFunc(all, func(s stat) bool { return s.pid == os.Getppid() }) {
		t.Errorf("this process's parent is among its own, %+v: %v", all, err)
	}
	if memory, err := memoryOf([]int{os.Getpid()}); err != nil || memory < 1<<20 {
		t.Errorf("this process has %d bytes: %v", memory, err)
	}
}
