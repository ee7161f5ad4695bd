package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"example.com/dispatch/pkg/dispatch/signature"
)

const (
	drainTime   = 50 * time.Second
	bareTime    = 5 * time.Second
	drainTarget = 10000 // tasks a second, unsigned, on two cores
	// flying is how many calls the bare client makes at once: as many as the server, which leaves a
	// quarter of its 512 workers to other receivers.
	flying = 384
)

// drain measures how fast the server works off what is due, beside a client that only makes the same calls.
func (b *bench) drain(ctx context.Context) error {
	receiver, err := startReceiver(ctx)
	if err != nil {
		return err
	}
	key, err := signature.NewKey()
	if err != nil {
		return errors.Join(err, receiver.end())
	}
	for _, c := range []struct {
		name   string
		n      int
		flags  []string
		signer *signature.Signer
	}{
		{"unsigned", b.pick(100_000, 15_000), []string{"--unsigned"}, nil},
		{"ES256", b.pick(30_000, 10_000), nil, &signature.Signer{Key: key, Issuer: "dispatch"}},
	} {
		served, cpu, err := b.drainServed(ctx, receiver.URL, c.name, c.n, c.flags)
		if err != nil {
			return errors.Join(err, receiver.end())
		}
		bare, bareCPU, err := b.drainBare(ctx, receiver.URL, c.n, c.signer)
		if err != nil {
			return errors.Join(err, receiver.end())
		}
		f := figure{"drain", "drained, " + c.name, served, "tasks/s", "", nil, fmt.Sprintf("%d tasks due, POST of %d bytes: claimed, sent, settled on disk; from the server's start to the last call", c.n, bodySize)}
		if c.signer == nil {
			b.table.atLeast(f, drainTarget)
		} else {
			b.table.add(f)
		}
		b.table.add(figure{"drain", "server's CPU time, " + c.name, microseconds(cpu), "µs/task", "", nil, "of all cores, without the receiver's: hardly depends on what else the machine does"})
		b.table.add(figure{"drain", "bare client, " + c.name, bare, "calls/s", "", nil, fmt.Sprintf("Go's client, %d at once, the same request to the same receiver, nothing kept", flying)})
		b.table.add(figure{"drain", "ratio, " + c.name, served / bare, "", "", nil, "what promising each call leaves of the bare client's speed"})
		b.table.add(figure{"drain", "CPU ratio, " + c.name, float64(cpu) / float64(bareCPU), "", "", nil, "a task's CPU time to a call's of the bare client"})
	}
	return receiver.end()
}

// drainServed returns how many tasks a second the server drains, and the CPU time of each.
func (b *bench) drainServed(ctx context.Context, receiver, name string, n int, flags []string) (float64, time.Duration, error) {
	db, err := b.fill(ctx, "drain-"+name+newID(0), receiver+"/call", n)
	if err != nil {
		return 0, 0, err
	}
	rate, cpu, calls, err := b.drainFile(ctx, receiver, db, n, flags...)
	if err == nil && calls >= n { // a slow machine does not come to the end in time
		err = nothingLeft(ctx, db)
	}
	return rate, cpu, err
}

// drainFile serves a file until n tasks were called, or the time is over: how many a second, the CPU time of each, and
// how many it were.
func (b *bench) drainFile(ctx context.Context, receiver, db string, n int, flags ...string) (rate float64, cpu time.Duration, calls int, err error) {
	if err := forgetCalls(ctx, receiver); err != nil {
		return 0, 0, 0, err
	}
	began := time.Now()
	server, err := b.serve(ctx, db, flags...)
	if err != nil {
		return 0, 0, 0, err
	}
	seen, err := awaitCalls(ctx, receiver, n, drainTime)
	if err = errors.Join(err, server.end()); err != nil {
		return 0, 0, 0, err
	}
	return float64(seen.Calls) / seen.Last.Sub(began).Seconds(), server.cpu() / time.Duration(seen.Calls), seen.Calls, nil
}

// drainBare returns how many calls a second a client makes that does nothing else, and the CPU time of each.
func (b *bench) drainBare(ctx context.Context, receiver string, n int, signer *signature.Signer) (float64, time.Duration, error) {
	transport := &http.Transport{MaxIdleConns: flying, MaxIdleConnsPerHost: flying, DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	return sideCPU(flying, n, bareTime, func(int) error { return bareCall(ctx, client, receiver+"/call", signer) })
}

func bareCall(ctx context.Context, client *http.Client, url string, signer *signature.Signer) error {
	id := newID(0)
	content := fmt.Appendf(nil, `{"request":%s,"__task":{"id":%q,"createdAt":"2026-01-31T12:00:00.123Z","attempt":{"number":1,"limit":1440,"interval":60}}}`, body(), id)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(content))
	if err != nil {
		return err
	}
	request.Header = http.Header{"Content-Type": {"application/json"}, "User-Agent": {"dispatch"}, "Idempotency-Key": {id}, "Dispatch-Attempt": {"1"}}
	if signer != nil {
		token, err := signer.SignCallTo(request.URL, signature.Call{Task: id, Attempt: 1, Generation: time.Now().UnixMilli(), Method: request.Method}, content, time.Minute)
		if err != nil {
			return err
		}
		request.Header.Set(signature.Header, token)
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d: %w", answer.StatusCode, err)
	}
	return nil
}
