package dispatch

import (
	"context"
	"fmt"
	"time"
)

// StateError says that a task's state does not allow what was asked.
type StateError struct {
	ID    string
	State State
}

// Error names the task and its state.
func (e *StateError) Error() string { return fmt.Sprintf("task %s is %s", e.ID, e.State) }

// Editor changes tasks by hand: for a person, or the producer of a task.
type Editor struct {
	Store     Store
	Settings  func(context.Context) (Settings, error)
	Retention time.Duration // how long final rows stay, at least MinRetention
	Now       func() time.Time
}

// Cancel ends a scheduled task before its next attempt. The error is ErrLeased while somebody may be
// sending it, a *StateError if it is final already, ErrNotFound if there is none.
func (e *Editor) Cancel(ctx context.Context, id string) (Task, error) {
	t, _, err := e.Store.Edit(ctx, id, func(t *Task) error {
		now := e.Now()
		switch {
		case t.State.Final():
			return &StateError{ID: t.ID, State: t.State}
		case t.Leased(now):
			return fmt.Errorf("cancelling task %s: %w", t.ID, ErrLeased)
		}
		*t = t.finish(Cancelled, "cancelled by hand", now)
		t.TTL = finalTTL(t.EndedAt, e.Retention)
		return nil
	})
	return t, err
}

// Retry runs a task again that has ended, as a new run: due now, with no attempts made, and expiring
// after the lifetime it was first given. The error is a *StateError if it has not ended, ErrNotFound if there is none.
func (e *Editor) Retry(ctx context.Context, id string) (Task, error) {
	settings, err := e.Settings(ctx)
	if err != nil {
		return Task{}, err
	}
	t, _, err := e.Store.Edit(ctx, id, func(t *Task) error {
		if !t.State.Final() {
			return &StateError{ID: t.ID, State: t.State}
		}
		d, err := DecodeDoc(t.Doc)
		if err != nil {
			return err
		}
		now := roundUp(e.Now())
		t.State, t.Reason, t.EndedAt = Scheduled, "", time.Time{}
		t.Run++
		t.DueAt, t.Lane = now, Lane(t.Queue, t.ID, settings.Lanes(t.Queue))
		t.Progress, t.Lapses = nil, 0
		if life := d.Lifetime(); life > 0 {
			t.ExpireAt = now.Add(life)
		}
		t.TTL = liveTTL(t.ExpireAt, e.Retention)
		return nil
	})
	return t, err
}

// Filter returns the cheapest filter that lists the tasks of a queue in a state ("" for all): by lanes
// for those that are scheduled and, newest first, for failures; the whole store for the others.
func (e *Editor) Filter(ctx context.Context, queue string, state State) (Filter, error) {
	f := Filter{Queue: queue, State: state}
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
			f.Lanes = append(f.Lanes, Lanes(name, settings.Lanes(name))...)
		default:
			f.Lanes = append(f.Lanes, HistoryLanes(name, settings.Lanes(name))...)
			f.Newest = true
		}
	}
	return f, nil
}
