package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// sharePeriod is how often a function of Lambda's gets its share of the CPU anew.
const sharePeriod = 20 * time.Millisecond

// vCPU is the memory, in MB, at which Lambda gives a function one whole CPU; of others, a share in proportion.
const vCPU = 1769

func shareOf(memory int) float64 { return float64(memory) / vCPU }

// share bounds the CPU time of a process and its children, as Lambda does.
type share struct {
	how    string // by what
	folder string // of the control group
	quit   chan struct{}
	ended  chan struct{}
}

// limit gives a process so much of one CPU: by a control group, if this user may make one.
func limit(pid int, of float64) (*share, error) {
	name := fmt.Sprintf("dispatch-bench-%d", pid)
	quota, period := strconv.Itoa(int(of*float64(sharePeriod.Microseconds()))), strconv.Itoa(int(sharePeriod.Microseconds()))
	var failed error
	for _, c := range []struct {
		how, parent string
		files       [][2]string
	}{
		{"cgroup v2, cpu.max", "/sys/fs/cgroup", [][2]string{{"cpu.max", quota + " " + period}}},
		{"cgroup v1, cpu.cfs_quota_us", "/sys/fs/cgroup/cpu", [][2]string{{"cpu.cfs_period_us", period}, {"cpu.cfs_quota_us", quota}}},
	} {
		s := &share{how: fmt.Sprintf("%s, periods of %v", c.how, sharePeriod), folder: filepath.Join(c.parent, name)}
		if _, err := os.Stat(filepath.Join(c.parent, "cgroup.procs")); err != nil {
			continue
		}
		err := os.Mkdir(s.folder, 0o755)
		for _, f := range append(c.files, [2]string{"cgroup.procs", strconv.Itoa(pid)}) {
			if err == nil {
				err = os.WriteFile(filepath.Join(s.folder, f[0]), []byte(f[1]), 0o644)
			}
		}
		if err == nil {
			return s, nil
		}
		failed = errors.Join(failed, err, s.remove())
	}
	return dutyCycle(pid, of)
}

// dutyCycle stops the process for a part of each period. What it waits for counts as CPU time then, too.
func dutyCycle(pid int, of float64) (*share, error) {
	if err := resume(pid); err != nil {
		return nil, fmt.Errorf("there is no way to limit a process's CPU: %w", err)
	}
	s := &share{how: fmt.Sprintf("SIGSTOP for part of each %v, so it is the less the more it waits", sharePeriod), quit: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		running := time.Duration(of * float64(sharePeriod))
		for of < 1 {
			select {
			case <-s.quit:
				return
			case <-time.After(running):
			}
			suspend(pid) // it has ended if this fails
			time.Sleep(sharePeriod - running)
			resume(pid)
		}
	}()
	return s, nil
}

// remove ends the limit; its processes have ended.
func (s *share) remove() error {
	if s.quit != nil {
		close(s.quit)
		<-s.ended
		return nil
	}
	var err error
	for range 100 { // the kernel takes a moment to notice
		if err = os.Remove(s.folder); err == nil || errors.Is(err, os.ErrNotExist) {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return err
}
