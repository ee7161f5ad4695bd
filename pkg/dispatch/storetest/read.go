package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

func testDue(t *testing.T, store dispatch.Store) {
	sub(t, store, "oldest first, up to the instant itself", func(f fixture) {
		for _, s := range []int{3, 1, 4, 0, 2} {
			f.put(f.task(fmt.Sprint(s), func(t *dispatch.Task) { t.DueAt = now.Add(time.Duration(s) * time.Second) }))
		}
		lane := dispatch.Lane(f.queue, "", 1)
		for _, c := range []struct {
			upTo time.Duration
			want int
		}{{-ms, 0}, {0, 1}, {time.Second - ms, 1}, {time.Second, 2}, {3 * time.Second, 4}, {time.Hour, 5}} {
			hints := f.due(lane, now.Add(c.upTo))
			if len(hints) != c.want {
				f.Errorf("up to %v: %d hints, want %d", c.upTo, len(hints), c.want)
			}
			for i, h := range hints {
				want := f.task(fmt.Sprint(i)).ID
				if h.ID != want || !h.DueAt.Equal(now.Add(time.Duration(i)*time.Second)) {
					f.Errorf("hint %d is %+v, want %s", i, h, want)
				}
				if h.Queue != "" && h.Queue != f.queue {
					f.Errorf("queue %q, want %q or none", h.Queue, f.queue)
				}
			}
		}
	})
	sub(t, store, "an empty lane", func(f fixture) {
		if h := f.due(f.queue+"#0", now); len(h) != 0 {
			f.Errorf("%v", h)
		}
	})
	sub(t, store, "lanes are separate", func(f fixture) {
		lanes := []string{f.queue + "#1", f.queue + "#10", f.queue + "!failed#1", f.queue + "2#1"}
		for _, lane := range lanes {
			f.put(f.task(lane, func(t *dispatch.Task) { t.Lane = lane }))
		}
		f.put(f.task("none", func(t *dispatch.Task) { t.Lane = "" }))
		for _, lane := range lanes {
			if h := f.due(lane, now); len(h) != 1 || h[0].ID != f.task(lane).ID {
				f.Errorf("%s has %v", lane, h)
			}
		}
	})
	sub(t, store, "hints of a tenant's lane name it", func(f fixture) {
		for lane, want := range map[string]string{
			f.queue + "#0": "", f.queue + "~acme#0": "acme", f.queue + "~acme#11": "acme", f.queue + "~acme!failed#0": "acme", f.queue + "~acme2#0": "acme2",
		} {
			f.put(f.task(lane, func(t *dispatch.Task) { t.Lane, t.Tenant = lane, "another" }))
			if h := f.due(lane, now); len(h) != 1 || h[0].Tenant != want || h[0].Queue != f.queue {
				f.Errorf("%s has %+v, want one of %q", lane, h, want)
			}
		}
	})
	sub(t, store, "leased ones too", func(f fixture) {
		task := f.put(f.task("a"))
		f.claimed(task.ID, "token", now)
		if h := f.due(task.Lane, now); len(h) != 1 {
			f.Errorf("%v", h)
		}
	})
	sub(t, store, "many pages", func(f fixture) {
		const n = 2500
		tasks := make([]dispatch.Task, n)
		for i := range tasks { // 50 of each instant, so that pages end within one
			tasks[i] = f.task(fmt.Sprint(i), func(t *dispatch.Task) { t.DueAt = now.Add(time.Duration(i%50) * ms) })
		}
		f.put(tasks...)
		hints := f.due(tasks[0].Lane, now.Add(time.Second))
		seen := map[string]bool{}
		for _, h := range hints {
			seen[h.ID] = true
		}
		if len(hints) != n || len(seen) != n {
			f.Errorf("%d hints of %d ids, want %d", len(hints), len(seen), n)
		}
		if !slices.IsSortedFunc(hints, func(a, b dispatch.Hint) int { return a.DueAt.Compare(b.DueAt) }) {
			f.Error("not oldest first")
		}
		f.Run("stopped early", func(t *testing.T) {
			for _, stop := range []int{1, 99, 1700} {
				got := 0
				for _, err := range f.store.Due(f.ctx, tasks[0].Lane, now.Add(time.Second)) {
					if got++; err != nil || got == stop {
						break
					}
				}
				if got != stop {
					t.Errorf("%d hints before the stop at %d", got, stop)
				}
			}
		})
		f.Run("settled while iterated over", func(t *testing.T) {
			ended := map[string]bool{}
			for h, err := range f.store.Due(f.ctx, tasks[0].Lane, now.Add(time.Second)) {
				if err != nil {
					t.Fatal(err)
				}
				if len(ended) < 60 && !ended[h.ID] {
					f.settle(delivered(f.claimed(h.ID, h.ID, now), now))
					ended[h.ID] = true
				}
			}
			if left := len(f.due(tasks[0].Lane, now.Add(time.Second))); left != n-len(ended) {
				t.Errorf("%d left, want %d", left, n-len(ended))
			}
		})
	})
	sub(t, store, "iterated over twice", func(f fixture) {
		f.put(f.task("a"), f.task("b"))
		seq := f.store.Due(f.ctx, f.task("a").Lane, now)
		for range 2 {
			n := 0
			for range seq {
				n++
			}
			if n != 2 {
				f.Errorf("%d hints, want 2", n)
			}
		}
	})
	sub(t, store, "a raised number of lanes loses nobody", func(f fixture) {
		want := map[string]bool{}
		put := func(lanes, from, to int) {
			for i := from; i < to; i++ {
				task := f.put(f.task(fmt.Sprint(i), func(t *dispatch.Task) { t.Lane = dispatch.Lane(f.queue, t.ID, lanes) }))
				want[task.ID] = true
			}
		}
		put(2, 0, 40)
		put(5, 40, 80)
		got := map[string]int{}
		for _, lane := range dispatch.Lanes(f.queue, 5) {
			for _, h := range f.due(lane, now) {
				got[h.ID]++
			}
		}
		for id := range want {
			if got[id] != 1 {
				f.Errorf("%s found %d times", id, got[id])
			}
		}
	})
}

