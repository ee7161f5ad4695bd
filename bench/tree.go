package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ticksPerSecond is USER_HZ, the unit of times in /proc (proc(5)): 100 on every architecture that Go runs on.
const ticksPerSecond = 100

// stat is what /proc/PID/stat says of a process.
type stat struct {
	pid, parent int
	cpu         time.Duration // its own, and that of its children that have ended and were waited for
}

// parseStat reads a line of /proc/PID/stat. The name, in parentheses, may hold anything.
func parseStat(line string) (s stat, err error) {
	pid, rest, found := strings.Cut(line, " (")
	end := strings.LastIndex(rest, ") ")
	if !found || end < 0 {
		return stat{}, fmt.Errorf("%q has no name in parentheses", line)
	}
	// After the name: state, parent, …; utime, stime, cutime and cstime are the 14th to 17th of the line.
	fields := strings.Fields(rest[end+2:])
	if len(fields) < 15 {
		return stat{}, fmt.Errorf("%q ends early", line)
	}
	if s.pid, err = strconv.Atoi(pid); err != nil {
		return stat{}, err
	}
	if s.parent, err = strconv.Atoi(fields[1]); err != nil {
		return stat{}, err
	}
	for _, field := range fields[11:15] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return stat{}, err
		}
		s.cpu += time.Duration(ticks) * time.Second / ticksPerSecond
	}
	return s, nil
}

// tree returns the processes of these and of all that descend from them.
func tree(roots []int) ([]stat, error) {
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	children := map[int][]stat{}
	var found []stat
	for _, path := range paths {
		line, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		s, err := parseStat(string(line))
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
		children[s.parent] = append(children[s.parent], s)
		for _, root := range roots {
			if s.pid == root {
				found = append(found, s)
			}
		}
	}
	for i := 0; i < len(found); i++ {
		found = append(found, children[found[i].pid]...)
	}
	return found, nil
}

// cpuOf returns the CPU time that these and their descendants have taken.
func cpuOf(roots []int) (sum time.Duration, err error) {
	all, err := tree(roots)
	for _, s := range all {
		sum += s.cpu
	}
	return sum, err
}

// memoryOf returns the proportional set size, in bytes, of these and their descendants: a page that n processes
// share counts as an n-th for each, so that PostgreSQL's shared buffers count once.
func memoryOf(roots []int) (sum int64, err error) {
	all, err := tree(roots)
	for _, s := range all {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", s.pid))
		if err != nil {
			continue // it has ended
		}
		pss, err := parsePSS(text)
		if err != nil {
			continue // it was ending: it has no memory any more
		}
		sum += pss
	}
	return sum, err
}

// parsePSS returns the bytes of the line "Pss: … kB" of smaps_rollup.
func parsePSS(text []byte) (int64, error) {
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if number, ok := strings.CutPrefix(lines.Text(), "Pss:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(number, "kB")), 10, 64)
			return kb * 1024, err
		}
	}
	return 0, fmt.Errorf("no line of %q has the proportional set size", text)
}

// peak looks at the memory of these until the context ends, and returns the most that it saw.
func peak(ctx context.Context, roots []int) int64 {
	const every = 500 * time.Millisecond // each look costs PostgreSQL's many processes some time
	most := int64(0)
	for {
		if now, err := memoryOf(roots); err == nil {
			most = max(most, now)
		}
		select {
		case <-ctx.Done():
			return most
		case <-time.After(every):
		}
	}
}
