package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/sqlite"
)

// evidence is what is known at the end: what was asked, what the receiver noted, and what the store says.
type evidence struct {
	asked   []*asked
	calls   []call
	rows    map[string]dispatch.Task
	killed  map[string]bool // processes that were
	workers int             // tasks that one process has in flight at most, which keeps its leases for life; 0: leases lapse meanwhile
}

// stored reads all tasks of a store.
func stored(s dispatch.Store) func(context.Context) (map[string]dispatch.Task, error) {
	return func(ctx context.Context) (map[string]dispatch.Task, error) {
		rows := map[string]dispatch.Task{}
		for t, err := range s.List(ctx, dispatch.Filter{}) {
			if err != nil {
				return nil, fmt.Errorf("reading the store: %w", err)
			}
			rows[t.ID] = t
		}
		return rows, nil
	}
}

// storedIn reads all tasks of a file.
func storedIn(path string) func(context.Context) (map[string]dispatch.Task, error) {
	return func(ctx context.Context) (_ map[string]dispatch.Task, err error) {
		s, err := sqlite.Open(ctx, path)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, s.Close()) }()
		return stored(s)(ctx)
	}
}

// awaitEnd waits until every task has ended, and returns them all.
func awaitEnd(ctx context.Context, read func(context.Context) (map[string]dispatch.Task, error), within time.Duration) (map[string]dispatch.Task, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		rows, err := read(ctx)
		live := 0
		for _, t := range rows {
			if !t.State.Final() {
				live++
			}
		}
		if err == nil && live == 0 {
			return rows, nil
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			if err != nil {
				return rows, err
			}
			return rows, fmt.Errorf("%d tasks have not ended within %v", live, within)
		}
	}
}

// check holds the evidence to the promise.
func (e evidence) check(r *report) {
	byKey := map[string][]call{}
	for _, c := range e.calls {
		byKey[c.Key] = append(byKey[c.Key], c)
	}
	n, known := tally{repeats: map[string]map[string]bool{}}, map[string]bool{}
	for _, a := range e.asked {
		row, there := e.rows[a.id]
		keys := a.keys()
		for i, key := range keys {
			known[key] = true
			e.checkCalls(r, &n, a, byKey[key], row, i)
		}
		switch {
		case there && !row.State.Final():
			r.violate("%s is %s at the end", a.id, row.State)
		case !there && a.acknowledged:
			r.violate("%s was acknowledged and is not stored", a.id)
		case !there:
			n.absent++
		case !a.acknowledged:
			n.unacknowledged++
			n.end(r, a, row)
		default:
			n.acknowledged++
			n.end(r, a, row)
		}
	}
	for key := range byKey {
		if !known[key] {
			r.violate("a call for %q, which nobody asked for", key)
		}
	}
	e.checkGroups(r, &n, byKey)
	for by, tasks := range n.repeats {
		if !e.killed[by] && e.workers > 0 {
			r.violate("%d tasks of %s were called again, which was not killed", len(tasks), by)
		} else if e.workers > 0 && len(tasks) > e.workers {
			r.violate("%d tasks of %s were called again, which has %d at once", len(tasks), by, e.workers)
		}
	}
	n.report(r, len(e.calls))
}

// keys are the idempotency keys of the task's calls.
func (a *asked) keys() []string {
	if len(a.targets) == 0 {
		return []string{a.id}
	}
	keys := make([]string, len(a.targets))
	for i, name := range a.targets {
		keys[i] = a.id + "/" + name
	}
	return keys
}

