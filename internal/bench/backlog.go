package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"example.com/dispatch/internal/bench/cloud"
)

// million is the backlog whose drain is told: a part of it is measured, whose rate does not change.
const million = 1_000_000

// backlog measures how fast a backlog in some lanes ends, with the sweep as it is set by default and with more.
func (b *bench) backlog(ctx context.Context) error {
	emulator, path, trust, err := b.builtSweep(ctx)
	if errors.Is(err, errNoEmulator) {
		b.table.leaveOut("the drain of a backlog: %v", err)
		return nil
	}
	if err != nil {
		return err
	}
	for _, c := range []struct{ lanes, memory, together int }{{1, sweepMemory, 1}, {8, sweepMemory, 1}, {8, vCPU, 1}, {8, sweepMemory, 10}} {
		name := fmt.Sprintf("lanes %d, %d MB, %d a handle", c.lanes, c.memory, c.together)
		fmt.Fprintf(os.Stderr, " %s …", name)
		rate, twice, err := b.drainOnce(ctx, emulator, path, trust, c.lanes, c.memory, c.together)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		floor := min(float64(c.lanes*cloud.WritesOfAPartition), float64(concurrency*c.together)/handleTime.Seconds())
		b.table.add(figure{"backlog", name, million / rate / 60, "min", "", nil, fmt.Sprintf(
			"a million overdue tasks at the %.0f/s that were measured; %.1f min, %.1f times as fast, is what the lanes' partitions and the handles bear; %.1f %% of the hand-overs were of a task that was held already", rate, million/floor/60, floor/rate, 100*twice)})
	}
	return nil
}

// drainOnce returns how many overdue tasks end in a second, and what part of the hand-overs came too late or twice.
func (b *bench) drainOnce(ctx context.Context, emulator, path, trust string, lanes, memory, together int) (rate, twice float64, err error) {
	backlog, err := cloud.NewBacklog(ctx, million/4, lanes, time.Now().Add(-time.Hour))
	if err != nil {
		return 0, 0, err
	}
	f, handlers, end, err := sweepBacklog(ctx, backlog, emulator, path, trust, memory, fmt.Sprintf("TASKS_PER_HANDLE=%d", together), fmt.Sprintf("SWEEP_LIMIT=%d", million))
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, end()) }()
	if err := reached(ctx, f, handlers, drainFrom); err != nil {
		return 0, 0, err
	}
	began, done := time.Now(), handlers.Done.Load()
	time.Sleep(time.Duration(b.pick(20, 6)) * time.Second)
	rate = float64(handlers.Done.Load()-done) / time.Since(began).Seconds()
	return rate, float64(handlers.Twice.Load()) / float64(handlers.Hints.Load()), nil
}

// drainFrom is how many tasks are handed over before a rate is measured.
const drainFrom = 4000

// sweepBacklog starts one sweep of a backlog, with stand-ins for all that it speaks to.
func sweepBacklog(ctx context.Context, backlog *cloud.Backlog, emulator, path, trust string, memory int, env ...string) (f *function, handlers *cloud.Handlers, end func() error, err error) {
	handlers = cloud.NewHandlers(backlog, handleTime, concurrency)
	invokes := &cloud.Lambda{Latency: invokeLatency, Rate: invokeRate, Accept: func(_ string, payload []byte) { handlers.Handle(payload) }}
	store, lambda := cloud.Listen(&cloud.DynamoDB{Do: backlog.Do, Latency: dynamoDBLatency}), cloud.Listen(invokes)
	f, err = startFunction(ctx, emulator, path, memory, append(env, trust, "AWS_ENDPOINT_URL_DYNAMODB="+store.URL, "AWS_ENDPOINT_URL_LAMBDA="+lambda.URL, "AWS_LAMBDA_FUNCTION_TIMEOUT=90")...)
	if err != nil {
		store.Close()
		lambda.Close()
		return nil, nil, nil, err
	}
	go f.invoke(ctx, "{}") // it is cut off
	return f, handlers, func() error {
		err := f.stop()
		store.Close()
		lambda.Close()
		return err
	}, nil
}

// reached waits until so many tasks were handed over.
func reached(ctx context.Context, f *function, handlers *cloud.Handlers, n int64) error {
	const within = time.Minute
	for began := time.Now(); handlers.Hints.Load() < n; time.Sleep(10 * time.Millisecond) {
		if ctx.Err() != nil || time.Since(began) > within {
			said := f.output.String()
			return fmt.Errorf("%d tasks were handed over in %v\n%s", handlers.Hints.Load(), within, said[max(0, strings.LastIndex(said, "\n{")):])
		}
	}
	return nil
}
