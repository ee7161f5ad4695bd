package storetest

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

func testPut(t *testing.T, store dispatch.Store) {
	sub(t, store, "every field comes back", func(f fixture) {
		task := f.task("a", func(t *dispatch.Task) {
			t.Reason, t.EndedAt, t.Run = "because \"ü\"\x00 '", now.Add(time.Millisecond), 3
			t.Doc = []byte{'{', 0, 0xff, 0xfe, '\n', '\'', '}'}
			t.Lease, t.Until, t.Lapses = "token", now.Add(time.Minute), 4
			t.Progress = []dispatch.Progress{
				{Attempts: 2, WaitingSince: now.Add(-time.Hour), Error: "é", Last: []dispatch.Attempt{
					{At: now.Add(-time.Minute), Status: 503, Took: 1234 * time.Millisecond},
					{At: now.Add(-time.Second), Took: time.Millisecond}}},
				{Attempts: 1}}
			t.Version, t.Flag, t.Identifier, t.Tenant = 7, true, "label \"ü\"", "acme"
		})
		f.put(task)
		f.wantRow("row", task)
	})
	sub(t, store, "zero fields stay zero", func(f fixture) {
		task := dispatch.Task{ID: f.queue, State: dispatch.Scheduled}
		f.put(task)
		f.wantRow("row", task)
	})
	sub(t, store, "ids are taken literally", func(f fixture) {
		for _, name := range []string{"a b", "a%20b", "'", `"`, "#1", "%", "_", "ä", "Ä", "日本", "A", "a"} {
			f.put(f.task(name))
		}
		for _, name := range []string{"a b", "'", "ä", "Ä", "A", "a"} {
			f.wantRow(name, f.task(name))
		}
	})
	sub(t, store, "an existing row is returned unchanged", func(f fixture) {
		first := f.put(f.task("a"))
		for what, other := range map[string]func(*dispatch.Task){
			"another hash":                func(t *dispatch.Task) { t.Hash = []byte("another") },
			"another generation":          func(t *dispatch.Task) { t.Generation++ },
			"the same content, put later": func(t *dispatch.Task) { t.Generation++; t.DueAt = now.Add(time.Hour) },
		} {
			r := f.store.Put(f.ctx, now, []dispatch.Task{f.task("a", other)})[0]
			if r.Err != nil || !r.Existing {
				f.Errorf("%s: existing %v, %v; want the existing row", what, r.Existing, r.Err)
			}
			f.wantTask(what+": result", r.Task, first)
			f.wantRow(what+": row", first)
		}
	})
	sub(t, store, "its own repeat is recognised", func(f fixture) {
		task := f.put(f.task("a"))
		f.put(task)
		f.wantRow("row", task)
	})
	sub(t, store, "another put of the same moment is not its own", func(f fixture) {
		task := f.put(f.task("a"))
		other := task
		other.Doc = append([]byte(nil), task.Doc...)
		other.Doc[len(other.Doc)-1] = ' '
		if r := f.store.Put(f.ctx, now, []dispatch.Task{other})[0]; r.Err != nil || !r.Existing {
			f.Errorf("existing %v, %v", r.Existing, r.Err)
		}
		f.wantRow("row", task)
	})
	sub(t, store, "a repeat after a claim meets the existing row", func(f fixture) {
		task := f.put(f.task("a"))
		claimed := f.claimed(task.ID, "token", now)
		r := f.store.Put(f.ctx, now, []dispatch.Task{task})[0]
		if r.Err != nil || !r.Existing {
			f.Fatalf("existing %v, %v", r.Existing, r.Err)
		}
		f.wantTask("result", r.Task, claimed)
		f.wantRow("row", claimed)
	})
	for _, c := range []struct {
		name   string
		ttl    time.Time
		absent bool
	}{
		{"a row without TTL stays", time.Time{}, false},
		{"a row before its TTL stays", now.Truncate(time.Second).Add(time.Second), false},
		{"a row at its TTL counts as absent", now.Truncate(time.Second), true},
		{"a row past its TTL counts as absent", now.Truncate(time.Second).Add(-time.Hour), true},
	} {
		sub(t, store, c.name, func(f fixture) {
			old := f.put(f.task("a", func(t *dispatch.Task) {
				*t = failed(*t, now.Add(-time.Hour))
				t.TTL, t.Progress, t.Lapses = c.ttl, []dispatch.Progress{{Attempts: 9}}, 3
			}))
			task := f.task("a", func(t *dispatch.Task) { t.Generation += 5 })
			r := f.store.Put(f.ctx, now, []dispatch.Task{task})[0]
			if r.Err != nil || r.Existing == c.absent {
				f.Fatalf("existing %v, %v", r.Existing, r.Err)
			}
			if !c.absent {
				f.wantTask("result", r.Task, old)
				f.wantRow("row", old)
				return
			}
			f.wantRow("row", task)
			if h := f.due(old.Lane, now.Add(time.Hour)); len(h) != 0 {
				f.Errorf("the history lane still has %v", h)
			}
		})
	}
	sub(t, store, "results are in order, one failure fails no other", func(f fixture) {
		there := f.put(f.task("there"))
		tasks := []dispatch.Task{
			f.task("new 1"),
			f.task("there", func(t *dispatch.Task) { t.Generation++ }),
			f.task("big", func(t *dispatch.Task) { t.Doc = make([]byte, dispatch.MaxRow+1) }),
			f.task("new 2"),
		}
		r := f.store.Put(f.ctx, now, tasks)
		if len(r) != 4 {
			f.Fatalf("%d results for 4 tasks", len(r))
		}
		for i, want := range []struct {
			existing bool
			err      error
		}{{false, nil}, {true, nil}, {false, dispatch.ErrTooLarge}, {false, nil}} {
			if f.wantErr(tasks[i].ID, r[i].Err, want.err); r[i].Existing != want.existing {
				f.Errorf("%s: existing %v", tasks[i].ID, r[i].Existing)
			}
		}
		f.wantTask("existing", r[1].Task, there)
		got := f.store.Get(f.ctx, []string{tasks[3].ID, tasks[2].ID, tasks[0].ID})
		f.wantTask("first of get", got[0].Task, tasks[3])
		f.wantErr("second of get", got[1].Err, dispatch.ErrNotFound)
		f.wantTask("third of get", got[2].Task, tasks[0])
	})
	sub(t, store, "many at once", func(f fixture) {
		var tasks []dispatch.Task
		var ids []string
		for i := range 260 {
			tasks = append(tasks, f.task(fmt.Sprint(i)))
			ids = append(ids, tasks[i].ID)
		}
		f.put(tasks...)
		ids = slices.Concat([]string{"absent"}, ids, ids[:3])
		got := f.store.Get(f.ctx, ids)
		if len(got) != len(ids) {
			f.Fatalf("%d results for %d ids", len(got), len(ids))
		}
		f.wantErr("absent", got[0].Err, dispatch.ErrNotFound)
		for i, r := range got[1:] {
			if r.Err != nil || r.Task.ID != ids[i+1] {
				f.Fatalf("result %d is %q, %v; want %q", i+1, r.Task.ID, r.Err, ids[i+1])
			}
		}
	})
	sub(t, store, "of no tasks", func(f fixture) {
		if n := len(f.store.Put(f.ctx, now, nil)) + len(f.store.Get(f.ctx, nil)) + len(f.store.Claim(f.ctx, nil, dispatch.Lease{Token: "t", At: now})); n != 0 {
			f.Errorf("%d results for nothing", n)
		}
	})
	sub(t, store, "what was put is not the caller's memory", func(f fixture) {
		task := f.task("a")
		want := bytes.Clone(task.Doc)
		f.put(task)
		task.Doc[0] = 'X'
		if got := f.get(task.ID).Doc; !bytes.Equal(got, want) {
			f.Errorf("doc is %q, want %q", got, want)
		}
	})
}

