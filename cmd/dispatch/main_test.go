package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const patience = time.Minute

// binary builds the program, once for all tests.
var binary = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "dispatch-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, "dispatch")
	out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building: %w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// command is the program with arguments, in a folder, with an environment that says nothing of stores.
func command(ctx context.Context, t *testing.T, folder string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(ctx, path, args...)
	c.Dir = folder
	c.Env = []string{"HOME=" + folder, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + folder}
	return c
}

// result is what a command did.
type result struct {
	out, err string
	code     int
}

func dispatchIn(t *testing.T, folder, input string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := command(ctx, t, folder, args...)
	var out, errs bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(input), &out, &errs
	err := c.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	return result{out.String(), errs.String(), c.ProcessState.ExitCode()}
}

// process is a server or receiver in a process of its own.
type process struct {
	*exec.Cmd
	url  string
	out  *tail
	once sync.Once
	err  error
}

// launch starts a process and waits until it says where it listens.
func launch(t *testing.T, folder string, args ...string) *process {
	t.Helper()
	return launchWith(t, folder, nil, args...)
}

// launchWith does so with more in the environment.
func launchWith(t *testing.T, folder string, variables []string, args ...string) *process {
	t.Helper()
	p := &process{Cmd: command(t.Context(), t, folder, args...), out: &tail{found: make(chan string, 1)}}
	p.Env = append(p.Env, variables...)
	p.Stdout, p.Stderr = p.out, p.out
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.end(syscall.SIGKILL) })
	select {
	case p.url = <-p.out.found:
	case <-time.After(patience):
		t.Fatalf("%v does not say where it listens: %s", args, p.out)
	}
	return p
}

// end sends a signal and waits for the process to end.
func (p *process) end(s syscall.Signal) error {
	p.once.Do(func() {
		p.Process.Signal(s) // it may have ended by itself
		p.err = p.Wait()
	})
	return p.err
}

// tail keeps what a process writes, and finds where it listens.
type tail struct {
	mu    sync.Mutex
	text  bytes.Buffer
	found chan string
	done  bool
}

// Write implements [io.Writer].
func (l *tail) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(b)
	at := regexp.MustCompile(`(?m)^dispatch: .* on (https?://[0-9.:\[\]]+)$`).FindSubmatch(l.text.Bytes())
	if at != nil && !l.done {
		l.done = true
		l.found <- string(at[1])
	}
	return len(b), nil
}

// String returns what was written so far.
func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// until polls until done.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	over := time.After(patience)
	for !done() {
		select {
		case <-tick.C:
		case <-over:
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// post enqueues and returns the status, 0 if there was no answer.
func post(url, body string) (status int, answer string) {
	client := http.Client{Timeout: patience}
	r, err := client.Post(url+"/tasks", "application/json", strings.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return 0, err.Error()
	}
	return r.StatusCode, string(text)
}
