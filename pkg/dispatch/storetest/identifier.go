package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

func testIdentifier(t *testing.T, store dispatch.Store) {
	sub(t, store, "what a filter yields", func(f fixture) {
		label := func(name string) func(*dispatch.Task) {
			return func(t *dispatch.Task) { t.Identifier = f.queue + "." + name }
		}
		other := func(t *dispatch.Task) { t.Queue += ".other" }
		f.put(f.task("a1", label("a")), f.task("b1", label("b")), f.task("plain"), f.task("a2", label("a"), other),
			f.task("later", label("c"), func(t *dispatch.Task) { t.DueAt = now.Add(time.Hour) }))
		f.store.Put(f.ctx, now, []dispatch.Task{f.member("head"), f.member("behind", label("b"))})
		f.claimed(f.task("a1").ID, "token", now)
		labels := func(names ...string) (out []string) {
			for _, n := range names {
				out = append(out, f.queue+"."+n)
			}
			return out
		}
		for _, c := range []struct {
			name   string
			filter dispatch.Filter
			want   []string
		}{
			{"one", dispatch.Filter{Identifiers: labels("a")}, []string{"a1", "a2"}},
			{"several", dispatch.Filter{Identifiers: labels("b", "absent", "c")}, []string{"b1", "behind", "later"}},
			{"one given twice", dispatch.Filter{Identifiers: labels("a", "b", "a")}, []string{"a1", "a2", "b1", "behind"}},
			{"none has it", dispatch.Filter{Identifiers: labels("absent")}, nil},
			{"a beginning of it", dispatch.Filter{Identifiers: []string{f.queue}}, nil},
			{"the empty one", dispatch.Filter{Identifiers: []string{""}, Queue: f.queue}, nil},
			{"and a queue", dispatch.Filter{Identifiers: labels("a", "b"), Queue: f.queue}, []string{"a1", "b1", "behind"}},
			{"and a state", dispatch.Filter{Identifiers: labels("a", "b"), State: dispatch.Blocked}, []string{"behind"}},
			{"any", dispatch.Filter{Identified: true, Queue: f.queue}, []string{"a1", "b1", "behind", "later"}},
			{"any, and a state", dispatch.Filter{Identified: true, Queue: f.queue, State: dispatch.Blocked}, []string{"behind"}},
			{"any, and some", dispatch.Filter{Identified: true, Identifiers: labels("c")}, []string{"later"}},
			{"no filter", dispatch.Filter{Queue: f.queue}, []string{"a1", "b1", "behind", "head", "later", "plain"}},
		} {
			got := f.list(c.filter)
			for i, id := range got {
				got[i] = id[len(f.queue)+1:]
			}
			if !slices.Equal(got, c.want) {
				f.Errorf("%s: %v, want %v", c.name, got, c.want)
			}
		}
	})
	sub(t, store, "is gone with the end, back with another run, and an edit may change it", func(f fixture) {
		a := f.queue + ".a"
		task := f.put(f.task("a", func(t *dispatch.Task) { t.Identifier = a }))
		want := func(what string, ids ...string) {
			f.Helper()
			if got := f.list(dispatch.Filter{Identifiers: []string{a}}); !slices.Equal(got, ids) {
				f.Errorf("%s: %v, want %v", what, got, ids)
			}
			if got := f.list(dispatch.Filter{Identified: true, Queue: f.queue}); !slices.Equal(got, ids) {
				f.Errorf("%s: of all %v, want %v", what, got, ids)
			}
		}
		f.settle(retried(f.claimed(task.ID, "first", now), now))
		want("before another attempt", task.ID)
		mine := delivered(f.claimed(task.ID, "second", now), now)
		mine.Identifier = ""
		f.settle(mine)
		f.wantRow("row", settled(mine))
		want("ended")
		f.edit(task.ID, func(t *dispatch.Task) error {
			t.State, t.DueAt, t.Lane, t.Identifier = dispatch.Scheduled, now, task.Lane, a
			return nil
		})
		want("run again", task.ID)
		f.edit(task.ID, func(t *dispatch.Task) error { cancelled(t); t.Identifier = ""; return nil })
		want("cancelled")
	})
	sub(t, store, "of many pages", func(f fixture) {
		const n = 900
		var tasks []dispatch.Task
		for i := range n {
			tasks = append(tasks, f.task(fmt.Sprint(i), func(t *dispatch.Task) {
				t.Identifier = fmt.Sprint(f.queue, ".", i%2)
				if i >= n/2 {
					t.Identifier = fmt.Sprint(f.queue, ".own.", i)
				}
			}))
		}
		f.put(tasks...)
		if got := f.list(dispatch.Filter{Identifiers: []string{f.queue + ".0", f.queue + ".1"}}); len(slices.Compact(got)) != n/2 {
			f.Errorf("%d tasks, want %d", len(got), n/2)
		}
		if got := f.list(dispatch.Filter{Identified: true, Queue: f.queue}); len(got) != n || len(slices.Compact(got)) != n {
			f.Errorf("of all %d tasks, want %d", len(got), n)
		}
		for _, filter := range []dispatch.Filter{{Identified: true}, {Identifiers: []string{f.queue + ".0"}}} {
			got := 0
			for _, err := range f.store.List(f.ctx, filter) {
				if got++; err != nil || got == 210 {
					break
				}
			}
			if got != 210 {
				f.Errorf("%d before the stop at 210", got)
			}
		}
	})
}

// list returns the ids that a filter yields, sorted, once it has looked at each row.
func (f fixture) list(filter dispatch.Filter) (ids []string) {
	f.Helper()
	var listed []dispatch.Task
	for task, err := range f.store.List(f.ctx, filter) {
		if err != nil {
			f.Fatalf("list: %v", err)
		}
		listed, ids = append(listed, task), append(ids, task.ID)
	}
	for i, r := range f.store.Get(f.ctx, ids) {
		if f.wantErr("listed", r.Err, nil); r.Err == nil {
			f.wantTask("listed", listed[i], r.Task)
		}
	}
	slices.Sort(ids)
	return ids
}