// checkCalls looks at the calls to a task's i-th target.
func (e evidence) checkCalls(r *report, n *tally, a *asked, calls []call, row dispatch.Task, i int) {
	key := a.keys()[i]
	if row.ID == "" && len(calls) > 0 {
		r.violate("%s was called and is not stored", key)
	}
	made := map[int]call{} // by attempt, the last one
	generations := map[int64]bool{}
	for _, c := range calls {
		before, again := made[c.Attempt]
		switch {
		case again:
			n.repeated++
			if n.repeats[before.By] == nil {
				n.repeats[before.By] = map[string]bool{}
			}
			n.repeats[before.By][a.id] = true // with all its targets: one worker calls them
			if before.By == c.By && e.workers > 0 {
				r.violate("%s attempt %d was made twice by %s", key, c.Attempt, c.By)
			}
			if c.Begun.Before(before.Ended) && !e.killed[before.By] {
				r.violate("%s attempt %d was made by %s and %s at once, and both lived", key, c.Attempt, before.By, c.By)
			}
		case c.Attempt != len(made)+1:
			r.violate("%s attempt %d comes after %d others", key, c.Attempt, len(made))
		}
		made[c.Attempt] = c
		if generations[c.Generation] || c.Generation == 0 {
			r.violate("%s attempt %d: a second call of generation %d", key, c.Attempt, c.Generation)
		}
		generations[c.Generation] = true
		// Rows keep milliseconds, rounded down.
		if !row.EndedAt.IsZero() && c.Begun.Truncate(time.Millisecond).After(row.EndedAt) {
			r.violate("%s was called %v after its end", key, c.Begun.Sub(row.EndedAt))
		}
		if !a.cancelled.IsZero() && c.Begun.After(a.cancelled) {
			r.violate("%s was called %v after its cancelling was acknowledged", key, c.Begun.Sub(a.cancelled))
		}
		if c.Begun.Before(a.dueAt) {
			r.violate("%s was called %v before its time", key, a.dueAt.Sub(c.Begun))
		}
	}
	if row.State == dispatch.Delivered {
		if counted := row.Progress[i].Attempts; counted != len(made) || counted != a.attempts {
			r.violate("%s is delivered by %d attempts, counted %d, wants %d", key, len(made), counted, a.attempts)
		}
		if c := made[len(made)]; c.Status != 200 {
			r.violate("%s is delivered, and the receiver answered %d", key, c.Status)
		}
	}
}

// checkGroups holds each group to its order: nobody is called before all calls of those before it.
func (e evidence) checkGroups(r *report, n *tally, byKey map[string][]call) {
	before := map[string]*asked{}
	for _, a := range e.asked {
		if a.group == "" {
			continue
		}
		n.members++
		p := before[a.group]
		before[a.group] = a
		if p == nil || len(byKey[p.id]) == 0 || len(byKey[a.id]) == 0 {
			continue
		}
		begun := func(x, y call) int { return cmp.Compare(x.Begun.UnixNano(), y.Begun.UnixNano()) }
		last, first := slices.MaxFunc(byKey[p.id], begun), slices.MinFunc(byKey[a.id], begun)
		if first.Begun.Before(last.Begun) {
			r.violate("%s was called %v before %s, behind which it is", a.id, last.Begun.Sub(first.Begun), p.id)
		}
	}
	n.groups = len(before)
}

// tally counts what a check has seen.
type tally struct {
	acknowledged, unacknowledged, absent int
	delivered, cancelled                 int
	repeated                             int
	repeats                              map[string]map[string]bool // by who made the first of two calls, the tasks
	groups, members                      int
}

// end looks at how a task ended.
func (n *tally) end(r *report, a *asked, row dispatch.Task) {
	switch {
	case row.State == dispatch.Cancelled && a.cancel:
		n.cancelled++
	case row.State == dispatch.Delivered && a.cancelled.IsZero():
		n.delivered++
	default:
		r.violate("%s ended as %s: %s", a.id, row.State, row.Reason)
	}
}

func (n *tally) report(r *report, calls int) {
	r.add("tasks acknowledged", n.acknowledged)
	r.add("tasks stored whose acknowledgement was lost", n.unacknowledged)
	r.add("tasks neither acknowledged nor stored", n.absent)
	r.add("delivered", n.delivered)
	r.add("cancelled", n.cancelled)
	r.add("groups", n.groups)
	r.add("members of groups, each called in its turn", n.members)
	r.add("calls", calls)
	r.add("calls made again after a lapse", n.repeated)
}
