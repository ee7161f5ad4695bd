package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"example.com/dispatch/internal/bench/plot"
	"example.com/dispatch/pkg/dispatch/sqlite"
)

const (
	growthTime = 20 * time.Minute
	plotFolder = "docs/plots"
	smallest   = 1000 // tasks pending
)

// way is one in which a store grows.
type way struct {
	name string
	grow func(*bench, context.Context) ([]plot.Plot, error)
}

func ways() []way {
	return []way{{"pending", (*bench).growPending}, {"group", (*bench).growGroup}, {"groups", (*bench).growGroups}, {"queues", (*bench).growQueues}}
}

// growth measures how speed changes with what a store holds, and writes one plot for each way in which it grows.
func (b *bench) growth(ctx context.Context, wanted []string) error {
	if err := os.MkdirAll(plotFolder, 0o755); err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	for _, way := range ways() {
		if !slices.Contains(wanted, way.name) {
			continue
		}
		began := time.Now()
		plots, err := way.grow(b, ctx)
		if err != nil {
			return fmt.Errorf("measuring growth of %s: %w", way.name, err)
		}
		for _, p := range plots {
			p.Note = machine()
			if err := p.Save(plotFolder); err != nil {
				return err
			}
			fmt.Println(p.Text())
		}
		fmt.Fprintf(os.Stderr, "growth of %s: %.0f s\n", way.name, time.Since(began).Seconds())
	}
	return nil
}

// growPending measures among ever more tasks that are due some time of the next day, in one file that grows. Beside
// it lies a small one: rounds of claims in both alternate, so that both see the same machine.
func (b *bench) growPending(ctx context.Context) (_ []plot.Plot, err error) {
	sizes := []int{smallest, 100_000, 1_000_000, 5_000_000}
	if b.short {
		sizes = []int{smallest, 10_000, 100_000}
	}
	claims := plot.Plot{Name: "claim", Title: "Finding and claiming 500 due tasks", X: "tasks pending", Y: "ms", Series: []plot.Series{{Name: "one commit, on disk"}, {Name: "of that, CPU time"}}}
	drains := plot.Plot{Name: "drain", Title: "Draining due tasks among those pending", X: "tasks pending", Y: "tasks/s", Series: []plot.Series{{Name: "drained"}, {Name: "bare client"}}}
	enqueues := plot.Plot{Name: "enqueue", Title: "Enqueueing among tasks pending", X: "tasks pending", Y: "tasks/s", Series: []plot.Series{{Name: "one by one, 50 callers"}, {Name: "batches of 1,000"}}}
	receiver, err := startReceiver(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, receiver.end()) }()
	path, beside := filepath.Join(b.folder, "growing.db"), filepath.Join(b.folder, "small.db")
	defer func() { err = errors.Join(err, removeStore(path), removeStore(beside)) }()
	from := time.Now().Add(day)
	for _, n := range sizes {
		fmt.Fprintf(os.Stderr, "%d pending: filling", n)
		for file, size := range map[string]int{path: n, beside: smallest} {
			if err := pendingFile(ctx, file, size, from); err != nil {
				return nil, err
			}
		}
		fmt.Fprint(os.Stderr, ", claiming")
		few, many, err := b.claimsBeside(ctx, beside, path)
		if err != nil {
			return nil, err
		}
		claims.Series[0].Add(n, milliseconds(many.median()), float64(many.median())/float64(few.median()))
		claims.Series[1].Add(n, milliseconds(median(many.cpu)), float64(median(many.cpu))/float64(median(few.cpu)))
		fmt.Fprint(os.Stderr, ", draining")
		served, bare, err := b.drainAmong(ctx, receiver.URL, path, b.pick(20_000, 5_000))
		if err != nil {
			return nil, err
		}
		drains.Series[0].Add(n, served, 0)
		drains.Series[1].Add(n, bare, 0)
		fmt.Fprint(os.Stderr, ", enqueueing")
		single, batches, err := b.enqueueAmong(ctx, path, b.pick(20_000, 5_000))
		if err != nil {
			return nil, err
		}
		enqueues.Series[0].Add(n, single, 0)
		enqueues.Series[1].Add(n, batches, 0)
		fmt.Fprintln(os.Stderr)
	}
	return []plot.Plot{claims, drains, enqueues}, nil
}

// pendingFile makes a store, or adds to it, until it has n rows.
func pendingFile(ctx context.Context, path string, n int, from time.Time) error {
	if _, err := os.Stat(path); err != nil {
		err := with(ctx, path, func(store *sqlite.Store) error { return (&pending{store: store, n: smallest, from: from}).fill(ctx) })
		if err != nil {
			return err
		}
	}
	return multiply(ctx, path, n, from)
}

// claimsBeside claims in two files, in turn.
func (b *bench) claimsBeside(ctx context.Context, small, large string) (few, many *pending, err error) {
	err = with(ctx, small, func(small *sqlite.Store) error {
		return with(ctx, large, func(large *sqlite.Store) error {
			few, many = &pending{store: small}, &pending{store: large}
			for range b.pick(25, 9) {
				if err := errors.Join(few.round(ctx), many.round(ctx)); err != nil {
					return err
				}
			}
			return nil
		})
	})
	return few, many, err
}

// enqueueAmong returns how many tasks a second the verb puts into a file, one by one and in batches, due at a random
// time of two days from now.
func (b *bench) enqueueAmong(ctx context.Context, path string, n int) (single, batches float64, err error) {
	const together = 1000
	later := func() asked {
		return asked{URI: "http://127.0.0.1:9/call", Body: body(), Delay: float64(day.Milliseconds()+rand.Int64N(day.Milliseconds())) / 1000}
	}
	err = with(ctx, path, func(store *sqlite.Store) error {
		verb := verb(store)
		if single, err = side(callers, n, enqueueMost, func(int) error {
			_, err := verb.Run(ctx, encoded(later()), newID)
			return err
		}); err != nil {
			return err
		}
		batches, err = side(4, n/together, enqueueMost, func(int) error {
			tasks := make([]asked, together)
			for i := range tasks {
				tasks[i] = later()
			}
			_, err := verb.Run(ctx, encoded(map[string]any{"tasks": tasks}), newID)
			return err
		})
		batches *= together
		return err
	})
	return single, batches, err
}

// drainAmong puts n due tasks into a file and returns how many a second a server drains, and how many a bare client
// calls.
func (b *bench) drainAmong(ctx context.Context, receiver, path string, n int) (served, bare float64, err error) {
	due := func(int) asked { return asked{URI: receiver + "/call", Body: body()} }
	if err := with(ctx, path, func(store *sqlite.Store) error { return putAll(ctx, store, n, due) }); err != nil {
		return 0, 0, err
	}
	served, _, _, err = b.drainFile(ctx, receiver, path, n, "--unsigned")
	if err != nil {
		return 0, 0, err
	}
	bare, _, err = b.drainBare(ctx, receiver, n, nil)
	return served, bare, err
}

func removeStore(path string) error {
	var errs []error
	for _, end := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + end); !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
