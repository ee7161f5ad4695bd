package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

func testSettle(t *testing.T, store dispatch.Store) {
	later := now.Add(time.Minute)
	sub(t, store, "for another attempt", func(f fixture) {
		task := f.put(f.task("a"))
		mine := retried(f.claimed(task.ID, "token", now), later)
		f.settle(mine)
		f.wantRow("row", settled(mine))
		if h := f.due(task.Lane, later); len(h) != 1 || !h[0].DueAt.Equal(later) {
			f.Errorf("the lane has %v, want the task at %v", h, later)
		}
		f.wantErr("too early", f.claim(task.ID, "next", now.Add(time.Second)).Err, dispatch.ErrRefused)
		f.claimed(task.ID, "next", later)
	})
	sub(t, store, "delivered leaves its lane", func(f fixture) {
		task := f.put(f.task("a"))
		mine := delivered(f.claimed(task.ID, "token", now), later)
		f.settle(mine)
		f.wantRow("row", settled(mine))
		if h := f.due(task.Lane, later.Add(time.Hour)); len(h) != 0 {
			f.Errorf("still in the lane: %v", h)
		}
		f.wantErr("claim", f.claim(task.ID, "next", later).Err, dispatch.ErrRefused)
	})
	sub(t, store, "a failure moves to the history and is never claimed", func(f fixture) {
		task := f.put(f.task("a"))
		mine := failed(f.claimed(task.ID, "token", now), later)
		f.settle(mine)
		f.wantRow("row", settled(mine))
		if h := f.due(task.Lane, later.Add(time.Hour)); len(h) != 0 {
			f.Errorf("still in the live lane: %v", h)
		}
		if h := f.due(mine.Lane, later); len(h) != 1 || h[0].ID != task.ID || !h[0].DueAt.Equal(later) {
			f.Errorf("the history lane has %v, want the task at its end", h)
		}
		f.wantErr("claim", f.claim(task.ID, "next", later).Err, dispatch.ErrRefused)
	})
	sub(t, store, "writes nothing else of the task", func(f fixture) {
		task := f.put(f.task("a"))
		row := f.claimed(task.ID, "token", now)
		mine := retried(row, later)
		mine.Lane = dispatch.Lane(f.queue, "other lane", 7)
		mine.Reason, mine.EndedAt, mine.TTL = "r", later, later.Truncate(time.Second)
		want := settled(mine)
		mine.Queue, mine.Run, mine.Flag, mine.Doc, mine.Hash = "other", 9, true, []byte("other"), []byte("other")
		mine.Timeout, mine.ExpireAt, mine.Until, mine.Version = time.Hour, later, later, 8
		f.settle(mine)
		f.wantRow("row", want)
	})
	sub(t, store, "clears what is zero", func(f fixture) {
		task := f.put(f.task("a", func(t *dispatch.Task) {
			t.Identifier, t.Reason, t.EndedAt, t.Progress = "old", "old", now, []dispatch.Progress{{Attempts: 3}}
		}))
		mine := f.claimed(task.ID, "token", now)
		mine.Identifier, mine.Reason, mine.EndedAt, mine.Progress, mine.TTL = "", "", time.Time{}, nil, time.Time{}
		f.settle(mine)
		f.wantRow("row", settled(mine))
	})
	sub(t, store, "writes lapses", func(f fixture) {
		task := f.put(f.task("a"))
		end := f.claimed(task.ID, "first", now).Until
		mine := f.claimed(task.ID, "second", end)
		if mine.Lapses != 1 {
			f.Fatalf("%d lapses before, want 1", mine.Lapses)
		}
		f.settle(retried(mine, end)) // put back without an outcome: they are in a row still
		mine = f.claimed(task.ID, "third", end)
		if mine.Lapses != 1 {
			f.Errorf("%d lapses after they were kept, want 1", mine.Lapses)
		}
		mine.Lapses = 0
		f.settle(retried(mine, end))
		if n := f.claimed(task.ID, "fourth", end).Lapses; n != 0 {
			f.Errorf("%d lapses after they were cleared, want 0", n)
		}
	})
	sub(t, store, "late, of a lease that nobody took", func(f fixture) {
		task := f.put(f.task("a"))
		mine := f.claimed(task.ID, "token", now)
		mine = delivered(mine, mine.Until.Add(time.Hour))
		f.settle(mine)
		f.wantRow("row", settled(mine))
	})
	for _, c := range []struct {
		name string
		end  func(dispatch.Task) dispatch.Task
	}{
		{"for another attempt", func(t dispatch.Task) dispatch.Task { return retried(t, later) }},
		{"delivered", func(t dispatch.Task) dispatch.Task { return delivered(t, later) }},
		{"failed", func(t dispatch.Task) dispatch.Task { return failed(t, later) }},
	} {
		sub(t, store, "repeated is recognised: "+c.name, func(f fixture) {
			mine := c.end(f.claimed(f.put(f.task("a")).ID, "token", now))
			f.settle(mine)
			f.settle(mine)
			f.wantRow("row", settled(mine))
		})
		testLost(t, store, c.name, c.end)
	}
	sub(t, store, "of many at once each keeps its own", func(f fixture) {
		const n = 60
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				task := f.task(fmt.Sprint(i))
				if r := f.store.Put(f.ctx, now, []dispatch.Task{task})[0]; r.Err != nil {
					f.Errorf("put: %v", r.Err)
				}
				r := f.claim(task.ID, fmt.Sprint("token ", i), now)
				if r.Err != nil {
					f.Errorf("claim: %v", r.Err)
				}
				if err := f.settleErr(retried(r.Task, later.Add(time.Duration(i)*ms))); err != nil {
					f.Errorf("settle: %v", err)
				}
				lost := r.Task
				lost.Generation--
				if err := f.settleErr(lost); !errors.Is(err, dispatch.ErrLeaseLost) {
					f.Errorf("settle of an older generation: %v", err)
				}
			})
		}
		wg.Wait()
		for i := range n {
			if got := f.get(f.task(fmt.Sprint(i)).ID); !got.DueAt.Equal(later.Add(time.Duration(i) * ms)) {
				f.Errorf("task %d is due at %v", i, got.DueAt)
			}
		}
	})
}

