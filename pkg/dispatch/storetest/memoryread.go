package storetest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// Due implements [dispatch.Store].
func (m *Memory) Due(ctx context.Context, lane string, upTo time.Time) iter.Seq2[dispatch.Hint, error] {
	return func(yield func(dispatch.Hint, error) bool) {
		var hints []dispatch.Hint
		if err := m.locked(ctx, func() error {
			for _, t := range m.tasks {
				if t.Lane == lane && indexed(t) && !t.DueAt.After(upTo) {
					hints = append(hints, dispatch.Hint{ID: t.ID, Queue: dispatch.QueueOf(lane), Tenant: dispatch.TenantOf(lane), DueAt: t.DueAt})
				}
			}
			return nil
		}); err != nil {
			yield(dispatch.Hint{}, err)
			return
		}
		slices.SortFunc(hints, func(a, b dispatch.Hint) int { return cmp.Or(a.DueAt.Compare(b.DueAt), cmp.Compare(a.ID, b.ID)) })
		for _, h := range hints {
			if !yield(h, nil) {
				return
			}
		}
	}
}

// List implements [dispatch.Store].
func (m *Memory) List(ctx context.Context, f dispatch.Filter) iter.Seq2[dispatch.Task, error] {
	return func(yield func(dispatch.Task, error) bool) {
		lanes := f.Lanes
		if len(lanes) == 0 {
			lanes = []string{""}
		}
		for _, lane := range lanes {
			var rows []dispatch.Task
			if err := m.locked(ctx, func() error {
				for _, t := range m.tasks {
					if (lane == "" || t.Lane == lane && indexed(t)) && wanted(t, f) {
						rows = append(rows, t)
					}
				}
				return nil
			}); err != nil {
				yield(dispatch.Task{}, err)
				return
			}
			slices.SortFunc(rows, func(a, b dispatch.Task) int {
				if f.Newest {
					a, b = b, a
				}
				return cmp.Or(a.DueAt.Compare(b.DueAt), cmp.Compare(a.ID, b.ID))
			})
			for _, t := range rows {
				if !yield(copied(t), nil) {
					return
				}
			}
		}
	}
}

// Load implements [dispatch.Store].
func (m *Memory) Load(ctx context.Context, name string) (d dispatch.Document, err error) {
	err = m.locked(ctx, func() error {
		stored, there := m.documents[name]
		if !there {
			return fmt.Errorf("loading document %q: %w", name, dispatch.ErrNotFound)
		}
		d = stored
		d.Body = bytes.Clone(d.Body)
		return nil
	})
	return d, err
}

// Save implements [dispatch.Store].
func (m *Memory) Save(ctx context.Context, d dispatch.Document) error {
	return m.locked(ctx, func() error {
		stored := m.documents[d.Name] // Version 0 for none
		if stored.Version == d.Version && bytes.Equal(stored.Body, d.Body) {
			return nil
		}
		if stored.Version != d.Version-1 {
			return fmt.Errorf("saving document %q: %w", d.Name, dispatch.ErrConflict)
		}
		d.Body = bytes.Clone(d.Body)
		m.documents[d.Name] = d
		return nil
	})
}

// indexed reports whether a task is in its lane: those that wait for another, or for a person, are not.
func indexed(t dispatch.Task) bool { return t.State != dispatch.Blocked && t.State != dispatch.Held }

// wanted reports whether a filter, its lanes apart, yields the task.
func wanted(t dispatch.Task, f dispatch.Filter) bool {
	return (f.Queue == "" || t.Queue == f.Queue) && (f.Tenant == "" || t.Tenant == f.Tenant) && (f.State == "" || t.State == f.State) &&
		(t.Identifier != "" || !f.Identified && len(f.Identifiers) == 0) &&
		(len(f.Identifiers) == 0 || slices.Contains(f.Identifiers, t.Identifier))
}
