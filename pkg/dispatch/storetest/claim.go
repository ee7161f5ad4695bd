package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

const ms = time.Millisecond

func testClaim(t *testing.T, store dispatch.Store) {
	const left = time.Minute
	for _, c := range []struct {
		name   string
		change func(*dispatch.Task)
		want   error
	}{
		{"due long ago", func(t *dispatch.Task) { t.DueAt = now.Add(-99 * time.Hour) }, nil},
		{"due now", func(t *dispatch.Task) { t.DueAt = now }, nil},
		{"due in 2 s", func(t *dispatch.Task) { t.DueAt = now.Add(dispatch.ClaimAhead) }, nil},
		{"due in more than 2 s", func(t *dispatch.Task) { t.DueAt = now.Add(dispatch.ClaimAhead + ms) }, dispatch.ErrRefused},
		{"timeout just fits", func(t *dispatch.Task) { t.Timeout = left }, nil},
		{"timeout over the time left", func(t *dispatch.Task) { t.Timeout = left + time.Second }, dispatch.ErrRefused},
		{"older format", func(t *dispatch.Task) { t.Version = dispatch.FormatVersion - 1 }, nil},
		{"newer format", func(t *dispatch.Task) { t.Version = dispatch.FormatVersion + 1 }, dispatch.ErrRefused},
		{"expired", func(t *dispatch.Task) { t.ExpireAt = now.Add(-time.Hour) }, nil},
		{"past its TTL", func(t *dispatch.Task) { t.TTL = now.Add(-time.Hour).Truncate(time.Second) }, nil},
		{"leased by another", func(t *dispatch.Task) { t.Lease, t.Until = "another", now.Add(ms) }, dispatch.ErrRefused},
		{"in the history", func(t *dispatch.Task) { *t = failed(*t, now.Add(-time.Hour)) }, dispatch.ErrRefused},
		{"delivered", finalWith(dispatch.Delivered), dispatch.ErrRefused},
		{"stopped", finalWith(dispatch.Stopped), dispatch.ErrRefused},
		{"exhausted", finalWith(dispatch.Exhausted), dispatch.ErrRefused},
		{"expired and ended", finalWith(dispatch.Expired), dispatch.ErrRefused},
		{"cancelled", finalWith(dispatch.Cancelled), dispatch.ErrRefused},
		{"skipped", finalWith(dispatch.Skipped), dispatch.ErrRefused},
		{"blocked", func(t *dispatch.Task) { t.State = dispatch.Blocked }, dispatch.ErrRefused},
		{"held", func(t *dispatch.Task) { t.State = dispatch.Held }, dispatch.ErrRefused},
		{"flagged", func(t *dispatch.Task) { t.Flag = true }, nil},
	} {
		sub(t, store, c.name, func(f fixture) {
			task := f.put(f.task("a", c.change))
			r := f.store.Claim(f.ctx, []string{task.ID}, dispatch.Lease{Token: "token", At: now, Left: left})[0]
			f.wantErr("claim", r.Err, c.want)
			want := task
			if c.want == nil {
				want = claimedOnce(task, "token", now)
			}
			f.wantTask("result", r.Task, want)
			f.wantRow("row", want)
		})
	}
	sub(t, store, "an unknown id", func(f fixture) {
		f.wantErr("claim", f.claim(f.queue+".absent", "token", now).Err, dispatch.ErrNotFound)
	})
	sub(t, store, "the same token again has the same answer", func(f fixture) {
		task := f.put(f.task("a"))
		first := f.claimed(task.ID, "token", now)
		f.wantTask("again", f.claimed(task.ID, "token", now), first)
		f.wantTask("later", f.claimed(task.ID, "token", now.Add(time.Second)), first)
		f.wantTask("after the lease's end", f.claimed(task.ID, "token", now.Add(time.Hour)), first)
		f.wantRow("row", first)
	})
	sub(t, store, "times finer than a ms and of other zones", func(f fixture) {
		task := f.put(f.task("a"))
		at := now.Add(999 * time.Microsecond).In(time.FixedZone("east", 3600))
		got := f.claimed(task.ID, "token", at)
		f.wantTask("result", got, claimedOnce(task, "token", now))
		f.wantRow("row", got)
	})
	sub(t, store, "a claim leaves the task in its lane", func(f fixture) {
		task := f.put(f.task("a"))
		f.claimed(task.ID, "token", now)
		if n := len(f.due(task.Lane, now)); n != 1 {
			f.Errorf("%d hints in the lane, want 1", n)
		}
	})
	sub(t, store, "of many claimers exactly one wins", func(f fixture) {
		for round := range 5 {
			task := f.put(f.task(fmt.Sprint(round)))
			results := make([]dispatch.Result, 40)
			var wg sync.WaitGroup
			for i := range results {
				wg.Go(func() { results[i] = f.claim(task.ID, fmt.Sprint("token ", i), now) })
			}
			wg.Wait()
			won := 0
			for i, r := range results {
				switch {
				case r.Err == nil:
					won++
					f.wantTask("winner", r.Task, claimedOnce(task, fmt.Sprint("token ", i), now))
				case !errors.Is(r.Err, dispatch.ErrRefused):
					f.Errorf("claimer %d: %v", i, r.Err)
				}
			}
			if won != 1 {
				f.Errorf("%d claimers of %d won", won, len(results))
			}
		}
	})
	sub(t, store, "many at once, in order, one refusal fails no other", func(f fixture) {
		const n = 210
		tasks := make([]dispatch.Task, n)
		ids := make([]string, n)
		for i := range tasks {
			tasks[i] = f.task(fmt.Sprint(i), func(t *dispatch.Task) {
				if i%10 == 3 {
					t.DueAt = now.Add(time.Hour)
				}
			})
			ids[i] = tasks[i].ID
		}
		f.put(tasks...)
		ids[7] = f.queue + ".absent"
		ids[9] = ids[8]
		results := f.store.Claim(f.ctx, ids, dispatch.Lease{Token: "token", At: now, Left: left})
		if len(results) != n {
			f.Fatalf("%d results for %d ids", len(results), n)
		}
		for i, r := range results {
			switch {
			case i == 7:
				f.wantErr("absent", r.Err, dispatch.ErrNotFound)
			case i == 9:
				f.wantTask("twice in one call", r.Task, claimedOnce(tasks[8], "token", now))
			case i%10 == 3:
				f.wantErr("not due", r.Err, dispatch.ErrRefused)
				f.wantTask("not due", r.Task, tasks[i])
			default:
				f.wantErr("due", r.Err, nil)
				f.wantTask("due", r.Task, claimedOnce(tasks[i], "token", now))
			}
		}
	})
}

