package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

func testDocument(t *testing.T, store dispatch.Store) {
	sub(t, store, "compare and set", func(f fixture) {
		doc := func(version int64, body string) dispatch.Document {
			return dispatch.Document{Name: f.queue, Version: version, Body: []byte(body)}
		}
		if _, err := f.store.Load(f.ctx, f.queue); !errors.Is(err, dispatch.ErrNotFound) {
			f.Errorf("load of none: %v", err)
		}
		for _, c := range []struct {
			what string
			save dispatch.Document
			err  error
			want dispatch.Document
		}{
			{"the first", doc(1, `{"a":1}`), nil, doc(1, `{"a":1}`)},
			{"the first again", doc(1, `{"a":1}`), nil, doc(1, `{"a":1}`)},
			{"another first", doc(1, `{"a":2}`), dispatch.ErrConflict, doc(1, `{"a":1}`)},
			{"a leap", doc(3, `{}`), dispatch.ErrConflict, doc(1, `{"a":1}`)},
			{"the second", doc(2, "\x00\xff"), nil, doc(2, "\x00\xff")},
			{"the second again", doc(2, "\x00\xff"), nil, doc(2, "\x00\xff")},
			{"another second", doc(2, "x"), dispatch.ErrConflict, doc(2, "\x00\xff")},
			{"the first, late", doc(1, `{"a":1}`), dispatch.ErrConflict, doc(2, "\x00\xff")},
			{"the third", doc(3, `{}`), nil, doc(3, `{}`)},
		} {
			f.wantErr(c.what, f.store.Save(f.ctx, c.save), c.err)
			got, err := f.store.Load(f.ctx, f.queue)
			if err != nil || got.Name != c.want.Name || got.Version != c.want.Version || string(got.Body) != string(c.want.Body) {
				f.Errorf("%s: stored %v %q, %v; want %v %q", c.what, got.Version, got.Body, err, c.want.Version, c.want.Body)
			}
		}
		f.wantErr("a later one of none", f.store.Save(f.ctx, dispatch.Document{Name: f.queue + ".b", Version: 2}), dispatch.ErrConflict)
	})
	sub(t, store, "a task of the same name is another thing", func(f fixture) {
		task := f.put(f.task("a"))
		if _, err := f.store.Load(f.ctx, task.ID); !errors.Is(err, dispatch.ErrNotFound) {
			f.Errorf("load: %v", err)
		}
		if err := f.store.Save(f.ctx, dispatch.Document{Name: task.ID, Version: 1, Body: []byte("{}")}); err != nil {
			f.Error(err)
		}
		f.wantRow("row", task)
	})
}

// testContext: a call whose context has ended answers for every item, and leaves each done or not done.
func testContext(t *testing.T, store dispatch.Store) {
	sub(t, store, "ended before the call", func(f fixture) {
		mine := f.claimed(f.put(f.task("mine")).ID, "token", now)
		ctx, cancel := context.WithCancel(f.ctx)
		cancel()
		tasks := []dispatch.Task{f.task("a"), f.task("b")}
		for what, results := range map[string][]dispatch.Result{
			"put":   f.store.Put(ctx, now, tasks),
			"get":   f.store.Get(ctx, []string{mine.ID, mine.ID}),
			"claim": f.store.Claim(ctx, []string{mine.ID, mine.ID}, dispatch.Lease{Token: "another", At: mine.Until, Left: time.Hour}),
		} {
			if len(results) != 2 {
				f.Errorf("%s: %d results for 2 items", what, len(results))
			}
			for _, r := range results {
				if r.Err == nil || errors.Is(r.Err, dispatch.ErrNotFound) || errors.Is(r.Err, dispatch.ErrRefused) {
					f.Errorf("%s: error %v, want the context's", what, r.Err)
				}
			}
		}
		_, _, edit := f.store.Edit(ctx, mine.ID, func(*dispatch.Task) error { return nil })
		_, settle := f.store.Settle(ctx, delivered(mine, now))
		_, load := f.store.Load(ctx, "x")
		var due, list error
		for _, due = range f.store.Due(ctx, mine.Lane, now) {
		}
		for _, list = range f.store.List(ctx, dispatch.Filter{}) {
		}
		for what, err := range map[string]error{
			"settle": settle, "delete": f.store.Delete(ctx, mine.ID, 1),
			"save": f.store.Save(ctx, dispatch.Document{Name: f.queue, Version: 1}),
			"edit": edit, "load": load, "due": due, "list": list,
		} {
			if err == nil || errors.Is(err, dispatch.ErrNotFound) || errors.Is(err, dispatch.ErrConflict) {
				f.Errorf("%s: error %v, want the context's", what, err)
			}
		}
	})
	sub(t, store, "a put that may have happened is repeated", func(f fixture) {
		ctx, cancel := context.WithCancel(f.ctx)
		tasks := make([]dispatch.Task, 100)
		for i := range tasks {
			tasks[i] = f.task(fmt.Sprint(i))
		}
		go cancel()
		f.store.Put(ctx, now, tasks)
		f.put(tasks...)
		hints := f.due(tasks[0].Lane, now)
		slices.SortFunc(hints, func(a, b dispatch.Hint) int { return cmp.Compare(a.ID, b.ID) })
		if hints = slices.Compact(hints); len(hints) != len(tasks) {
			f.Errorf("%d hints, want %d", len(hints), len(tasks))
		}
	})
}
