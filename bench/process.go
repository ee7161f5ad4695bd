package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	readyTime = 30 * time.Second
	endTime   = 30 * time.Second

	longestLine = 10 << 20 // bytes: a log line that names each task of a batch
)

// process is a child that has said that it is ready.
type process struct {
	url    string // where it listens, if it said so
	cmd    *exec.Cmd
	stdin  io.Closer
	ended  chan struct{}
	err    error // of its end, once ended is closed
	output said
}

// said holds the last lines that a process wrote, each cut to what can be read.
type said struct {
	mu    sync.Mutex
	lines []string
}

func (s *said) add(line string) {
	const lines, wide = 10, 300
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, line[:min(len(line), wide)])
	s.lines = s.lines[max(0, len(s.lines)-lines):]
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.lines, "\n")
}

// begin starts a child and waits for a line of its output that has the words, in lower case.
func begin(ctx context.Context, cmd *exec.Cmd, ready string) (*process, error) {
	name := filepath.Base(cmd.Path)
	p := &process{cmd: cmd, ended: make(chan struct{})}
	cmd.WaitDelay = time.Second
	var err error
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	output, err := cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	cmd.Stdout = cmd.Stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	found := make(chan string, 1)
	go func() {
		defer close(p.ended)
		waiting := true
		lines := bufio.NewScanner(output)
		lines.Buffer(nil, longestLine)
		for lines.Scan() {
			line := lines.Text()
			p.output.add(line)
			if waiting && strings.Contains(strings.ToLower(line), ready) {
				waiting = false
				url := ""
				if i := strings.LastIndex(line, "http://"); i >= 0 {
					url = line[i:]
				}
				found <- url
			}
		}
		io.Copy(io.Discard, output) // after a line that is longer still
		p.err = cmd.Wait()
	}()
	select {
	case p.url = <-found:
		return p, nil
	case <-p.ended:
		return nil, fmt.Errorf("starting %s: it ended: %v\n%s", name, p.err, p.output.String())
	case <-time.After(readyTime):
		return nil, errors.Join(fmt.Errorf("starting %s: it did not say that it is ready", name), p.end(syscall.SIGTERM))
	}
}

// end has the child stop by a signal, and kills it where it does not.
func (p *process) end(by os.Signal) error {
	p.stdin.Close()
	if err := p.cmd.Process.Signal(by); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping a process: %w", err)
	}
	select {
	case <-p.ended:
	case <-time.After(endTime):
		p.cmd.Process.Kill() // it has ended meanwhile if this fails
		<-p.ended
		return fmt.Errorf("%s did not stop", filepath.Base(p.cmd.Path))
	}
	if p.err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(p.cmd.Path), p.err, p.output.String())
	}
	return nil
}

// pid is that of the child.
func (p *process) pid() int { return p.cmd.Process.Pid }

// cpu returns the CPU time that the ended process and its children took.
func (p *process) cpu() time.Duration {
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
}
