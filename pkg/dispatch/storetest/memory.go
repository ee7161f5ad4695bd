package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
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
	tails     map[string]string // of each group that has a live member, the last one's id
	documents map[string]dispatch.Document
}

var _ dispatch.Store = (*Memory)(nil)

// Put implements [dispatch.Store].
func (m *Memory) Put(ctx context.Context, now time.Time, tasks []dispatch.Task) []dispatch.Result {
	broken := map[string]bool{} // groups of which a member was not put
	return each(ctx, m, tasks, func(t dispatch.Task) (r dispatch.Result) {
		defer func() {
			if broken[t.Group] = t.Group != "" && r.Err != nil; r.Err != nil {
				r.Err = fmt.Errorf("putting task %q: %w", t.ID, r.Err)
			}
		}()
		t = copied(t)
		row, there := m.tasks[t.ID]
		switch {
		case broken[t.Group]:
			return dispatch.Result{Err: errors.New("the one before it in its group was not put")}
		case size(t) > dispatch.MaxRow:
			return dispatch.Result{Err: dispatch.ErrTooLarge}
		case !there || !row.TTL.IsZero() && !row.TTL.After(now):
			t = m.joined(t)
			m.tasks[t.ID] = t
			return dispatch.Result{Task: copied(t)}
		default:
			own := row.Generation == t.Generation && bytes.Equal(row.Hash, t.Hash) && bytes.Equal(row.Doc, t.Doc)
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
func (m *Memory) Settle(ctx context.Context, t dispatch.Task, callbacks ...dispatch.Task) (next dispatch.Hint, err error) {
	err = m.locked(ctx, func() error {
		row, there := m.tasks[t.ID]
		switch {
		case there && row.Lease == "" && row.Generation == t.Generation:
			next = m.turn(row) // of an earlier try; whoever has it since may wait behind others again
			return nil
		case !there || row.Lease != t.Lease || row.Generation != t.Generation:
			return fmt.Errorf("settling task %q: %w", t.ID, dispatch.ErrLeaseLost)
		case slices.ContainsFunc(callbacks, func(c dispatch.Task) bool { return size(c) > dispatch.MaxRow }):
			return fmt.Errorf("settling task %q with its callbacks: %w", t.ID, dispatch.ErrTooLarge)
		}
		t = copied(t)
		row.State, row.Reason, row.EndedAt, row.DueAt, row.Lane = t.State, t.Reason, t.EndedAt, t.DueAt, t.Lane
		row.Identifier, row.Progress, row.Lapses, row.TTL = t.Identifier, t.Progress, t.Lapses, t.TTL
		row.Lease, row.Until = "", time.Time{}
		m.tasks[t.ID] = row
		if row.State.Final() {
			next = m.handOver(row)
		}
		for _, c := range callbacks {
			if _, there := m.tasks[c.ID]; !there {
				m.tasks[c.ID] = m.joined(copied(c))
			}
		}
		return nil
	})
	return next, err
}

// Record implements [dispatch.Store].
func (m *Memory) Record(ctx context.Context, t dispatch.Task) error {
	return m.locked(ctx, func() error {
		row, there := m.tasks[t.ID]
		if !there || t.Lease == "" || row.Lease != t.Lease || row.Generation != t.Generation {
			return fmt.Errorf("recording task %q: %w", t.ID, dispatch.ErrLeaseLost)
		}
		row.Progress = copied(t).Progress
		m.tasks[t.ID] = row
		return nil
	})
}

// Edit implements [dispatch.Store].
func (m *Memory) Edit(ctx context.Context, id string, edit func(*dispatch.Task) error) (dispatch.Task, dispatch.Hint, error) {
	for {
		r := m.Get(ctx, []string{id})[0]
		if r.Err != nil {
			return dispatch.Task{}, dispatch.Hint{}, r.Err
		}
		read, t := r.Task, r.Task
		if err := edit(&t); err != nil {
			return dispatch.Task{}, dispatch.Hint{}, err
		}
		t.ID, t.Generation, t.Lease, t.Until = id, read.Generation+1, "", time.Time{}
		if size(t) > dispatch.MaxRow {
			return dispatch.Task{}, dispatch.Hint{}, fmt.Errorf("editing task %q: %w", id, dispatch.ErrTooLarge)
		}
		t = copied(t)
		done, next := false, dispatch.Hint{}
		err := m.locked(ctx, func() error {
			row, there := m.tasks[id]
			if done = there && row.Generation == read.Generation && row.State == read.State && row.Lease == read.Lease && reflect.DeepEqual(row.Progress, read.Progress); !done {
				return nil
			}
			t.Group, t.Prev, t.Next = row.Group, row.Prev, row.Next
			switch was, is := row.State.Final(), t.State.Final(); {
			case was && !is:
				t = m.joined(t)
				m.tasks[id] = t
			case is && !was:
				m.tasks[id] = t
				next = m.handOver(t)
			default:
				m.tasks[id] = t
			}
			return nil
		})
		if done || err != nil {
			return copied(t), next, err
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

func (m *Memory) locked(ctx context.Context, do func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.tasks == nil {
		m.tasks, m.tails, m.documents = map[string]dispatch.Task{}, map[string]string{}, map[string]dispatch.Document{}
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
	n := 512 + len(t.ID) + len(t.Reason) + len(t.Queue) + len(t.Doc) + len(t.Hash) + len(t.Lane) + len(t.Identifier) + len(t.Tenant) + len(t.Group) + len(t.Prev) + len(t.Next)
	for _, p := range t.Progress {
		n += 64 + 32*len(p.Last) + len(p.Error)
	}
	return n
}
