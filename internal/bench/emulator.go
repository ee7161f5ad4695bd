package main

import (
	"context"
	"errors"
	"fmt"
	"net"
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
func startOnce(ctx context.Context, emulator, path, store string) (took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, oneStart)
	defer cancel()
	f, err := startFunction(ctx, emulator, path, 0, "AWS_ENDPOINT_URL="+store, "AWS_LAMBDA_FUNCTION_TIMEOUT=5")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.stop()) }()
	go f.invoke(ctx, "{}") // it is cut off
	for ctx.Err() == nil {
		if took, err = f.initTime(); !errors.Is(err, errNoInit) {
			return took, err
		}
		time.Sleep(5 * time.Millisecond)
	}
	return 0, err
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

func dial(ctx context.Context, address string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "tcp", address)
}
