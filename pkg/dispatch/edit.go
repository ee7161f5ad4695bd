package dispatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// StateError says that a task's state does not allow what was asked.
type StateError struct {
	ID    string
	State State
}

// Error names the task and its state.
func (e *StateError) Error() string { return fmt.Sprintf("task %s is %s", e.ID, e.State) }

// Editor changes tasks by hand: for a person, or the producer of a task. Its errors are ErrNotFound if
// there is no such task, ErrLeased while somebody may be sending it, ErrNewer if its row is of a newer version, and
// a *StateError if its state does not allow the change; an *InvalidInput for a time that cannot be.
type Editor struct {
	Store     Store
	Settings  func(context.Context) (Settings, error)
	Invoke    func(context.Context, []Hint) error // runs handle for what has become due; nil: the sweep will
	Retention time.Duration                       // how long final rows stay, at least MinRetention
	Now       func() time.Time
}

// Cancel ends a live task before its next attempt; one that is blocked in its group ends at its turn.
func (e *Editor) Cancel(ctx context.Context, id string) (Task, error) {
	return e.edit(ctx, id, func(t *Task) error {
		now := e.Now()
		switch {
		case t.State.Final():
			return &StateError{ID: t.ID, State: t.State}
		case t.Leased(now):
			return fmt.Errorf("cancelling task %s: %w", t.ID, ErrLeased)
		case t.State == Blocked:
			t.Flag, t.DueAt = true, roundUp(now)
			return nil
		}
		return e.end(t, Cancelled, "cancelled by hand", now)
	})
}

// Skip ends a held task, so that its group goes on.
func (e *Editor) Skip(ctx context.Context, id string) (Task, error) {
	return e.edit(ctx, id, func(t *Task) error {
		if t.State != Held {
			return &StateError{ID: t.ID, State: t.State}
		}
		return e.end(t, Skipped, "skipped by hand: "+t.Reason, e.Now())
	})
}

func (e *Editor) end(t *Task, s State, reason string, now time.Time) error {
	*t = t.finish(s, reason, now)
	t.TTL = finalTTL(t.EndedAt, e.Retention)
	return nil
}

// Retry runs a task again that has ended or is held, as a new run: due now, with no attempts made, and
// expiring after the lifetime it was first given. Of several targets, those that are done are not called again.
func (e *Editor) Retry(ctx context.Context, id string) (Task, error) {
	settings, err := e.Settings(ctx)
	if err != nil {
		return Task{}, err
	}
	return e.edit(ctx, id, func(t *Task) error {
		if !t.State.Final() && t.State != Held {
			return &StateError{ID: t.ID, State: t.State}
		}
		d, err := DecodeDoc(t.Doc)
		if err != nil {
			return err
		}
		now := roundUp(e.Now())
		t.State, t.Reason, t.EndedAt, t.Flag = Scheduled, "", time.Time{}, false
		t.Run++
		t.DueAt, t.Lane = now, settings.Lane(t.Queue, t.Tenant, t.ID)
		t.Progress, t.Lapses, t.Identifier = again(t.Progress), 0, d.Identifier
		if life := d.Lifetime(); life > 0 {
			t.ExpireAt = now.Add(life)
		}
		t.TTL = liveTTL(*t, e.Retention)
		return nil
	})
}

// Reschedule changes when a scheduled or blocked task is due, at before its expiry; the time of its life stays.
func (e *Editor) Reschedule(ctx context.Context, id string, at time.Time) (Task, error) {
	return e.edit(ctx, id, func(t *Task) error {
		switch {
		case t.State != Scheduled && t.State != Blocked || t.Flag:
			return &StateError{ID: t.ID, State: t.State}
		case t.Leased(e.Now()):
			return fmt.Errorf("rescheduling task %s: %w", t.ID, ErrLeased)
		case !t.ExpireAt.IsZero() && !at.Before(t.ExpireAt):
			return &InvalidInput{Faults: []Fault{{Detail: "is not before the task's expiry, " + t.ExpireAt.Format(time.RFC3339), Pointer: "#/dueAt"}}}
		}
		t.DueAt = roundUp(at)
		t.Progress = slices.Clone(t.Progress)
		for i, p := range t.Progress {
			if !p.NextAt.IsZero() {
				t.Progress[i].NextAt = t.DueAt
			}
		}
		return nil
	})
}

// Clear deletes the row of a task that has been final for age, at least MinRetention: sooner, an enqueue
// that is sent again would find its id free. It reports whether it did.
func (e *Editor) Clear(ctx context.Context, t Task, age time.Duration) (bool, error) {
	if !t.State.Final() || e.Now().Sub(t.EndedAt) < max(age, MinRetention) {
		return false, nil
	}
	err := e.Store.Delete(ctx, t.ID, t.Generation)
	if errors.Is(err, ErrConflict) {
		return false, nil // it runs again
	}
	return err == nil, err
}

// edit makes a change, and tells handle of what has become due by it.
func (e *Editor) edit(ctx context.Context, id string, change func(*Task) error) (Task, error) {
	t, next, err := e.Store.Edit(ctx, id, func(t *Task) error {
		if err := t.known(); err != nil {
			return err
		}
		return change(t)
	})
	if err != nil {
		return t, err
	}
	hints := []Hint{}
	if next.ID != "" {
		hints = append(hints, next)
	}
	if t.State == Scheduled && t.Hint().IsDue(e.Now()) {
		hints = append(hints, t.Hint())
	}
	if e.Invoke != nil && len(hints) > 0 {
		_ = e.Invoke(ctx, hints) // a courtesy: they are in their lanes already
	}
	return t, nil
}

// Filter returns the cheapest filter that lists the tasks of a queue and a tenant in a state ("" for all): by
// lanes for those that are scheduled and, newest first, for failures; the whole store for the others.
func (e *Editor) Filter(ctx context.Context, queue, tenant string, state State) (Filter, error) {
	f := Filter{Queue: queue, Tenant: tenant, State: state}
	if state != Scheduled && !state.Failed() {
		return f, nil
	}
	settings, err := e.Settings(ctx)
	if err != nil {
		return f, err
	}
	for _, name := range settings.QueueNames() {
		switch {
		case queue != "" && name != queue:
		case state == Scheduled:
			f.Lanes = append(f.Lanes, settings.inQueue(name, tenant, Lanes)...)
		default:
			f.Lanes = append(f.Lanes, settings.inQueue(name, tenant, HistoryLanes)...)
			f.Newest = true
		}
	}
	return f, nil
}
