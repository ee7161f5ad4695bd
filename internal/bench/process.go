package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	buildTime = 3 * time.Minute // with nothing compiled yet
	readyTime = 30 * time.Second
	endTime   = 20 * time.Second
)

// build compiles a command of this module and returns its path.
func (b *bench) build(ctx context.Context, command string, flags ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, buildTime)
	defer cancel()
	out := filepath.Join(b.folder, path.Base(command))
	args := append(append([]string{"build", "-o", out}, flags...), command)
	if text, err := exec.CommandContext(ctx, "go", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", command, err, text)
	}
	return out, nil
}

// process is a child that has said where it listens.
type process struct {
	URL    string
	cmd    *exec.Cmd
	stdin  io.Closer
	ended  chan struct{}
	err    error           // of its end, once ended is closed
	output strings.Builder // what it said, once ended is closed
}

// longestLine is more than a child says in one line, in bytes: a batch that was not stored names each of its tasks.
const longestLine = 1 << 20

// begin starts a child and waits for a line of its standard error that ends with its URL.
func begin(ctx context.Context, name string, args ...string) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, name, args...), ended: make(chan struct{})}
	p.cmd.WaitDelay = time.Second
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	output, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", path.Base(name), err)
	}
	found := make(chan string, 1)
	go func() {
		defer close(p.ended)
		said := false
		lines := bufio.NewScanner(output)
		lines.Buffer(nil, longestLine)
		for lines.Scan() {
			fmt.Fprintln(&p.output, lines.Text())
			if i := strings.LastIndex(lines.Text(), "http://"); i >= 0 && !said {
				found <- lines.Text()[i:]
				said = true
			}
		}
		p.err = p.cmd.Wait()
	}()
	select {
	case p.URL = <-found:
		return p, nil
	case <-p.ended:
		return nil, fmt.Errorf("starting %s: it ended: %v\n%s", path.Base(name), p.err, p.output.String())
	case <-time.After(readyTime):
		return nil, errors.Join(fmt.Errorf("starting %s: it did not say where it listens", path.Base(name)), p.end())
	}
}

// end has the child stop as a service manager does, and kills it where it does not.
func (p *process) end() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping a process: %w", err)
	}
	p.stdin.Close()
	select {
	case <-p.ended:
	case <-time.After(endTime):
		p.cmd.Process.Kill() // it has ended meanwhile if this fails
		<-p.ended
		return fmt.Errorf("%s did not stop", path.Base(p.cmd.Path))
	}
	if p.err != nil {
		return fmt.Errorf("%s: %w\n%s", path.Base(p.cmd.Path), p.err, p.output.String())
	}
	return nil
}

// serve starts the server on a file.
func (b *bench) serve(ctx context.Context, db string, flags ...string) (*process, error) {
	args := []string{"serve", "--db", db, "--listen", "127.0.0.1:0"}
	if b.workers > 0 {
		args = append(args, "--workers", fmt.Sprint(b.workers))
	}
	return begin(ctx, b.dispatch, append(args, flags...)...)
}

// cpu returns the CPU time that an ended process took.
func (p *process) cpu() time.Duration {
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
}