// testLost settles after each way to lose a lease.
func testLost(t *testing.T, store dispatch.Store, end string, settle func(dispatch.Task) dispatch.Task) {
	for _, c := range []struct {
		name string
		lose func(f fixture, mine dispatch.Task) (claimed dispatch.Task)
	}{
		{"never held", func(f fixture, mine dispatch.Task) dispatch.Task {
			mine.Lease = "another's"
			return mine
		}},
		{"another took the lapsed lease", func(f fixture, mine dispatch.Task) dispatch.Task {
			f.claimed(mine.ID, "next", mine.Until)
			return mine
		}},
		{"another took it and settled", func(f fixture, mine dispatch.Task) dispatch.Task {
			f.settle(retried(f.claimed(mine.ID, "next", mine.Until), now))
			return mine
		}},
		{"another took it and delivered", func(f fixture, mine dispatch.Task) dispatch.Task {
			f.settle(delivered(f.claimed(mine.ID, "next", mine.Until), now))
			return mine
		}},
		{"edited", func(f fixture, mine dispatch.Task) dispatch.Task {
			f.edit(mine.ID, func(t *dispatch.Task) error { return nil })
			return mine
		}},
		{"cancelled", func(f fixture, mine dispatch.Task) dispatch.Task {
			f.edit(mine.ID, func(t *dispatch.Task) error {
				*t = delivered(*t, now)
				t.State = dispatch.Cancelled
				return nil
			})
			return mine
		}},
		{"put again after its end", func(f fixture, mine dispatch.Task) dispatch.Task {
			f.settle(delivered(mine, now))
			if err := f.store.Delete(f.ctx, mine.ID, mine.Generation); err != nil {
				f.Fatalf("delete: %v", err)
			}
			f.put(f.task("a", func(t *dispatch.Task) { t.Generation += dispatch.Millis(now.Add(9*time.Hour)) - dispatch.Millis(now) }))
			return mine
		}},
	} {
		sub(t, store, "the lease is lost: "+c.name+", then "+end, func(f fixture) {
			mine := c.lose(f, f.claimed(f.put(f.task("a")).ID, "token", now))
			before := f.get(mine.ID)
			f.wantErr("settle", f.settleErr(settle(mine)), dispatch.ErrLeaseLost)
			f.wantRow("row", before)
		})
	}
	sub(t, store, "the lease is lost: deleted, then "+end, func(f fixture) {
		mine := f.claimed(f.put(f.task("a")).ID, "token", now)
		f.settle(delivered(mine, now))
		if err := f.store.Delete(f.ctx, mine.ID, mine.Generation); err != nil {
			f.Fatalf("delete: %v", err)
		}
		f.wantErr("settle", f.settleErr(settle(mine)), dispatch.ErrLeaseLost)
		f.wantErr("get", f.store.Get(f.ctx, []string{mine.ID})[0].Err, dispatch.ErrNotFound)
	})
}
