package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"example.com/dispatch/internal/bench/cloud"
	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/sqlite"
)

const (
	sweepMemory = 512             // MB, as in the template
	handles     = 8               // side by side
	setup       = 8 * time.Second // until the first tick
	lateTarget  = 1000            // ms, p99
	few         = 60              // tasks a minute, to be called together at its end
	seed        = 7
)

// scenario is one system and how much is due in it.
type scenario struct {
	name      string
	precision string // of the sweep; "" for the local server
	perMinute int
	target    float64 // ms, of p99; 0 for none
}

// onTime measures how late tasks are called that are due at any time of some minutes, and what the sweeps of a day take.
// All scenarios run side by side, for they are mostly waiting: so that a minute's tasks that all start at once do not make the
// others late, few are due there.
func (b *bench) onTime(ctx context.Context) error {
	emulator, err := findEmulator(ctx)
	if err != nil {
		b.table.leaveOut("how late the functions are: %v", err)
		return nil
	}
	trust, err := cloud.Trust(b.folder)
	if err != nil {
		return err
	}
	var paths []string
	for _, name := range []string{"./functions/sweep", "./functions/handle"} {
		path, err := b.build(ctx, name, "-tags=lambda.norpc", "-ldflags=-s")
		if err != nil {
			return err
		}
		paths = append(paths, path)
	}
	minutes, many := b.pick(3, 1), b.pick(1000, 300)
	all := []scenario{
		{"functions, precision second", "second", many, lateTarget}, {"functions, precision minute", "minute", few, 0},
		{"functions, one a minute", "second", 1, 0}, {"functions, idle", "second", 0, 0}, {"local server", "", many, lateTarget},
	}
	from := time.Now().Add(setup)
	found := make([][]figure, len(all))
	failed := make([]error, len(all))
	var wg sync.WaitGroup
	for i, s := range all {
		wg.Go(func() {
			if s.precision == "" {
				found[i], failed[i] = b.onTimeLocally(ctx, s, from, minutes)
			} else {
				found[i], failed[i] = b.onTimeInFunctions(ctx, s, from, minutes, emulator, trust, paths[0], paths[1])
			}
		})
	}
	wg.Wait()
	for i, s := range all {
		for _, f := range found[i] {
			if f.Name == s.name+", p99" && s.target > 0 {
				b.table.atMost(f, s.target)
			} else {
				b.table.add(f)
			}
		}
		if failed[i] != nil {
			failed[i] = fmt.Errorf("%s: %w", s.name, failed[i])
		}
	}
	return errors.Join(failed...)
}

func (b *bench) onTimeInFunctions(ctx context.Context, s scenario, from time.Time, minutes int, emulator, trust, sweep, handle string) (found []figure, err error) {
	receiver, err := startReceiver(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, receiver.end()) }()
	d, err := deploy(ctx, emulator, trust, sweep, handle, s.precision, min(handles, s.perMinute))
	defer func() { err = errors.Join(err, d.end()) }()
	if err != nil {
		return nil, err
	}
	n := s.perMinute * minutes
	if err := dueWithin(ctx, cloud.Store(d.do), receiver.URL, n, from, minutes); err != nil {
		return nil, err
	}
	ticks := minutes
	if s.precision == string(dispatch.PrecisionMinute) {
		ticks++ // finds what the last minute brought
	}
	d.ticks(ctx, from, ticks)
	if n > 0 {
		if found, err = lateness(ctx, s, receiver.URL, n); err != nil {
			return nil, err
		}
	}
	return append(found, figure{
		"ontime", s.name + ", sweeps of a day", d.perDay().Seconds(), "s", "", nil,
		fmt.Sprintf("of Lambda's time at %d MB: the mean of %d ticks, %d tasks a minute, times 1,440", sweepMemory, len(d.billed), s.perMinute),
	}), nil
}

func (b *bench) onTimeLocally(ctx context.Context, s scenario, from time.Time, minutes int) (found []figure, err error) {
	receiver, err := startReceiver(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, receiver.end()) }()
	db, n := filepath.Join(b.folder, "ontime.db"), s.perMinute*minutes
	if err := with(ctx, db, func(store *sqlite.Store) error { return dueWithin(ctx, store, receiver.URL, n, from, minutes) }); err != nil {
		return nil, err
	}
	server, err := b.serve(ctx, db, "--unsigned")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, server.end()) }()
	time.Sleep(time.Until(from.Add(time.Duration(minutes) * time.Minute)))
	return lateness(ctx, s, receiver.URL, n)
}

// dueWithin stores n tasks that are due at any millisecond of some minutes.
func dueWithin(ctx context.Context, store dispatch.Store, receiver string, n int, from time.Time, minutes int) error {
	chance := rand.New(rand.NewPCG(seed, seed))
	var tasks []asked
	for range n {
		due := from.Add(time.Duration(chance.Int64N(int64(minutes) * int64(time.Minute)))).Truncate(time.Millisecond)
		tasks = append(tasks, asked{URI: fmt.Sprintf("%s/call?%s=%d", receiver, sentAt, due.UnixNano()), Body: body(), DueAt: due.Format(time.RFC3339Nano)})
	}
	enqueue := verb(store)
	for some := range slices.Chunk(tasks, 1000) {
		if _, err := enqueue.Run(ctx, encoded(map[string]any{"tasks": some}), newID); err != nil {
			return fmt.Errorf("enqueueing: %w", err)
		}
	}
	return nil
}

// lateness is how late the n calls came.
func lateness(ctx context.Context, s scenario, receiver string, n int) ([]figure, error) {
	seen, err := awaitCalls(ctx, receiver, n, latencyEnd)
	if err != nil {
		return nil, err
	}
	late := slices.Sorted(slices.Values(seen.Late))
	if len(late) < n {
		return nil, fmt.Errorf("%d of %d tasks arrived", len(late), n)
	}
	meaning := fmt.Sprintf("%d tasks, %d a minute, due at any millisecond: from then to the receiver's handler", n, s.perMinute)
	figures := []figure{{"ontime", s.name + ", max", milliseconds(late[len(late)-1]), "ms", "", nil, meaning}}
	if n < 100 {
		return figures, nil
	}
	for _, p := range []int{99, 50} {
		figures = append([]figure{{"ontime", fmt.Sprintf("%s, p%d", s.name, p), milliseconds(late[(len(late)-1)*p/100]), "ms", "", nil, meaning}}, figures...)
	}
	return figures, nil
}
