package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"example.com/dispatch/internal/bench/plot"
	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/sqlite"
)

// growGroup measures one group that becomes ever longer: enqueueing behind its tail, and how fast each member's end
// hands over to the next. That is one after another by its nature, so only a part of it is delivered.
func (b *bench) growGroup(ctx context.Context) (_ []plot.Plot, err error) {
	sizes := []int{1000, 10_000, 100_000}
	if b.short {
		sizes = []int{100, 1000, 10_000}
	}
	part := b.pick(2000, 100)
	p := plot.Plot{Name: "group", Title: "One group, delivered one after another", X: "tasks in the group", Y: "tasks/s", Series: []plot.Series{{Name: "enqueued behind its tail, in batches"}, {Name: "handed over and delivered"}}}
	receiver, err := startReceiver(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, receiver.end()) }()
	path := filepath.Join(b.folder, "group.db")
	defer func() { err = errors.Join(err, removeStore(path)) }()
	member := func(int) asked { return asked{URI: receiver.URL + "/call", Body: body(), Group: "one"} }
	have := 0
	for _, n := range sizes {
		var rate float64
		err := with(ctx, path, func(store *sqlite.Store) error {
			last := min(n-have, 5000) // what is measured comes when the group is nearly as long
			if err := putAll(ctx, store, n-have-last, member); err != nil {
				return err
			}
			began := time.Now()
			err := putAll(ctx, store, last, member)
			rate = float64(last) / time.Since(began).Seconds()
			return err
		})
		if err != nil {
			return nil, err
		}
		served, _, calls, err := b.drainFile(ctx, receiver.URL, path, min(part, n), "--unsigned")
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(os.Stderr, "a group of %d: enqueued %.0f/s, handed over %.0f/s\n", n, rate, served)
		p.Series[0].Add(n, rate, 0)
		p.Series[1].Add(n, served, 0)
		have = n - calls // a few more have ended until the server did
	}
	return []plot.Plot{p}, nil
}

// growGroups measures tasks spread over ever more groups, beside the same tasks without groups.
func (b *bench) growGroups(ctx context.Context) ([]plot.Plot, error) {
	counts := []int{100, 1000, 10_000}
	if b.short {
		counts = []int{10, 100, 1000}
	}
	return b.growSpread(ctx, "groups", "groups", counts, func(a *asked, kind string, i, n int) { a.Group = fmt.Sprint(kind, i%n) }, nil)
}

// growQueues measures tasks spread over ever more queues, beside the same tasks in one.
func (b *bench) growQueues(ctx context.Context) ([]plot.Plot, error) {
	queue := func(i, n int) string { return fmt.Sprint("queue-", i%n) }
	return b.growSpread(ctx, "queues", "queues", []int{1, 10, 100}, func(a *asked, _ string, i, n int) { a.Queue = queue(i, n) },
		func(n int) dispatch.Settings {
			s := dispatch.Settings{Queues: map[string]dispatch.QueueSettings{dispatch.DefaultQueue: {}}}
			for i := range n {
				s.Queues[queue(i, n)] = dispatch.QueueSettings{}
			}
			return s
		})
}

// growSpread measures enqueueing of tasks that spread puts into so many of a kind, and draining of some among them,
// beside the same tasks spread over none.
func (b *bench) growSpread(ctx context.Context, name, x string, counts []int, spread func(a *asked, kind string, i, n int), settings func(n int) dispatch.Settings) (_ []plot.Plot, err error) {
	later, now := b.pick(100_000, 10_000), b.pick(20_000, 5_000)
	p := plot.Plot{Name: name, Title: "Tasks spread over " + x, X: x, Y: "tasks/s", Series: []plot.Series{
		{Name: "enqueued, in batches"}, {Name: "enqueued, without " + x}, {Name: "drained"}, {Name: "drained, without " + x}}}
	receiver, err := startReceiver(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, receiver.end()) }()
	for _, n := range counts {
		for i, is := range []func(*asked, string, int, int){spread, func(*asked, string, int, int) {}} {
			path := filepath.Join(b.folder, newID(0)+".db")
			var enqueued float64
			err := with(ctx, path, func(store *sqlite.Store) error {
				if settings != nil {
					if _, err := dispatch.SaveSettings(ctx, store, settings(n)); err != nil {
						return err
					}
				}
				began := time.Now()
				err := putAll(ctx, store, later, func(i int) asked {
					a := asked{URI: receiver.URL + "/call", Body: body(), Delay: day.Seconds()}
					is(&a, "later-", i, n)
					return a
				})
				enqueued = float64(later) / time.Since(began).Seconds()
				return errors.Join(err, putAll(ctx, store, now, func(i int) asked {
					a := asked{URI: receiver.URL + "/call", Body: body()}
					is(&a, "now-", i, n)
					return a
				}))
			})
			if err != nil {
				return nil, err
			}
			drained, _, _, err := b.drainFile(ctx, receiver.URL, path, now, "--unsigned")
			if err = errors.Join(err, removeStore(path)); err != nil {
				return nil, err
			}
			fmt.Fprintf(os.Stderr, "%d %s, %s: enqueued %.0f/s, drained %.0f/s\n", n, x, p.Series[2+i].Name, enqueued, drained)
			p.Series[i].Add(n, enqueued, 0)
			p.Series[2+i].Add(n, drained, 0)
		}
	}
	return []plot.Plot{p}, nil
}
