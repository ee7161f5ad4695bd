package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"example.com/dispatch/internal/bench/cloud"
)

// deployed is dispatch as it runs on AWS: the built functions in emulators, as many of each as run side by side, and a
// table and Lambda's API that they reach through the network.
type deployed struct {
	do     func(any) (any, error) // of the table
	sweeps []*function
	idle   chan *function // handles that run nothing
	close  []func() error

	mu     sync.Mutex
	billed []time.Duration // what each sweep took
	failed error
}

// overlapping is how many sweeps run at once: one ends as the next begins.
const overlapping = 2

// deploy starts a deployment; what it has started before an error is in it all the same.
func deploy(ctx context.Context, emulator, trust, sweep, handle, precision string, handles int) (*deployed, error) {
	d := &deployed{do: cloud.NewTable(), idle: make(chan *function, max(1, handles))}
	store := cloud.Listen(&cloud.DynamoDB{Do: d.do, Latency: dynamoDBLatency})
	lambda := cloud.Listen(&cloud.Lambda{Latency: invokeLatency, Rate: invokeRate, Accept: func(_ string, payload []byte) { d.handle(ctx, string(payload)) }})
	d.close = append(d.close, func() error { store.Close(); lambda.Close(); return nil })
	env := []string{trust, "AWS_ENDPOINT_URL_DYNAMODB=" + store.URL, "AWS_ENDPOINT_URL_LAMBDA=" + lambda.URL, "PRECISION=" + precision, "ALLOWED_NETWORKS=127.0.0.0/8", "AWS_LAMBDA_FUNCTION_TIMEOUT=90"}
	for range overlapping {
		f, err := startFunction(ctx, emulator, sweep, sweepMemory, env...)
		if err != nil {
			return d, err
		}
		d.sweeps, d.close = append(d.sweeps, f), append(d.close, f.stop)
		if _, _, err := f.invoke(ctx, "{}"); err != nil { // each minute's tick keeps them warm
			return d, fmt.Errorf("running sweep: %w", err)
		}
	}
	for range handles {
		f, err := startFunction(ctx, emulator, handle, 0, env...)
		if err != nil {
			return d, err
		}
		d.idle <- f
		d.close = append(d.close, f.stop)
	}
	return d, nil
}

// handle runs a handle as soon as one is idle.
func (d *deployed) handle(ctx context.Context, event string) {
	f := <-d.idle
	defer func() { d.idle <- f }()
	if _, _, err := f.invoke(ctx, event); err != nil && ctx.Err() == nil {
		d.fail(fmt.Errorf("running handle: %w", err))
	}
}

// ticks runs a sweep each minute from the instant on, and returns once the last one has ended.
func (d *deployed) ticks(ctx context.Context, from time.Time, n int) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			select {
			case <-time.After(time.Until(from.Add(time.Duration(i) * time.Minute))):
			case <-ctx.Done():
				return
			}
			_, took, err := d.sweeps[i%len(d.sweeps)].invoke(ctx, "{}")
			if err != nil {
				d.fail(fmt.Errorf("running sweep: %w", err))
				return
			}
			d.mu.Lock()
			defer d.mu.Unlock()
			d.billed = append(d.billed, took)
		})
	}
	wg.Wait()
}

func (d *deployed) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failed = errors.Join(d.failed, err)
}

// end stops everything.
func (d *deployed) end() error {
	err := d.failed
	for _, c := range d.close {
		err = errors.Join(err, c())
	}
	return err
}

// perDay is what the sweeps of a day are billed for.
func (d *deployed) perDay() time.Duration {
	var sum time.Duration
	for _, one := range d.billed {
		sum += one
	}
	return sum / time.Duration(max(1, len(d.billed))) * 24 * 60
}