func testLapse(t *testing.T, store dispatch.Store) {
	sub(t, store, "a lease holds until its end", func(f fixture) {
		task := f.put(f.task("a"))
		first := f.claimed(task.ID, "first", now)
		r := f.claim(task.ID, "second", first.Until.Add(-ms))
		f.wantErr("1 ms before", r.Err, dispatch.ErrRefused)
		f.wantTask("1 ms before", r.Task, first)
		f.wantRow("row", first)
	})
	sub(t, store, "from its end on another claims, and it counts", func(f fixture) {
		row := f.put(f.task("a"))
		for lapse := range 12 {
			at := row.Until
			if lapse == 0 {
				at = now
			}
			want := claimedOnce(row, fmt.Sprint("token ", lapse), at)
			want.Lapses = lapse
			row = f.claimed(row.ID, want.Lease, at)
			f.wantTask("claimed", row, want)
			f.wantRow("row", want)
		}
	})
	sub(t, store, "a claim of a lapsed lease repeated is one lapse", func(f fixture) {
		task := f.put(f.task("a"))
		end := f.claimed(task.ID, "first", now).Until
		second := f.claimed(task.ID, "second", end)
		f.wantTask("again", f.claimed(task.ID, "second", end), second)
		f.wantErr("the first again", f.claim(task.ID, "first", now).Err, dispatch.ErrRefused)
		f.wantRow("row", second)
	})
	for _, c := range []struct {
		name   string
		change func(*dispatch.Task)
		left   time.Duration
	}{
		{"timeout over the time left", func(*dispatch.Task) {}, 29 * time.Second},
		{"newer format", func(t *dispatch.Task) { t.Version = dispatch.FormatVersion + 1 }, time.Hour},
		{"not due", func(t *dispatch.Task) { t.DueAt = now.Add(time.Hour) }, time.Hour},
	} {
		sub(t, store, "a lapse excuses nothing else: "+c.name, func(f fixture) {
			task := f.put(f.task("a", c.change, func(t *dispatch.Task) { t.Lease, t.Until = "gone", now.Add(-time.Hour) }))
			r := f.store.Claim(f.ctx, []string{task.ID}, dispatch.Lease{Token: "token", At: now, Left: c.left})[0]
			f.wantErr("claim", r.Err, dispatch.ErrRefused)
			f.wantRow("row", task)
		})
	}
	sub(t, store, "of many claimers of a lapsed lease exactly one wins", func(f fixture) {
		task := f.put(f.task("a"))
		end := f.claimed(task.ID, "gone", now).Until
		errs := make([]error, 40)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() { errs[i] = f.claim(task.ID, fmt.Sprint("token ", i), end).Err })
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			}
		}
		if lapses := f.get(task.ID).Lapses; won != 1 || lapses != 1 {
			f.Errorf("%d won and %d lapses were counted, want 1 and 1", won, lapses)
		}
	})
}

// claimedOnce is the row that a claim of t leaves.
func claimedOnce(t dispatch.Task, token string, at time.Time) dispatch.Task {
	t.Lease, t.Until = token, at.Add(t.Timeout+dispatch.LeaseMargin)
	t.Generation++
	return t
}

func finalWith(s dispatch.State) func(*dispatch.Task) {
	return func(t *dispatch.Task) { *t = delivered(*t, now); t.State = s }
}
