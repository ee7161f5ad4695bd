package simulate

import (
	"context"
	"errors"
	"iter"
	"strings"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/sqlite"
)

// calls is a process's way to the store in SQLite: each call is an effect.
type calls struct{ p *process }

var errStore = errors.New("the store failed, having done it or not")

// do has one call happen, or fail.
func (c calls) do(ctx context.Context, name string, writes bool, happens func(context.Context, *sqlite.Store)) error {
	failed := ctx.Err()
	c.p.effect(name, func(d *dice) time.Duration {
		w := c.p.world
		f := w.faults
		if w.calm {
			f = faults{}
		}
		done := true
		takes := d.between(time.Millisecond, 8*time.Millisecond)
		switch {
		case failed != nil:
			return 1
		case f.blind && strings.HasSuffix(name, " "+dispatch.CircuitsName):
			done, failed = false, errStore
		case c.p == w.local.server && d.chance(f.killed):
			done, failed = d.chance(0.5), errStore
		case c.p != w.local.server && d.chance(f.killed):
			done = d.chance(0.5)
			w.schedule.in(takes, c.p.name+" dies", c.p.kill)
			takes++
		case writes && d.chance(f.failed+f.lost):
			done, failed = d.chance(0.5), errStore
		}
		if d.chance(f.slow) {
			takes += d.between(0, 4*time.Second)
		}
		if d.chance(f.stalled) {
			takes += d.between(0, f.stalledFor)
		}
		if done {
			happens(context.WithoutCancel(ctx), w.local.store)
			if writes {
				w.local.look(c.p)
				c.p.tell("%s%s", name, map[bool]string{true: ": it failed, but was done"}[failed != nil])
			}
		} else {
			c.p.tell("%s: not done", name)
		}
		return takes
	})
	return failed
}

// Put implements [dispatch.Store], as all these do.
func (c calls) Put(ctx context.Context, now time.Time, tasks []dispatch.Task) (r []dispatch.Result) {
	name := "puts"
	for _, t := range tasks {
		name += " " + t.ID
	}
	err := c.do(ctx, name, true, func(ctx context.Context, s *sqlite.Store) { r = s.Put(ctx, now, tasks) })
	return failing(r, len(tasks), err)
}

func failing(r []dispatch.Result, n int, err error) []dispatch.Result {
	if err == nil {
		return r
	}
	r = make([]dispatch.Result, n)
	for i := range r {
		r[i].Err = err
	}
	return r
}

func (c calls) Get(ctx context.Context, ids []string) (r []dispatch.Result) {
	err := c.do(ctx, "gets "+strings.Join(ids, " "), false, func(ctx context.Context, s *sqlite.Store) { r = s.Get(ctx, ids) })
	return failing(r, len(ids), err)
}

func (c calls) Due(ctx context.Context, lane string, upTo time.Time) iter.Seq2[dispatch.Hint, error] {
	return func(yield func(dispatch.Hint, error) bool) {
		var due []dispatch.Hint
		err := c.do(ctx, "looks into "+lane, false, func(ctx context.Context, s *sqlite.Store) {
			for h, err := range s.Due(ctx, lane, upTo) {
				if err == nil {
					due = append(due, h)
				}
			}
		})
		if err != nil {
			yield(dispatch.Hint{}, err)
			return
		}
		for _, h := range due {
			if !yield(h, nil) {
				return
			}
		}
	}
}

func (c calls) Claim(ctx context.Context, ids []string, l dispatch.Lease) (r []dispatch.Result) {
	err := c.do(ctx, "claims "+strings.Join(ids, " "), true, func(ctx context.Context, s *sqlite.Store) { r = s.Claim(ctx, ids, l) })
	return failing(r, len(ids), err)
}

func (c calls) Settle(ctx context.Context, t dispatch.Task, callbacks ...dispatch.Task) (next dispatch.Hint, err error) {
	failed := c.do(ctx, "settles "+t.ID+" as "+string(t.State), true, func(ctx context.Context, s *sqlite.Store) {
		c.p.world.checker.tries(t.Lease)
		next, err = s.Settle(ctx, t, callbacks...)
	})
	if failed != nil {
		return dispatch.Hint{}, failed
	}
	return next, err
}

func (c calls) Record(ctx context.Context, t dispatch.Task) (err error) {
	failed := c.do(ctx, "records "+t.ID, true, func(ctx context.Context, s *sqlite.Store) { err = s.Record(ctx, t) })
	return errors.Join(failed, err)
}

func (c calls) Edit(ctx context.Context, id string, edit func(*dispatch.Task) error) (t dispatch.Task, next dispatch.Hint, err error) {
	failed := c.do(ctx, "edits "+id, true, func(ctx context.Context, s *sqlite.Store) { t, next, err = s.Edit(ctx, id, edit) })
	if failed != nil {
		return dispatch.Task{}, dispatch.Hint{}, failed
	}
	return t, next, err
}

func (c calls) Delete(ctx context.Context, id string, generation int64) (err error) {
	failed := c.do(ctx, "deletes "+id, true, func(ctx context.Context, s *sqlite.Store) { err = s.Delete(ctx, id, generation) })
	return errors.Join(failed, err)
}

func (c calls) List(context.Context, dispatch.Filter) iter.Seq2[dispatch.Task, error] {
	panic("no verb lists")
}

func (c calls) Load(ctx context.Context, name string) (doc dispatch.Document, err error) {
	failed := c.do(ctx, "loads "+name, false, func(ctx context.Context, s *sqlite.Store) {
		if doc, err = s.Load(ctx, name); name == dispatch.CircuitsName {
			c.p.world.checker.learns(c.p, decodeCircuits(doc.Body), time.Now(), changing)
		}
	})
	if failed != nil {
		c.trouble(name)
		return dispatch.Document{}, failed
	}
	return doc, err
}

func (c calls) Save(ctx context.Context, doc dispatch.Document) (err error) {
	var landed time.Time
	failed := c.do(ctx, "saves "+doc.Name, true, func(ctx context.Context, s *sqlite.Store) {
		if err = s.Save(ctx, doc); err == nil && doc.Name == dispatch.CircuitsName {
			landed = time.Now()
			c.p.world.checker.circuits(c.p, decodeCircuits(doc.Body))
		}
	})
	if failed != nil {
		c.trouble(doc.Name)
	} else if !landed.IsZero() {
		c.p.world.checker.learns(c.p, decodeCircuits(doc.Body), landed, 0)
	}
	return errors.Join(failed, err)
}

// trouble has the checker know that the circuits could not be read or written.
func (c calls) trouble(name string) {
	if name == dispatch.CircuitsName {
		c.p.world.checker.troubled(c.p, 0)
	}
}
