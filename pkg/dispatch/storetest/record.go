package storetest

import (
	"fmt"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

func testRecord(t *testing.T, store dispatch.Store) {
	later := now.Add(time.Minute)
	progress := func(n int) []dispatch.Progress {
		return []dispatch.Progress{
			{State: dispatch.Delivered, EndedAt: later, Attempts: n, Last: []dispatch.Attempt{{At: now, Status: 204, Took: time.Second}}},
			{NextAt: later, Attempts: 2, Error: "status 503", Last: []dispatch.Attempt{{At: now, Status: 503, Took: time.Millisecond}}},
			{},
		}
	}
	sub(t, store, "writes the progress and nothing else", func(f fixture) {
		task := f.put(f.task("a"))
		want := f.claimed(task.ID, "token", now)
		mine := failed(want, later)
		mine.Progress, mine.Lapses, mine.Flag, mine.Queue, mine.Until = progress(1), 7, true, "other", later
		f.wantErr("record", store.Record(f.ctx, mine), nil)
		want.Progress = mine.Progress
		f.wantRow("row", want)
		if h := f.due(task.Lane, now); len(h) != 1 {
			f.Errorf("the lane has %v, want the task where it was", h)
		}

		mine.Progress = progress(3)
		f.wantErr("another", store.Record(f.ctx, mine), nil)
		f.wantErr("the same again", store.Record(f.ctx, mine), nil)
		want.Progress = mine.Progress
		f.wantRow("row after two", want)

		mine.Progress = nil
		f.wantErr("nothing", store.Record(f.ctx, mine), nil)
		want.Progress = nil
		f.wantRow("row without", want)
	})
	sub(t, store, "is settled, and claimed with what was recorded", func(f fixture) {
		f.put(f.task("a"))
		mine := f.claimed(f.queue+".a", "token", now)
		mine.Progress = progress(1)
		f.wantErr("record", store.Record(f.ctx, mine), nil)
		lapsed := f.claimed(mine.ID, "next", mine.Until)
		want := mine
		want.Lease, want.Generation, want.Lapses, want.Until = "next", mine.Generation+1, 1, lapsed.Until
		f.wantRow("claimed again", want)
		done := delivered(lapsed, mine.Until)
		f.settle(done)
		f.wantRow("settled", settled(done))
	})
	sub(t, store, "is not undone by an edit of a lease that is over", func(f fixture) {
		mine := f.claimed(f.put(f.task("a")).ID, "token", now)
		for n := range 2 { // without progress, and with some
			runs := 0
			mine.Progress = progress(n + 1)
			got := f.edit(mine.ID, func(t *dispatch.Task) error {
				if runs++; runs == 1 {
					f.wantErr("record", store.Record(f.ctx, mine), nil)
				}
				t.DueAt = later
				return nil
			})
			if runs != 2 {
				f.Errorf("the edit ran %d times, want 2", runs)
			}
			want := mine
			want.Lease, want.Until, want.DueAt, want.Generation = "", time.Time{}, later, mine.Generation+1
			f.wantTask("edited", got, want)
			f.wantRow("row", want)
			mine = f.claimed(mine.ID, fmt.Sprint("token ", n), later)
		}
	})
	sub(t, store, "needs the lease", func(f fixture) {
		mine := f.claimed(f.put(f.task("a")).ID, "token", now)
		late := mine
		late.Progress = progress(1)
		for _, c := range []struct {
			name   string
			change func(*dispatch.Task)
		}{
			{"another's", func(t *dispatch.Task) { t.Lease = "other" }},
			{"none", func(t *dispatch.Task) { t.Lease = "" }},
			{"an older generation", func(t *dispatch.Task) { t.Generation-- }},
			{"a newer generation", func(t *dispatch.Task) { t.Generation++ }},
			{"no row", func(t *dispatch.Task) { t.ID += ".none" }},
		} {
			other := late
			c.change(&other)
			f.wantErr(c.name, store.Record(f.ctx, other), dispatch.ErrLeaseLost)
		}
		f.wantRow("untouched", mine)
		done := delivered(mine, later)
		f.settle(done)
		f.wantErr("after the settle", store.Record(f.ctx, late), dispatch.ErrLeaseLost)
		f.wantRow("settled", settled(done))
	})
}
