package main

import (
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/sqlite"
)

const (
	claimed     = 500
	claimTarget = 1.5
	claimTime   = 2 * time.Minute
	fillTime    = time.Minute // where the disk is slow, there are fewer pending
)

// claim measures whether many pending tasks make the due ones dearer. Rounds in the small and in the large
// store alternate, so that both see the same machine.
func (b *bench) claim(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, claimTime)
	defer cancel()
	few, many := 1000, b.pick(1_000_000, 100_000)
	return with(ctx, filepath.Join(b.folder, newID(0)+".db"), func(small *sqlite.Store) error {
		return with(ctx, filepath.Join(b.folder, newID(0)+".db"), func(large *sqlite.Store) error {
			stores := []*pending{{store: small, n: few}, {store: large, n: many}}
			for _, p := range stores {
				if err := p.fill(ctx); err != nil {
					return err
				}
			}
			for range b.pick(25, 15) {
				for _, p := range stores {
					if err := p.round(ctx); err != nil {
						return err
					}
				}
			}
			for _, p := range stores {
				b.table.add(figure{"claim", fmt.Sprintf("%d of %d pending", claimed, p.n), milliseconds(p.median()), "ms", "", nil,
					fmt.Sprintf("find the %d that are due in the lane's index and claim them in one commit; median of %d rounds", claimed, len(p.took))})
			}
			b.table.atMost(figure{"claim", "ratio", float64(stores[1].median()) / float64(stores[0].median()), "", "", nil,
				"how much dearer the same 500 are among the many"}, claimTarget)
			return nil
		})
	})
}

// pending is a store with n tasks in one lane, due at random times of the same day: those that are due next
// lie anywhere in the file.
type pending struct {
	store *sqlite.Store
	n     int
	from  time.Time // when that day begins; zero: now
	took  []time.Duration
	cpu   []time.Duration
}

const day = 24 * time.Hour

func (p *pending) fill(ctx context.Context) error {
	const together = 1000
	now := time.Now()
	from := now
	if !p.from.IsZero() {
		from = p.from
	}
	doc, err := dispatch.EncodeDoc(dispatch.Doc{
		CreatedAt: now, Method: http.MethodPost, URI: "http://127.0.0.1:9/call", Body: body(), Format: dispatch.Envelope,
		Attempts:    dispatch.Attempts{Limit: dispatch.DefaultLimit, Interval: dispatch.DefaultInterval, Backoff: dispatch.DefaultBackoff},
		HTTPTimeout: dispatch.DefaultHTTPTimeout, FirstDueAt: now,
	})
	if err != nil {
		return err
	}
	var put atomic.Int64
	_, err = side(4, p.n/together, fillTime, func(int) error {
		tasks := make([]dispatch.Task, together)
		for i := range tasks {
			id := newID(0)
			tasks[i] = dispatch.Task{
				ID: id, State: dispatch.Scheduled, Queue: dispatch.DefaultQueue, Run: 1, Doc: doc, Hash: []byte(id),
				Timeout: 30 * time.Second, DueAt: from.Add(mathrand.N(day)), Lane: dispatch.Lane(dispatch.DefaultQueue, id, 1),
				Generation: now.UnixMilli(), Version: dispatch.FormatVersion,
			}
		}
		for _, r := range p.store.Put(ctx, now, tasks) {
			if r.Err != nil {
				return r.Err
			}
		}
		put.Add(together)
		return nil
	})
	p.n = int(put.Load())
	return err
}

// round finds and claims the next tasks, and puts them back to another time of day.
func (p *pending) round(ctx context.Context) error {
	before, err := ownCPU()
	if err != nil {
		return err
	}
	began := time.Now()
	var ids []string
	var last time.Time
	for hint, err := range p.store.Due(ctx, dispatch.Lane(dispatch.DefaultQueue, "", 1), began.Add(2*day*time.Duration(1+len(p.took)))) {
		if err != nil {
			return err
		}
		ids, last = append(ids, hint.ID), hint.DueAt
		if len(ids) == claimed {
			break
		}
	}
	results := p.store.Claim(ctx, ids, dispatch.Lease{Token: rand.Text(), At: last, Left: time.Hour})
	p.took = append(p.took, time.Since(began))
	after, err := ownCPU()
	if err != nil {
		return err
	}
	p.cpu = append(p.cpu, after-before)
	_, err = side(claimed, len(results), claimTime, func(i int) error {
		t := results[i].Task
		if results[i].Err != nil {
			return results[i].Err
		}
		t.DueAt = last.Add(mathrand.N(day))
		_, err := p.store.Settle(ctx, t)
		return err
	})
	return err
}

func (p *pending) median() time.Duration { return median(p.took) }

func median(of []time.Duration) time.Duration { return slices.Sorted(slices.Values(of))[len(of)/2] }
