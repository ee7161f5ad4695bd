package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

const drainTime = 150 * time.Second

// drained is what one drain took.
type drained struct {
	rate   float64       // tasks a second, from the worker's start to the last call at the receiver
	cpu    time.Duration // per task, of the worker and the system's servers
	memory int64         // bytes, the most of all of them together
}

// drain has a system make n calls that are due.
func (r *run) drain(ctx context.Context, s system, n int, w workload, sample bool) (d drained, err error) {
	err = r.with(ctx, s, func(system running, receiver *process) error {
		if err := system.fill(ctx, receiver.url+"/call", n); err != nil {
			return fmt.Errorf("filling: %w", err)
		}
		before, err := cpuOf(system.servers())
		if err != nil {
			return err
		}
		began := time.Now()
		worker, err := system.work(ctx, w)
		if err != nil {
			return err
		}
		sampling, stop := context.WithCancel(ctx)
		sampled := make(chan int64, 1)
		go func() {
			if sample {
				sampled <- peak(sampling, append(system.servers(), worker.pid()))
			}
			close(sampled)
		}()
		seen, err := awaitCalls(ctx, receiver.url, n, drainTime)
		stop()
		d.memory = <-sampled
		if err := errors.Join(err, worker.end(syscall.SIGTERM)); err != nil {
			return err
		}
		after, err := cpuOf(system.servers())
		if err != nil {
			return err
		}
		d.rate = float64(n) / seen.Last.Sub(began).Seconds()
		d.cpu = (after - before + worker.cpu()) / time.Duration(n)
		left, err := system.left(ctx)
		if err == nil && left > 0 {
			err = fmt.Errorf("at least %d tasks were not delivered", left)
		}
		return err
	})
	return d, err
}

// with runs do with an empty system and a receiver, and ends both.
func (r *run) with(ctx context.Context, s system, do func(running, *process) error) (err error) {
	folder, err := os.MkdirTemp(r.folder, "")
	if err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	// PostgreSQL's account passes through to its own folder.
	if err := os.Chmod(folder, 0o711); err != nil {
		return fmt.Errorf("opening a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	receiver, err := startReceiver(ctx, r.programs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, receiver.end(syscall.SIGTERM)) }()
	system, err := s.start(ctx, folder)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, system.stop()) }()
	return do(system, receiver)
}
