package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// database is DynamoDB Local with its data on disk: a group of processes, which get each signal together.
type database struct {
	program, folder string
	port            int
	log             *os.File
	cmd             *exec.Cmd
}

const databaseTime = 5 * time.Minute // for the first start, which may download it

// startDatabase builds DynamoDB Local's command and starts it.
func startDatabase(ctx context.Context, folder string, log *os.File) (*database, error) {
	d := &database{folder: filepath.Join(folder, "data"), log: log}
	if err := os.Mkdir(d.folder, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of data: %w", err)
	}
	var err error
	if d.program, err = build(ctx, folder, "example.com/dispatch/pkg/dispatch/dynamo/dynamolocal"); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("finding a free port: %w", err)
	}
	d.port = l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		return nil, fmt.Errorf("finding a free port: %w", err)
	}
	return d, d.start(ctx)
}

func (d *database) address() string { return fmt.Sprintf("127.0.0.1:%d", d.port) }

// start starts it on the data that is there, and returns once it answers.
func (d *database) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	d.cmd = exec.Command(d.program, "--port", fmt.Sprint(d.port), "--data", d.folder)
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	if err := d.cmd.Start(); err != nil {
		return fmt.Errorf("starting DynamoDB Local: %w", err)
	}
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.address(), nil)
		if err != nil {
			return fmt.Errorf("asking DynamoDB Local: %w", err)
		}
		if answer, err := http.DefaultClient.Do(request); err == nil {
			return answer.Body.Close()
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("waiting for DynamoDB Local to answer: %w", ctx.Err()), d.kill())
		}
	}
}

// signal sends a signal to the whole group.
func (d *database) signal(s syscall.Signal) error {
	if err := syscall.Kill(-d.cmd.Process.Pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("sending DynamoDB Local %v: %w", s, err)
	}
	return nil
}

// halt stops the processes where they are; resume lets them go on.
func (d *database) halt() error   { return d.signal(syscall.SIGSTOP) }
func (d *database) resume() error { return d.signal(syscall.SIGCONT) }

// kill ends them at once.
func (d *database) kill() error {
	err := d.signal(syscall.SIGKILL)
	d.cmd.Wait() // it was killed
	return err
}