func testList(t *testing.T, store dispatch.Store) {
	sub(t, store, "what a filter yields", func(f fixture) {
		at := func(s int) func(*dispatch.Task) {
			return func(t *dispatch.Task) { t.DueAt = now.Add(time.Duration(s) * time.Second) }
		}
		in := func(lane string) func(*dispatch.Task) { return func(t *dispatch.Task) { t.Lane = f.queue + lane } }
		stopped := func(t *dispatch.Task) { t.State = dispatch.Stopped }
		mine := func(t *dispatch.Task) { t.Queue = f.queue + ".other" }
		acme := func(t *dispatch.Task) { t.Tenant = f.queue + ".acme" }
		f.put(
			f.task("a0", in("#0"), at(3), acme), f.task("b0", in("#0"), at(1)), f.task("c0", in("#0"), at(2), stopped),
			f.task("a1", in("#1"), at(9), acme), f.task("b1", in("#1"), at(5), mine),
			f.task("end", func(t *dispatch.Task) { *t = delivered(*t, now) }))
		lanes := func(names ...string) (out []string) {
			for _, n := range names {
				out = append(out, f.queue+n)
			}
			return out
		}
		for _, c := range []struct {
			name   string
			filter dispatch.Filter
			want   []string
		}{
			{"one lane", dispatch.Filter{Lanes: lanes("#0")}, []string{"b0", "c0", "a0"}},
			{"one lane, newest first", dispatch.Filter{Lanes: lanes("#0"), Newest: true}, []string{"a0", "c0", "b0"}},
			{"lanes", dispatch.Filter{Lanes: lanes("#1", "#0")}, []string{"b1", "a1", "b0", "c0", "a0"}},
			{"lanes, newest first", dispatch.Filter{Lanes: lanes("#1", "#0"), Newest: true}, []string{"a1", "b1", "a0", "c0", "b0"}},
			{"an empty lane among them", dispatch.Filter{Lanes: lanes("#7", "#1")}, []string{"b1", "a1"}},
			{"lane and state", dispatch.Filter{Lanes: lanes("#0"), State: dispatch.Stopped}, []string{"c0"}},
			{"lane and queue", dispatch.Filter{Lanes: lanes("#1"), Queue: f.queue}, []string{"a1"}},
			{"queue", dispatch.Filter{Queue: f.queue}, []string{"a0", "a1", "b0", "c0", "end"}},
			{"queue and state", dispatch.Filter{Queue: f.queue, State: dispatch.Scheduled}, []string{"a0", "a1", "b0"}},
			{"queue and another state", dispatch.Filter{Queue: f.queue, State: dispatch.Delivered}, []string{"end"}},
			{"tenant", dispatch.Filter{Tenant: f.queue + ".acme"}, []string{"a0", "a1"}},
			{"tenant and state", dispatch.Filter{Tenant: f.queue + ".acme", State: dispatch.Stopped}, nil},
			{"a tenant that none has", dispatch.Filter{Tenant: f.queue + ".acm"}, nil},
			{"lanes and tenant", dispatch.Filter{Lanes: lanes("#0", "#1"), Tenant: f.queue + ".acme"}, []string{"a0", "a1"}},
			{"lane and tenant, newest first", dispatch.Filter{Lanes: lanes("#0"), Tenant: f.queue + ".acme", Newest: true}, []string{"a0"}},
			{"queue and a state that none has", dispatch.Filter{Queue: f.queue, State: dispatch.Expired}, nil},
		} {
			var got []string
			for task, err := range f.store.List(f.ctx, c.filter) {
				if err != nil {
					f.Fatalf("%s: %v", c.name, err)
				}
				got = append(got, task.ID[len(f.queue)+1:])
				f.wantRow(c.name, task)
			}
			if len(c.filter.Lanes) == 0 {
				slices.Sort(got)
			}
			if !slices.Equal(got, c.want) {
				f.Errorf("%s: %v, want %v", c.name, got, c.want)
			}
		}
	})
	sub(t, store, "a lane of many pages", func(f fixture) {
		const n = 900
		var tasks []dispatch.Task
		for i := range n { // 300 of each instant, so that pages end within one
			tasks = append(tasks, f.task(fmt.Sprint(i), func(t *dispatch.Task) { t.DueAt = now.Add(time.Duration(i%3) * ms) }))
		}
		f.put(tasks...)
		for _, newest := range []bool{false, true} {
			seen := map[string]bool{}
			var last time.Time
			for task, err := range f.store.List(f.ctx, dispatch.Filter{Lanes: []string{tasks[0].Lane}, Newest: newest}) {
				if err != nil {
					f.Fatal(err)
				}
				if seen[task.ID] {
					f.Fatalf("newest %v: %s was yielded twice", newest, task.ID)
				}
				if c := task.DueAt.Compare(last); !last.IsZero() && (newest && c > 0 || !newest && c < 0) {
					f.Fatalf("newest %v: %v after %v", newest, task.DueAt, last)
				}
				seen[task.ID], last = true, task.DueAt
			}
			if len(seen) != n {
				f.Errorf("newest %v: %d tasks, want %d", newest, len(seen), n)
			}
		}
	})
	sub(t, store, "the whole store, documents apart", func(f fixture) {
		if err := f.store.Save(f.ctx, dispatch.Document{Name: f.queue, Version: 1, Body: []byte("{}")}); err != nil {
			f.Fatal(err)
		}
		want := map[string]bool{}
		var tasks []dispatch.Task
		for i := range 1200 {
			tasks = append(tasks, f.task(fmt.Sprint(i)))
			want[tasks[i].ID] = true
		}
		f.put(tasks...)
		for task, err := range f.store.List(f.ctx, dispatch.Filter{}) {
			if err != nil {
				f.Fatal(err)
			}
			if task.ID == "" || task.ID[0] == '/' || task.State == "" {
				f.Fatalf("yielded %+v, which is no task", task)
			}
			if task.Queue == f.queue && !want[task.ID] {
				f.Fatalf("%s was yielded twice", task.ID)
			}
			delete(want, task.ID)
		}
		if len(want) != 0 {
			f.Errorf("%d tasks are missing", len(want))
		}
		n := 0
		for range f.store.List(f.ctx, dispatch.Filter{Queue: f.queue}) {
			if n++; n == 700 {
				break
			}
		}
		if n != 700 {
			f.Errorf("%d before the stop at 700", n)
		}
	})
}
