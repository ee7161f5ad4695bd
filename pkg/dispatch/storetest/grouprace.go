package storetest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// testGroupRace has calls meet that write the same group.
func testGroupRace(t *testing.T, store dispatch.Store) {
	sub(t, store, "many concurrent puts make one chain", func(f fixture) {
		const n = 200
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() { f.join(f.member(fmt.Sprint(i))) })
		}
		wg.Wait()
		ran := f.runAll(f.queue+".g", n)
		if len(ran) != n {
			f.Errorf("%d tasks ran, want %d", len(ran), n)
		}
	})
	sub(t, store, "concurrent repeats of the same puts make one chain", func(f fixture) {
		const n = 10
		var tasks []dispatch.Task
		for i := range n {
			tasks = append(tasks, f.member(fmt.Sprint(i)))
		}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for i, r := range f.store.Put(f.ctx, now, tasks) {
					if r.Err != nil || r.Existing {
						f.Errorf("put %d: existing %v, %v", i, r.Existing, r.Err)
					}
				}
			})
		}
		wg.Wait()
		if ran := f.runAll(f.queue+".g", n); len(ran) != n {
			f.Errorf("%d tasks ran, want %d: %v", len(ran), n, ran)
		}
	})
	for _, end := range []struct {
		name string
		end  func(f fixture, mine dispatch.Task) error
	}{
		{"is settled", func(f fixture, mine dispatch.Task) error { return f.settleErr(delivered(mine, now)) }},
		{"is cancelled", func(f fixture, mine dispatch.Task) error {
			return f.editErr(mine.ID, func(t *dispatch.Task) error { cancelled(t); return nil })
		}},
	} {
		sub(t, store, "put behind a head at the moment at which it "+end.name, func(f fixture) {
			f.rounds(150, func(f fixture, round int) {
				in := func(t *dispatch.Task) { t.Group += fmt.Sprint(".", round) }
				head, next := f.member(fmt.Sprint("head", round), in), f.member(fmt.Sprint("next", round), in)
				f.put(head)
				mine := f.claimed(head.ID, "token", now)
				var wg sync.WaitGroup
				wg.Go(func() { f.wantErr("end", end.end(f, mine), nil) })
				wg.Go(func() { f.join(next) })
				wg.Wait()
				if ran := f.runAll(head.Group, 1); len(ran) != 1 || ran[0] != next.ID {
					f.Fatalf("round %d: ran %v, want %s; it is %+v", round, ran, next.ID, f.get(next.ID))
				}
			})
		})
	}
	sub(t, store, "run again at the moment at which the last one ends", func(f fixture) {
		f.rounds(100, func(f fixture, round int) {
			in := func(t *dispatch.Task) { t.Group += fmt.Sprint(".", round) }
			a, b := f.member(fmt.Sprint("a", round), in), f.member(fmt.Sprint("b", round), in)
			f.join(a)
			f.join(b)
			f.settle(delivered(f.claimed(a.ID, "token", now), now))
			mine := f.claimed(b.ID, "token", now)
			var wg sync.WaitGroup
			wg.Go(func() {
				f.wantErr("edit", f.editErr(a.ID, func(t *dispatch.Task) error {
					t.State, t.DueAt, t.Lane, t.TTL = dispatch.Scheduled, now, dispatch.Lane(t.Queue, t.ID, 1), time.Time{}
					return nil
				}), nil)
			})
			wg.Go(func() { f.wantErr("settle", f.settleErr(delivered(mine, now)), nil) })
			wg.Wait()
			if ran := f.runAll(a.Group, 1); len(ran) != 1 || ran[0] != a.ID {
				f.Fatalf("round %d: ran %v, want %s; it is %+v", round, ran, a.ID, f.get(a.ID))
			}
		})
	})
	sub(t, store, "producers and a runner on one group", func(f fixture) {
		const producers, each = 4, 60
		var wg sync.WaitGroup
		for p := range producers {
			wg.Go(func() {
				for i := range each {
					f.join(f.member(fmt.Sprintf("%d-%d", p, i)))
				}
			})
		}
		ran := f.runAll(f.queue+".g", producers*each)
		wg.Wait()
		if len(ran) != producers*each {
			f.Errorf("%d tasks ran, want %d", len(ran), producers*each)
		}
		last := [producers]int{-1, -1, -1, -1}
		for _, id := range ran {
			var p, i int
			if _, err := fmt.Sscanf(strings.TrimPrefix(id, f.queue+"."), "%d-%d", &p, &i); err != nil {
				f.Fatal(err)
			}
			if i != last[p]+1 {
				f.Errorf("producer %d: task %d ran after %d", p, i, last[p])
			}
			last[p] = i
		}
	})
}

// rounds plays so many, several side by side, each of which needs a group of its own.
func (f fixture) rounds(n int, play func(f fixture, round int)) {
	const wide = 10
	for first := range wide {
		sub(f.T, f.store, fmt.Sprint("from ", first), func(f fixture) {
			for round := first; round < n; round += wide {
				play(f, round)
			}
		})
	}
}

// join puts a member of a group.
func (f fixture) join(t dispatch.Task) {
	f.Helper()
	if r := f.store.Put(f.ctx, now, []dispatch.Task{t})[0]; r.Err != nil || r.Existing {
		f.Errorf("put %s: existing %v, %v", t.ID, r.Existing, r.Err)
	}
}

// runAll delivers the members of a group until so many have run, of whom the lane or a hand-over tells, and returns
// their ids in the order in which they ran. While others put it looks again, until nothing happens any more.
func (f fixture) runAll(group string, n int) (ran []string) {
	f.Helper()
	lane := dispatch.Lane(f.queue, "", 1)
	const patience = 20 * time.Second
	for giveUp := time.Now().Add(patience); len(ran) < n && time.Now().Before(giveUp); {
		var turn []string
		for _, h := range f.due(lane, now) {
			if row := f.get(h.ID); row.Group == group && row.State == dispatch.Scheduled {
				turn = append(turn, h.ID)
			}
		}
		if len(turn) > 1 {
			f.Fatalf("of one group %v are due", turn)
		}
		for len(turn) > 0 {
			id := turn[0]
			turn, giveUp = nil, time.Now().Add(patience)
			ran = append(ran, id)
			if next := f.settle(delivered(f.claimed(id, id+" runs", now), now)); next.ID != "" {
				turn = append(turn, next.ID)
			}
		}
	}
	return ran
}
