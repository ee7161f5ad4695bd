package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"time"
)

const (
	steadyRate = 1000 // tasks a second
	latencyEnd = 20 * time.Second
)

// steady is how a system does at the steady rate, which none of them finds hard.
type steady struct {
	p50, p99 time.Duration
	cpu      time.Duration // per task
}

// latency measures how long a task that is due at once takes from the caller's request to the receiver's handler.
func (r *run) latency(ctx context.Context, s system, seconds int, w workload) (found steady, err error) {
	err = r.with(ctx, s, func(system running, receiver *process) (err error) {
		worker, err := system.work(ctx, w)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, worker.end(syscall.SIGTERM)) }()
		// The first second makes the connections.
		warm := steadyRate
		if err := pour(ctx, warm, func(ctx context.Context) error { return system.put(ctx, receiver.url+"/call") }); err != nil {
			return fmt.Errorf("enqueueing: %w", err)
		}
		pids := append(system.servers(), worker.pid())
		before, err := cpuOf(pids)
		if err != nil {
			return err
		}
		n := seconds * steadyRate
		err = pour(ctx, n, func(ctx context.Context) error { return system.put(ctx, callAt(receiver.url, time.Now())) })
		if err != nil {
			return fmt.Errorf("enqueueing: %w", err)
		}
		seen, err := awaitCalls(ctx, receiver.url, warm+n, latencyEnd)
		if err != nil {
			return err
		}
		after, err := cpuOf(pids)
		if err != nil {
			return err
		}
		late := slices.Sorted(slices.Values(seen.Late))
		found = steady{percentile(late, 50), percentile(late, 99), (after - before) / time.Duration(n)}
		return nil
	})
	return found, err
}

// pour puts n tasks at the steady rate, whether or not the last ones have been acknowledged.
func pour(ctx context.Context, n int, put func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(n)*time.Second/steadyRate+latencyEnd)
	defer cancel()
	var wg sync.WaitGroup
	failed := make(chan error, n)
	began := time.Now()
	for i := range n {
		time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / steadyRate)))
		wg.Go(func() {
			if err := put(ctx); err != nil {
				failed <- err
			}
		})
	}
	wg.Wait()
	close(failed)
	return <-failed
}

// percentile returns the smallest of the sorted values that at least p of 100 do not exceed (nearest rank), 0 of none.
func percentile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}
