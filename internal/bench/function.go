package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// function is one environment of a function, in the emulator: it runs one invocation at a time.
type function struct {
	address string
	cmd     *exec.Cmd
	output  said
	share   *share
	client  http.Client
}

// startFunction starts the emulator. The first invocation starts the function. Its CPU is limited to what the memory
// gets it, in MB; 0 for no limit.
func startFunction(ctx context.Context, emulator, path string, memory int, env ...string) (*function, error) {
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	f := &function{address: ports[0], cmd: exec.CommandContext(ctx, emulator, "--runtime-interface-emulator-address", ports[0], "--runtime-api-address", ports[1], path)}
	f.cmd.Env = append(append(f.cmd.Environ(), "TABLE=bench", "STACK=bench", "HANDLE_FUNCTION=handle", "SWEEP_FUNCTION=sweep", "AWS_REGION=eu-west-1",
		"AWS_ACCESS_KEY_ID=bench", "AWS_SECRET_ACCESS_KEY=bench"), env...)
	f.cmd.Stdout, f.cmd.Stderr = &f.output, &f.output
	f.cmd.WaitDelay = time.Second
	group(f.cmd)
	if err := f.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the emulator: %w", err)
	}
	if memory > 0 {
		if f.share, err = limit(f.cmd.Process.Pid, shareOf(memory)); err != nil {
			return nil, errors.Join(err, f.stop())
		}
	}
	for ctx.Err() == nil {
		conn, err := dial(ctx, f.address)
		if err == nil {
			conn.Close()
			return f, nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return nil, errors.Join(fmt.Errorf("%s: the emulator does not listen: %w", filepath.Base(path), ctx.Err()), f.stop())
}

// stop ends the function, whatever it is doing.
func (f *function) stop() error {
	if child := f.child(); child != 0 { // the emulator gives it a group of its own
		if p, err := os.FindProcess(child); err == nil {
			p.Kill()
		}
	}
	killGroup(f.cmd)
	f.cmd.Wait() // it was killed
	f.client.CloseIdleConnections()
	if f.share != nil {
		return f.share.remove()
	}
	return nil
}

// invoke runs the function and returns its answer, and how long that took.
func (f *function) invoke(ctx context.Context, event string) (answer []byte, took time.Duration, err error) {
	began := time.Now()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+f.address+"/2015-03-31/functions/function/invocations", strings.NewReader(event))
	if err != nil {
		return nil, 0, err
	}
	response, err := f.client.Do(request)
	if err != nil {
		return nil, 0, fmt.Errorf("invoking: %w", err)
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	return answer, time.Since(began), err
}

var errNoInit = errors.New("the emulator reported no init time")

// initTime returns how long the function took from its start until it asked for its first event.
func (f *function) initTime() (time.Duration, error) {
	// The REPORT line's "Init Duration" is none here: the emulator writes it before it has waited for the init.
	found := regexp.MustCompile(`INIT REPORT\(durationMs: ([\d.]+)\)`).FindStringSubmatch(f.output.String())
	if found == nil {
		return 0, fmt.Errorf("%w\n%s", errNoInit, f.output.String())
	}
	ms, err := strconv.ParseFloat(found[1], 64)
	return time.Duration(ms * float64(time.Millisecond)), err
}

// ticksPerSecond is the unit of CPU times in /proc.
const ticksPerSecond = 100

// cpu returns the CPU time that the function has taken since it started, 0 if it has not.
func (f *function) cpu() time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", f.child()))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(stat), ") ") // the name may hold anything
	fields := strings.Fields(rest)
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * time.Second / ticksPerSecond
}

// child returns the function's process id, 0 if it has not started.
func (f *function) child() int {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", f.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for _, path := range threads {
		children, err := os.ReadFile(path)
		first, _, _ := strings.Cut(string(children), " ")
		if child, wrong := strconv.Atoi(first); err == nil && wrong == nil {
			return child
		}
	}
	return 0
}
