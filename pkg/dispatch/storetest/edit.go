package storetest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

func testEdit(t *testing.T, store dispatch.Store) {
	later := now.Add(time.Hour)
	sub(t, store, "sees the row and writes it whole", func(f fixture) {
		task := f.put(f.task("a", func(t *dispatch.Task) { t.Progress, t.Lapses = []dispatch.Progress{{Attempts: 2}}, 1 }))
		want := dispatch.Task{
			ID: task.ID, State: dispatch.Stopped, Reason: "r", Queue: f.queue + ".other", Run: 2, EndedAt: later,
			Doc: []byte("\x00doc"), Hash: []byte("hash"), Timeout: time.Minute, ExpireAt: later.Add(ms),
			DueAt: later, Lane: dispatch.Lane(f.queue, "elsewhere", 9),
			Progress: []dispatch.Progress{{Attempts: 5}}, Lapses: 7, TTL: later.Truncate(time.Second), Version: 1,
			Flag: true, Identifier: "label", Tenant: "acme",
		}
		got := f.edit(task.ID, func(t *dispatch.Task) error {
			f.wantTask("seen", *t, task)
			*t = want
			return nil
		})
		want.Generation = task.Generation + 1
		f.wantTask("returned", got, want)
		f.wantRow("row", want)
	})
	sub(t, store, "moves the task to another lane", func(f fixture) {
		task := f.put(f.task("a"))
		other := f.queue + "#other"
		f.edit(task.ID, func(t *dispatch.Task) error { t.Lane, t.DueAt = other, later; return nil })
		if a, b := f.due(task.Lane, later), f.due(other, later); len(a) != 0 || len(b) != 1 {
			f.Errorf("the old lane has %v, the new one %v", a, b)
		}
		f.edit(task.ID, func(t *dispatch.Task) error { t.Lane, t.DueAt = "", time.Time{}; return nil })
		if b := f.due(other, later); len(b) != 0 {
			f.Errorf("the lane that it left has %v", b)
		}
	})
	sub(t, store, "a run by hand", func(f fixture) {
		task := f.put(f.task("a"))
		f.settle(failed(f.claimed(task.ID, "token", now), now))
		f.edit(task.ID, func(t *dispatch.Task) error {
			t.State, t.Reason, t.EndedAt, t.DueAt, t.Lane = dispatch.Scheduled, "", time.Time{}, later, task.Lane
			t.Run, t.Progress = t.Run+1, nil
			return nil
		})
		if n := len(f.due(dispatch.HistoryLanes(f.queue, 1)[0], later)); n != 0 {
			f.Errorf("still in the history")
		}
		if got := f.claimed(task.ID, "next", later); got.Run != 2 || got.Generation != task.Generation+3 {
			f.Errorf("run %d, generation +%d; want 2 and +3", got.Run, got.Generation-task.Generation)
		}
	})
	sub(t, store, "fences the generation", func(f fixture) {
		task := f.put(f.task("a"))
		got := f.edit(task.ID, func(t *dispatch.Task) error { t.Generation = 5; return nil })
		if got.Generation != task.Generation+1 {
			f.Errorf("generation %d, want %d", got.Generation, task.Generation+1)
		}
		f.wantRow("row", got)
	})
	sub(t, store, "of an unknown id", func(f fixture) {
		err := f.editErr(f.queue+".absent", func(*dispatch.Task) error { f.Error("called"); return nil })
		f.wantErr("edit", err, dispatch.ErrNotFound)
	})
	sub(t, store, "its error is returned as it is and nothing is written", func(f fixture) {
		task := f.put(f.task("a"))
		no := errors.New("no")
		err := f.editErr(task.ID, func(t *dispatch.Task) error { t.Run = 9; return no })
		if err != no {
			f.Errorf("error %v, want the function's own", err)
		}
		f.wantRow("row", task)
	})
	sub(t, store, "a leased task is left alone if it says so", func(f fixture) {
		task := f.put(f.task("a"))
		mine := f.claimed(task.ID, "token", now)
		err := f.editErr(task.ID, unlessLeased(now))
		f.wantErr("edit", err, dispatch.ErrLeased)
		f.wantRow("row", mine)
		f.settle(delivered(mine, now))
	})
	sub(t, store, "removes a lapsed lease", func(f fixture) {
		task := f.put(f.task("a"))
		mine := f.claimed(task.ID, "token", now)
		got := f.edit(task.ID, unlessLeased(mine.Until))
		want := mine
		want.Lease, want.Until, want.Generation = "", time.Time{}, mine.Generation+1
		f.wantTask("returned", got, want)
		f.wantRow("row", want)
		if n := f.claimed(task.ID, "next", now).Lapses; n != 0 {
			f.Errorf("%d lapses after it, want 0", n)
		}
	})
	testOvertaken(t, store)
	sub(t, store, "concurrent edits are all applied once", func(f fixture) {
		task := f.put(f.task("a", func(t *dispatch.Task) { t.Run = 0 }))
		const n = 20
		var wg sync.WaitGroup
		for range n {
			wg.Go(func() {
				if err := f.editErr(task.ID, func(t *dispatch.Task) error { t.Run++; return nil }); err != nil {
					f.Errorf("edit: %v", err)
				}
			})
		}
		wg.Wait()
		if got := f.get(task.ID); got.Run != n || got.Generation != task.Generation+n {
			f.Errorf("run %d, generation +%d; want %d of both", got.Run, got.Generation-task.Generation, n)
		}
	})
}

