package simulate

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"example.com/dispatch/internal/simulate/table"
	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/sqlite"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// local is the store in SQLite of a run without DynamoDB. Its calls are atomic, and may fail having done what was asked;
// the server can be killed, and opens the file again.
type local struct {
	world *world
	path  string
	store *sqlite.Store
	rows  map[string]table.Row // as they were after the last call
}

// openLocal opens the store of a run, and has the server be killed now and then.
func (w *world) openLocal(path string) error {
	s, err := sqlite.Open(context.Background(), path)
	if err != nil {
		return err
	}
	w.local = &local{world: w, path: path, store: s}
	w.faults.skew = 0 // one machine has one clock
	d := newDice(w.seed, "server")
	if w.faults.killed > 0 && d.chance(0.7) {
		w.schedule.in(d.between(0, w.plan.peace), "the server is killed", w.local.restart)
	}
	w.local.upkeep()
	return nil
}

// restart kills the server, and starts another.
func (l *local) restart() {
	w := l.world
	w.tell("the server is killed")
	for _, p := range slices.SortedFunc(maps.Keys(w.running), func(a, b *process) int { return strings.Compare(a.name, b.name) }) {
		p.kill()
	}
	err := l.store.Close()
	if err == nil {
		l.store, err = sqlite.Open(context.Background(), l.path)
	}
	if err == nil {
		_, err = l.store.FreeLeases(context.Background(), time.Now())
	}
	if err != nil {
		w.checker.broken("the store cannot be opened again: %v", err)
	}
	l.look(nil)
}

// upkeep deletes what is past its time to live, once an hour, as the server does.
func (l *local) upkeep() {
	if _, err := l.store.Purge(context.Background(), time.Now()); err != nil {
		l.world.checker.broken("purging: %v", err)
	}
	l.look(nil)
	l.world.schedule.in(time.Hour, "upkeep", l.upkeep)
}

// look finds out what has changed.
func (l *local) look(p *process) {
	now := map[string]table.Row{}
	for t, err := range l.store.List(context.Background(), dispatch.Filter{}) {
		if err != nil {
			l.world.checker.broken("listing: %v", err)
			return
		}
		now[t.ID] = rowOf(t)
	}
	all := maps.Clone(now)
	maps.Copy(all, l.rows)
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if !maps.EqualFunc(l.rows[id], now[id], table.Same) {
			l.world.checker.change(p, table.Change{ID: id, Before: l.rows[id], After: now[id]})
		}
	}
	l.rows = now
}

// rowOf is the task as the checker knows rows.
func rowOf(t dispatch.Task) table.Row {
	r := table.Row{"id": texts(t.ID), "state": texts(string(t.State))}
	for name, s := range map[string]string{"reason": t.Reason, "lane": t.Lane, "lease": t.Lease, "group": t.Group, "next": t.Next, "queue": t.Queue, "identifier": t.Identifier} {
		if s != "" {
			r[name] = texts(s)
		}
	}
	for name, n := range map[string]int64{
		"dueAt": dispatch.Millis(t.DueAt), "expireAt": dispatch.Millis(t.ExpireAt), "until": dispatch.Millis(t.Until), "run": int64(t.Run),
		"generation": t.Generation, "lapses": int64(t.Lapses), "ttl": (dispatch.Millis(t.TTL) + 999) / 1000,
	} {
		if n != 0 {
			r[name] = numbers(n)
		}
	}
	if t.Flag {
		r["flag"] = numbers(1)
	}
	if b, err := dispatch.EncodeProgress(t.Progress); err == nil && b != nil {
		r["progress"] = &types.AttributeValueMemberB{Value: b}
	}
	r["doc"] = &types.AttributeValueMemberB{Value: t.Doc}
	return r
}

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
		case d.chance(f.killed):
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
			takes += d.between(0, time.Minute)
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
	failed := c.do(ctx, "loads "+name, false, func(ctx context.Context, s *sqlite.Store) { doc, err = s.Load(ctx, name) })
	return doc, errors.Join(failed, err)
}

func (c calls) Save(ctx context.Context, doc dispatch.Document) (err error) {
	failed := c.do(ctx, "saves "+doc.Name, true, func(ctx context.Context, s *sqlite.Store) { err = s.Save(ctx, doc) })
	return errors.Join(failed, err)
}
