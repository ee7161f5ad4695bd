package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	buildTime = 5 * time.Minute // with nothing compiled yet
	readyTime = time.Minute
	endTime   = 40 * time.Second
)

// build compiles the command.
func (r *run) build(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, buildTime)
	defer cancel()
	r.dispatch = filepath.Join(r.folder, "dispatch")
	if text, err := exec.CommandContext(ctx, "go", "build", "-o", r.dispatch, "./cmd/dispatch").CombinedOutput(); err != nil {
		return fmt.Errorf("building the command: %w\n%s", err, text)
	}
	return nil
}

// server is dispatch serve, which has said where it listens.
type server struct {
	URL    string
	cmd    *exec.Cmd
	ready  time.Duration // from its start until it said so
	ended  chan struct{}
	err    error           // of its end, once ended is closed
	output strings.Builder // what it said, once ended is closed
}

// serve starts the server on a file.
func (r *run) serve(ctx context.Context, db string, flags ...string) (*server, error) {
	args := append([]string{"serve", "--db", db, "--listen", "127.0.0.1:0", "--unsigned", "--grace", "5s"}, flags...)
	s := &server{cmd: exec.CommandContext(ctx, r.dispatch, args...), ended: make(chan struct{})}
	s.cmd.WaitDelay = time.Second
	output, err := s.cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	began := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the server: %w", err)
	}
	found := make(chan string, 1)
	go func() {
		defer close(s.ended)
		said := false
		for lines := bufio.NewScanner(output); lines.Scan(); {
			fmt.Fprintln(&s.output, lines.Text())
			if i := strings.LastIndex(lines.Text(), "http://"); i >= 0 && !said {
				found <- lines.Text()[i:]
				said = true
			}
		}
		s.err = s.cmd.Wait()
	}()
	select {
	case s.URL = <-found:
		s.ready = time.Since(began)
		return s, nil
	case <-s.ended:
		return nil, fmt.Errorf("starting the server: it ended: %v\n%s", s.err, s.output.String())
	case <-time.After(readyTime):
		return nil, errors.Join(errors.New("starting the server: it did not say where it listens"), s.kill())
	}
}

// end has the server stop as a service manager does.
func (s *server) end() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping the server: %w", err)
	}
	select {
	case <-s.ended:
	case <-time.After(endTime):
		return errors.Join(errors.New("the server did not stop"), s.kill())
	}
	if s.err != nil {
		return fmt.Errorf("the server: %w\n%s", s.err, s.output.String())
	}
	return nil
}

// kill ends a server whose calls in flight would be waited for.
func (s *server) kill() error {
	select {
	case <-s.ended:
		return fmt.Errorf("the server ended by itself: %v\n%s", s.err, s.output.String())
	default:
	}
	if err := s.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("killing the server: %w", err)
	}
	<-s.ended
	return nil
}

// memory returns the server's resident set in bytes, 0 where the system does not say it in /proc.
func (s *server) memory() int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	kB, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, err := strconv.ParseInt(kB, 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}
