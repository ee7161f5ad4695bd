package main

import (
	"context"
	"errors"
	"fmt"
	"os"
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
	for _, c := range []drained{
		{1, sweepMemory, 1, 1}, {8, vCPU, 1, 1}, {8, sweepMemory, 10, 1},
		{8, sweepMemory, 1, 1}, {8, sweepMemory, 1, 2}, {8, sweepMemory, 1, 4}, {8, sweepMemory, 1, 8},
		{8, leastMemory, 1, 1}, {8, leastMemory, 1, 2}, {8, leastMemory, 1, 4}, {8, leastMemory, 1, 8}, // how it grows where this machine bears all of them
	} {
		name := fmt.Sprintf("lanes %d, %d MB, %d a handle, parts %d", c.lanes, c.memory, c.together, c.parts)
		fmt.Fprintf(os.Stderr, " %s …", name)
		rate, twice, busy, err := b.drainOnce(ctx, emulator, path, trust, c)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		floor := min(float64(c.lanes*cloud.WritesOfAPartition), float64(concurrency*c.together)/handleTime.Seconds())
		b.table.add(figure{"backlog", name, million / rate / 60, "min", "", nil, fmt.Sprintf(
			"a million overdue tasks at the %.0f/s that were measured; %.1f min, %.1f times as fast, is what the lanes' partitions and the handles bear; %.1f %% of the hand-overs were of a task that was held already; the sweeps used %.0f %% of their CPU", rate, million/floor/60, floor/rate, 100*twice, 100*busy)})
	}
	return nil
}

// leastMemory is the least that Lambda gives a function, in MB.
const leastMemory = 128

// drained is how a backlog is swept: in so many lanes, by functions of so many MB, so many tasks a handle, by so many parts of
// a tick at most.
type drained struct{ lanes, memory, together, parts int }

// drainOnce returns how many overdue tasks end in a second, what part of the hand-overs came too late or twice, and how much
// of their CPU time the sweeps used: where it is less than all, something else is the bound, such as this machine.
func (b *bench) drainOnce(ctx context.Context, emulator, path, trust string, c drained) (rate, twice, busy float64, err error) {
	backlog, err := cloud.NewBacklog(ctx, million/4, c.lanes, time.Now().Add(-time.Hour))
	if err != nil {
		return 0, 0, 0, err
	}
	s := &sweeps{emulator: emulator, path: path, memory: c.memory, env: []string{
		trust, fmt.Sprintf("TASKS_PER_HANDLE=%d", c.together), fmt.Sprintf("SWEEP_LIMIT=%d", million), fmt.Sprintf("SWEEP_PARTS=%d", c.parts),
	}}
	handlers, err := s.begin(ctx, backlog, tickEvent)
	defer func() { err = errors.Join(err, s.end()) }()
	if err != nil {
		return 0, 0, 0, err
	}
	if err := s.reached(ctx, handlers, drainFrom); err != nil {
		return 0, 0, 0, err
	}
	began, done, cpu := time.Now(), handlers.Done.Load(), s.cpu()
	time.Sleep(time.Duration(b.pick(20, 6)) * time.Second)
	took := time.Since(began).Seconds()
	rate = float64(handlers.Done.Load()-done) / took
	busy = (s.cpu() - cpu).Seconds() / took / float64(len(s.running())) / shareOf(c.memory)
	return rate, float64(handlers.Twice.Load()) / float64(handlers.Hints.Load()), busy, nil
}

// drainFrom is how many tasks are handed over before a rate is measured.
const drainFrom = 4000
