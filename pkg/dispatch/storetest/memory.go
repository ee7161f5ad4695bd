package storetest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// Memory is a store that forgets: the contract in its shortest form, against which the others are compared,
// and a store for the tests of whoever uses one. Its zero value is empty and ready.
type Memory struct {
	mu        sync.Mutex
	tasks     map[string]dispatch.Task
	documents map[string]dispatch.Document
}

var _ dispatch.Store = (*Memory)(nil)

// Put implements [dispatch.Store].
func (m *Memory) Put(ctx context.Context, now time.Time, tasks []dispatch.Task) []dispatch.Result {
	return each(ctx, m, tasks, func(t dispatch.Task) dispatch.Result {
		t = copied(t)
		row, there := m.tasks[t.ID]
		switch {
		case size(t) > dispatch.MaxRow:
			return dispatch.Result{Err: fmt.Errorf("putting task %q: %w", t.ID, dispatch.ErrTooLarge)}
		case !there || !row.TTL.IsZero() && !row.TTL.After(now):
			m.tasks[t.ID] = t
			return dispatch.Result{Task: copied(t)}
		default:
			own := row.Generation == t.Generation && bytes.Equal(row.Hash, t.Hash)
			return dispatch.Result{Task: copied(row), Existing: !own}
		}
	})
}

// Get implements [dispatch.Store].
func (m *Memory) Get(ctx context.Context, ids []string) []dispatch.Result {
	return each(ctx, m, ids, func(id string) dispatch.Result {
		row, there := m.tasks[id]
		if !there {
			return dispatch.Result{Err: fmt.Errorf("getting task %q: %w", id, dispatch.ErrNotFound)}
		}
		return dispatch.Result{Task: copied(row)}
	})
}

// Claim implements [dispatch.Store].
func (m *Memory) Claim(ctx context.Context, ids []string, l dispatch.Lease) []dispatch.Result {
	at := ofMillis(l.At)
	return each(ctx, m, ids, func(id string) dispatch.Result {
		row, there := m.tasks[id]
		if !there {
			return dispatch.Result{Err: fmt.Errorf("claiming task %q: %w", id, dispatch.ErrNotFound)}
		}
		mine := row.Lease == l.Token
		claimable := row.State == dispatch.Scheduled && !row.DueAt.After(at.Add(dispatch.ClaimAhead)) &&
			row.Timeout <= l.Left && row.Version <= dispatch.FormatVersion && !row.Leased(at)
		switch {
		case mine:
		case !claimable:
			return dispatch.Result{Task: copied(row), Err: fmt.Errorf("claiming task %q: %w", id, dispatch.ErrRefused)}
		default:
			if row.Lease != "" {
				row.Lapses++
			}
			row.Lease, row.Until = l.Token, at.Add(row.Timeout+dispatch.LeaseMargin)
			row.Generation++
			m.tasks[id] = row
		}
		return dispatch.Result{Task: copied(row)}
	})
}

// Settle implements [dispatch.Store].
func (m *Memory) Settle(ctx context.Context, t dispatch.Task) error {
	return m.locked(ctx, func() error {
		row, there := m.tasks[t.ID]
		switch {
		case there && row.Lease == "" && row.Generation == t.Generation:
			return nil
		case !there || row.Lease != t.Lease || row.Generation != t.Generation:
			return fmt.Errorf("settling task %q: %w", t.ID, dispatch.ErrLeaseLost)
		}
		t = copied(t)
		row.State, row.Reason, row.EndedAt, row.DueAt, row.Lane = t.State, t.Reason, t.EndedAt, t.DueAt, t.Lane
		row.Progress, row.Lapses, row.TTL = t.Progress, t.Lapses, t.TTL
		row.Lease, row.Until = "", time.Time{}
		m.tasks[t.ID] = row
		return nil
	})
}

// Edit implements [dispatch.Store].
func (m *Memory) Edit(ctx context.Context, id string, edit func(*dispatch.Task) error) (dispatch.Task, error) {
	for {
		r := m.Get(ctx, []string{id})[0]
		if r.Err != nil {
			return dispatch.Task{}, r.Err
		}
		read, t := r.Task, r.Task
		if err := edit(&t); err != nil {
			return dispatch.Task{}, err
		}
		t.ID, t.Generation, t.Lease, t.Until = id, read.Generation+1, "", time.Time{}
		if size(t) > dispatch.MaxRow {
			return dispatch.Task{}, fmt.Errorf("editing task %q: %w", id, dispatch.ErrTooLarge)
		}
		t = copied(t)
		done := false
		err := m.locked(ctx, func() error {
			row, there := m.tasks[id]
			if done = there && row.Generation == read.Generation && row.Lease == read.Lease; done {
				m.tasks[id] = t
			}
			return nil
		})
		if done || err != nil {
			return copied(t), err
		}
	}
}

// Delete implements [dispatch.Store].
func (m *Memory) Delete(ctx context.Context, id string, generation int64) error {
	return m.locked(ctx, func() error {
		row, there := m.tasks[id]
		if there && (row.Generation != generation || !row.State.Final()) {
			return fmt.Errorf("deleting task %q: %w", id, dispatch.ErrConflict)
		}
		delete(m.tasks, id)
		return nil
	})
}

// Due implements [dispatch.Store].
func (m *Memory) Due(ctx context.Context, lane string, upTo time.Time) iter.Seq2[dispatch.Hint, error] {
	return func(yield func(dispatch.Hint, error) bool) {
		for t, err := range m.List(ctx, dispatch.Filter{Lanes: []string{lane}}) {
			if err == nil && t.DueAt.After(upTo) || !yield(t.Hint(), err) {
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
					if (lane == "" || t.Lane == lane) && (f.Queue == "" || t.Queue == f.Queue) && (f.State == "" || t.State == f.State) {
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

func (m *Memory) locked(ctx context.Context, do func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.tasks == nil {
		m.tasks, m.documents = map[string]dispatch.Task{}, map[string]dispatch.Document{}
	}
	return do()
}

func each[T any](ctx context.Context, m *Memory, items []T, do func(T) dispatch.Result) []dispatch.Result {
	results := make([]dispatch.Result, len(items))
	for i, item := range items {
		err := m.locked(ctx, func() error { results[i] = do(item); return nil })
		if err != nil {
			results[i].Err = err
		}
	}
	return results
}

// copied shares no memory with t, and has its times as a row keeps them.
func copied(t dispatch.Task) dispatch.Task {
	t.Doc, t.Hash, t.Progress = bytes.Clone(t.Doc), bytes.Clone(t.Hash), slices.Clone(t.Progress)
	for i, p := range t.Progress {
		t.Progress[i].Last = slices.Clone(p.Last)
	}
	t.EndedAt, t.ExpireAt, t.DueAt, t.Until = ofMillis(t.EndedAt), ofMillis(t.ExpireAt), ofMillis(t.DueAt), ofMillis(t.Until)
	t.TTL = ofMillis(t.TTL).Truncate(time.Second)
	return t
}

func ofMillis(t time.Time) time.Time { return dispatch.FromMillis(dispatch.Millis(t)) }

// size is about what a row takes: its long fields, and 512 bytes for all that has a fixed length.
func size(t dispatch.Task) int {
	n := 512 + len(t.ID) + len(t.Reason) + len(t.Queue) + len(t.Doc) + len(t.Hash) + len(t.Lane)
	for _, p := range t.Progress {
		n += 64 + 32*len(p.Last) + len(p.Error)
	}
	return n
}
