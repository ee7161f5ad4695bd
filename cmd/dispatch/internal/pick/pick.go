// Package pick finds tasks by what they have in common, in the order that helps whoever looks for them.
package pick

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"iter"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// Query says which tasks are wanted. Zero fields ask for nothing.
type Query struct {
	State       dispatch.State
	Queue       string
	Tenant      string
	Identifiers []string  // live tasks with one of them
	Identified  bool      // live tasks with any
	Since       time.Time // those that ended, or were held, then or later
	Until       time.Time // those that ended, or were held, then or before
}

// Tasks yields the tasks that a query asks for: those that are scheduled in the order they are due, failures
// newest first, others in no order.
func Tasks(ctx context.Context, store dispatch.Store, editor *dispatch.Editor, q Query) iter.Seq2[dispatch.Task, error] {
	return func(yield func(dispatch.Task, error) bool) {
		filter, err := q.filter(ctx, editor)
		if err != nil {
			yield(dispatch.Task{}, err)
			return
		}
		for t, err := range merged(ctx, store, filter) {
			if err != nil {
				yield(dispatch.Task{}, fmt.Errorf("listing tasks: %w", err))
				return
			}
			if filter.Newest && t.EndedAt.Before(q.Since) {
				return // all that follow ended before
			}
			if q.wants(t) && !yield(t, nil) {
				return
			}
		}
	}
}

func (q Query) filter(ctx context.Context, editor *dispatch.Editor) (dispatch.Filter, error) {
	if q.Identified || len(q.Identifiers) > 0 {
		return dispatch.Filter{Queue: q.Queue, Tenant: q.Tenant, State: q.State, Identifiers: q.Identifiers, Identified: q.Identified}, nil
	}
	return editor.Filter(ctx, q.Queue, q.Tenant, q.State)
}

func (q Query) wants(t dispatch.Task) bool {
	if q.Since.IsZero() && q.Until.IsZero() {
		return true
	}
	at := t.EndedAt
	if t.State == dispatch.Held { // what was not attempted expired before: the row does not say when
		for _, p := range t.Progress {
			for _, a := range p.Last {
				if a.At.After(at) {
					at = a.At
				}
			}
		}
	}
	return !at.IsZero() && !at.Before(q.Since) && (q.Until.IsZero() || !at.After(q.Until))
}

// merged yields the tasks of several lanes in one order.
func merged(ctx context.Context, store dispatch.Store, f dispatch.Filter) iter.Seq2[dispatch.Task, error] {
	if len(f.Lanes) < 2 {
		return store.List(ctx, f)
	}
	return func(yield func(dispatch.Task, error) bool) {
		h := &heads{newest: f.Newest}
		defer h.stop()
		for _, lane := range f.Lanes {
			one := f
			one.Lanes = []string{lane}
			next, stop := iter.Pull2(store.List(ctx, one))
			h.add(&head{next: next, stop: stop})
		}
		heap.Init(h)
		for len(h.all) > 0 {
			first := h.all[0]
			if !yield(first.task, first.err) || first.err != nil {
				return
			}
			if first.advance() {
				heap.Fix(h, 0)
			} else {
				heap.Pop(h)
			}
		}
	}
}

// head is a lane that is being read, and the first of it that was not yielded yet.
type head struct {
	next func() (dispatch.Task, error, bool)
	stop func()
	task dispatch.Task
	err  error
}

func (h *head) advance() (ok bool) {
	h.task, h.err, ok = h.next()
	return ok
}

// heads are the lanes that hold any more, as a heap; one that failed comes first.
type heads struct {
	newest bool
	all    []*head
	begun  []*head
}

func (h *heads) add(one *head) {
	h.begun = append(h.begun, one)
	if one.advance() {
		h.all = append(h.all, one)
	}
}

func (h *heads) stop() {
	for _, one := range h.begun {
		one.stop()
	}
}

// Len implements [heap.Interface].
func (h *heads) Len() int { return len(h.all) }

// Swap implements [heap.Interface].
func (h *heads) Swap(i, j int) { h.all[i], h.all[j] = h.all[j], h.all[i] }

// Push implements [heap.Interface].
func (h *heads) Push(x any) { h.all = append(h.all, x.(*head)) }

// Pop implements [heap.Interface].
func (h *heads) Pop() any {
	last := h.all[len(h.all)-1]
	h.all = h.all[:len(h.all)-1]
	return last
}

// Less implements [heap.Interface].
func (h *heads) Less(i, j int) bool {
	a, b := h.all[i], h.all[j]
	if a.err != nil || b.err != nil {
		return a.err != nil
	}
	if h.newest {
		a, b = b, a
	}
	return cmp.Or(a.task.DueAt.Compare(b.task.DueAt), cmp.Compare(a.task.ID, b.task.ID)) < 0
}
