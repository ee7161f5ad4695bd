package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"example.com/dispatch/internal/bench/cloud"
)

// What the real services take, and allow.
const (
	dynamoDBLatency = 5 * time.Millisecond
	invokeLatency   = 15 * time.Millisecond
	concurrency     = 1000             // runs of functions side by side: an account's default
	invokeRate      = 10 * concurrency // requests a second
	handleTime      = 110 * time.Millisecond
)

// sweepTarget is how many tasks one sweep hands over in a second, at 512 MB.
const sweepTarget = 2000

// builtSweep returns what running the sweep function takes: the emulator, the program, and the certificate that it trusts.
func (b *bench) builtSweep(ctx context.Context) (emulator, path, trust string, err error) {
	if emulator, err = findEmulator(ctx); err != nil {
		return "", "", "", err
	}
	if path, err = b.build(ctx, "./functions/sweep", "-tags=lambda.norpc", "-ldflags=-s"); err == nil {
		trust, err = cloud.Trust(b.folder)
	}
	return emulator, path, trust, err
}

// sweep measures how many tasks the built sweep function hands over, with as much CPU as Lambda gives it.
func (b *bench) sweep(ctx context.Context) error {
	emulator, path, trust, err := b.builtSweep(ctx)
	if errors.Is(err, errNoEmulator) {
		b.table.leaveOut("a sweep's throughput: %v", err)
		return nil
	}
	if err != nil {
		return err
	}
	for _, c := range []struct {
		name string
		due  time.Duration // for how long
	}{{"", 0}, {", overdue", time.Hour}} {
		for _, memory := range []int{256, 512, 1024, 1769} {
			fmt.Fprintf(os.Stderr, " %d MB%s …", memory, c.name)
			got, err := b.sweepOnce(ctx, emulator, path, trust, memory, c.due)
			if err != nil {
				return fmt.Errorf("%d MB%s: %w", memory, c.name, err)
			}
			meaning := fmt.Sprintf("%.3f vCPU (%s), of which a task takes %.0f µs: enough for %.0f/s", shareOf(memory), got.how, microseconds(got.cpu), shareOf(memory)/got.cpu.Seconds())
			f := figure{"sweep", fmt.Sprintf("%d MB%s", memory, c.name), got.rate, "/s", "", nil, meaning}
			if memory == 512 {
				b.table.atLeast(f, sweepTarget)
			} else {
				b.table.add(f)
			}
		}
	}
	return nil
}

// swept is what a sweep did in a while.
type swept struct {
	rate float64       // tasks handed over in a second
	cpu  time.Duration // for one of them
	how  string        // the CPU was limited
}

func (b *bench) sweepOnce(ctx context.Context, emulator, path, trust string, memory int, dueFor time.Duration) (got swept, err error) {
	const lanes = 8 // so that the lanes' partitions are not what is measured
	measured := time.Duration(b.pick(8, 3)) * time.Second
	backlog, err := cloud.NewBacklog(ctx, 100_000, lanes, time.Now().Add(-dueFor-time.Second))
	if err != nil {
		return swept{}, err
	}
	s := &sweeps{emulator: emulator, path: path, memory: memory, env: []string{trust}}
	handlers, err := s.begin(ctx, backlog, wakeEvent)
	defer func() { err = errors.Join(err, s.end()) }()
	if err != nil {
		return swept{}, err
	}
	if err := s.reached(ctx, handlers, sweepTarget); err != nil {
		return swept{}, err
	}
	began, hints, cpu := time.Now(), handlers.Hints.Load(), s.cpu()
	time.Sleep(measured)
	n := handlers.Hints.Load() - hints
	got = swept{rate: float64(n) / time.Since(began).Seconds(), cpu: (s.cpu() - cpu) / time.Duration(max(n, 1))}
	if share := s.running()[0].share; share != nil {
		got.how = share.how
	}
	return got, nil
}
