package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// said gathers what a process writes.
type said struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write implements [io.Writer].
func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// startOnce starts a function in the emulator, invokes it, and returns the init time that the emulator reports.
// How the invocation ends does not matter.
func startOnce(ctx context.Context, emulator, function, store string) (took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, oneStart)
	defer cancel()
	ports, err := freePorts(2)
	if err != nil {
		return 0, err
	}
	var output said
	cmd := exec.CommandContext(ctx, emulator, "--runtime-interface-emulator-address", ports[0], "--runtime-api-address", ports[1], function)
	cmd.Env = append(cmd.Environ(), "TABLE=bench", "STACK=bench", "HANDLE_FUNCTION=handle", "SWEEP_FUNCTION=sweep", "AWS_REGION=eu-west-1",
		"AWS_ACCESS_KEY_ID=bench", "AWS_SECRET_ACCESS_KEY=bench", "AWS_ENDPOINT_URL="+store, "AWS_LAMBDA_FUNCTION_TIMEOUT=5")
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.WaitDelay = time.Second
	// The function is the emulator's child: both end as a group.
	group(cmd)
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("starting the emulator: %w", err)
	}
	defer func() {
		killGroup(cmd)
		cmd.Wait() // it was killed
	}()
	invoked := make(chan error, 1)
	go func() { invoked <- invoke(ctx, ports[0]) }()
	// The REPORT line's "Init Duration" is none here: the emulator writes it before it has waited for the init.
	line := regexp.MustCompile(`INIT REPORT\(durationMs: ([\d.]+)\)`)
	for ctx.Err() == nil {
		if found := line.FindStringSubmatch(output.String()); found != nil {
			ms, err := strconv.ParseFloat(found[1], 64)
			cancel()
			<-invoked // it was cut off
			return time.Duration(ms * float64(time.Millisecond)), err
		}
		time.Sleep(5 * time.Millisecond)
	}
	return 0, fmt.Errorf("%s: the emulator reported no init time: %w\n%s", function, <-invoked, output.String())
}

// invoke sends an event as soon as the emulator listens: it starts the function then.
func invoke(ctx context.Context, address string) error {
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/2015-03-31/functions/function/invocations", strings.NewReader("{}"))
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(request)
		if err == nil {
			return answer.Body.Close()
		}
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// freePorts returns loopback addresses that nobody listens on: the emulator cannot choose by itself.
func freePorts(n int) (addresses []string, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("finding a free port: %w", err)
		}
		defer l.Close()
		addresses = append(addresses, l.Addr().String())
	}
	return addresses, nil
}