// testSize keeps clear of the exact edge: stores count the names of their attributes too.
func testSize(t *testing.T, store dispatch.Store) {
	near := func(t *dispatch.Task) {
		t.Doc = bytes.Repeat([]byte{0, 'x', 0xff, '\''}, (dispatch.MaxRow-4096)/4)
	}
	over := func(t *dispatch.Task) { t.Doc = make([]byte, dispatch.MaxRow+1) }
	sub(t, store, "just under MaxRow comes back, and lives", func(f fixture) {
		task := f.put(f.task("a", near))
		f.wantRow("put", task)
		claimed := f.claimed(task.ID, "token", now)
		f.settle(retried(claimed, now.Add(time.Minute)))
		f.wantRow("settled", settled(retried(claimed, now.Add(time.Minute))))
		f.wantRow("edited", f.edit(task.ID, func(t *dispatch.Task) error { t.Run++; return nil }))
	})
	sub(t, store, "over MaxRow is refused", func(f fixture) {
		task := f.task("a", over)
		f.wantErr("put", f.store.Put(f.ctx, now, []dispatch.Task{task})[0].Err, dispatch.ErrTooLarge)
		f.wantErr("get", f.store.Get(f.ctx, []string{task.ID})[0].Err, dispatch.ErrNotFound)
	})
	sub(t, store, "over MaxRow by an edit is refused", func(f fixture) {
		task := f.put(f.task("a"))
		err := f.editErr(task.ID, func(t *dispatch.Task) error { over(t); return nil })
		f.wantErr("edit", err, dispatch.ErrTooLarge)
		f.wantRow("row", task)
	})
	sub(t, store, "many large rows in one get", func(f fixture) {
		var ids []string
		for i := range 50 {
			ids = append(ids, f.put(f.task(fmt.Sprint(i), near)).ID)
		}
		for i, r := range f.store.Get(f.ctx, ids) {
			if r.Err != nil || r.Task.ID != ids[i] || len(r.Task.Doc) < dispatch.MaxRow-8192 {
				f.Fatalf("result %d: %d bytes of %q, %v", i, len(r.Task.Doc), r.Task.ID, r.Err)
			}
		}
	})
}