// testOvertaken has another write land between an edit's read and its write: the edit must see it.
func testOvertaken(t *testing.T, store dispatch.Store) {
	for _, c := range []struct {
		name  string
		write func(f fixture, row dispatch.Task)
		want  error
	}{
		{"a claim", func(f fixture, row dispatch.Task) { f.claimed(row.ID, "next", row.Until) }, dispatch.ErrLeased},
		{"a settle for another attempt", func(f fixture, row dispatch.Task) { f.settle(retried(row, now.Add(time.Hour))) }, nil},
		{"a final settle", func(f fixture, row dispatch.Task) { f.settle(delivered(row, now)) }, nil},
		{"an edit", func(f fixture, row dispatch.Task) {
			f.edit(row.ID, func(t *dispatch.Task) error { t.Reason = "overtook"; return nil })
		}, nil},
		{"an end and a deletion", func(f fixture, row dispatch.Task) {
			f.settle(delivered(row, now))
			if err := f.store.Delete(f.ctx, row.ID, row.Generation); err != nil {
				f.Errorf("delete: %v", err)
			}
		}, dispatch.ErrNotFound},
	} {
		sub(t, store, "overtaken by "+c.name, func(f fixture) {
			row := f.claimed(f.put(f.task("a")).ID, "token", now)
			calls := 0
			var seen dispatch.Task
			err := f.editErr(row.ID, func(t *dispatch.Task) error {
				if calls++; calls == 1 {
					c.write(f, row)
				}
				seen = *t
				if err := unlessLeased(row.Until)(t); err != nil {
					return err
				}
				t.Run += 10
				return nil
			})
			f.wantErr("edit", err, c.want)
			if c.want == nil {
				seen.Run, seen.Lease, seen.Until, seen.Generation = 11, "", time.Time{}, seen.Generation+1
				f.wantRow("row", seen)
			}
			if c.want != dispatch.ErrNotFound && calls != 2 {
				f.Errorf("the edit ran %d times, want 2", calls)
			}
		})
	}
}

func unlessLeased(at time.Time) func(*dispatch.Task) error {
	return func(t *dispatch.Task) error {
		if t.Leased(at) {
			return dispatch.ErrLeased
		}
		return nil
	}
}

func testDelete(t *testing.T, store dispatch.Store) {
	for _, c := range []struct {
		name   string
		change func(*dispatch.Task)
		ahead  int64 // of the row's generation
		want   error
	}{
		{"final", finalWith(dispatch.Delivered), 0, nil},
		{"in the history", func(t *dispatch.Task) { *t = failed(*t, now) }, 0, nil},
		{"cancelled", finalWith(dispatch.Cancelled), 0, nil},
		{"of an earlier generation", finalWith(dispatch.Delivered), -1, dispatch.ErrConflict},
		{"of a later generation", finalWith(dispatch.Delivered), 1, dispatch.ErrConflict},
		{"scheduled", func(*dispatch.Task) {}, 0, dispatch.ErrConflict},
		{"blocked", func(t *dispatch.Task) { t.State = dispatch.Blocked }, 0, dispatch.ErrConflict},
		{"held", func(t *dispatch.Task) { t.State = dispatch.Held }, 0, dispatch.ErrConflict},
		{"skipped", finalWith(dispatch.Skipped), 0, nil},
		{"leased", func(t *dispatch.Task) { t.Lease, t.Until = "token", now.Add(time.Minute) }, 0, dispatch.ErrConflict},
	} {
		sub(t, store, c.name, func(f fixture) {
			task := f.put(f.task("a", c.change))
			f.wantErr("delete", f.store.Delete(f.ctx, task.ID, task.Generation+c.ahead), c.want)
			if c.want != nil {
				f.wantRow("row", task)
				return
			}
			f.wantErr("get", f.store.Get(f.ctx, []string{task.ID})[0].Err, dispatch.ErrNotFound)
			f.wantErr("again", f.store.Delete(f.ctx, task.ID, task.Generation), nil)
			if h := f.due(dispatch.HistoryLanes(f.queue, 1)[0], now); len(h) != 0 {
				f.Errorf("the history still has %v", h)
			}
		})
	}
	sub(t, store, "absent", func(f fixture) {
		f.wantErr("delete", f.store.Delete(f.ctx, f.queue+".absent", 1), nil)
	})
	sub(t, store, "the id put again is another task", func(f fixture) {
		task := f.put(f.task("a"))
		mine := f.claimed(task.ID, "token", now)
		f.settle(delivered(mine, now))
		if err := f.store.Delete(f.ctx, task.ID, mine.Generation); err != nil {
			f.Fatalf("delete: %v", err)
		}
		again := now.Add(9 * time.Hour)
		second := f.put(f.task("a", func(t *dispatch.Task) { t.DueAt, t.Generation = again, dispatch.Millis(again) }))
		r := f.store.Claim(f.ctx, []string{task.ID}, dispatch.Lease{Token: "token", At: now, Left: time.Hour})[0]
		f.wantErr("the first run's claim, late", r.Err, dispatch.ErrRefused)
		f.wantErr("the first run's settle, late", f.settleErr(delivered(mine, now)), dispatch.ErrLeaseLost)
		f.wantErr("the first run's deletion, late", f.store.Delete(f.ctx, task.ID, mine.Generation), dispatch.ErrConflict)
		f.wantRow("row", second)
		if got := f.claimed(task.ID, "next", again); got.Lapses != 0 || len(got.Progress) != 0 {
			f.Errorf("the second run begins with %d lapses, progress %v", got.Lapses, got.Progress)
		}
	})
}
