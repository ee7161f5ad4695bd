package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

type cancelCommand struct {
	storeFlags
	ID string `arg:"" help:"The task's id."`
}

// Run ends a task before its next attempt; one that is blocked in its group ends at its turn. It fails while
// the task may be in flight, and when it has ended.
func (s cancelCommand) Run(ctx context.Context, c console) error {
	return s.edit(ctx, c, "cancelling", s.ID, func(ctx context.Context, e *dispatch.Editor) (dispatch.Task, error) {
		return e.Cancel(ctx, s.ID)
	})
}

type skipCommand struct {
	storeFlags
	ID string `arg:"" help:"The held task's id."`
}

// Run ends a held task, so that its group goes on.
func (s skipCommand) Run(ctx context.Context, c console) error {
	return s.edit(ctx, c, "skipping", s.ID, func(ctx context.Context, e *dispatch.Editor) (dispatch.Task, error) {
		return e.Skip(ctx, s.ID)
	})
}

type rescheduleCommand struct {
	storeFlags
	ID    string    `arg:"" help:"The task's id."`
	At    time.Time `xor:"when" required:"" placeholder:"TIME" help:"When it is due: 2026-01-31T12:00:00Z (RFC 3339)."`
	Delay *age      `xor:"when" required:"" placeholder:"DURATION" help:"How long from now it is due: 90s, 2h30m, 14d."`
}

// Run changes when a scheduled or blocked task is due; when it expires stays.
func (s rescheduleCommand) Run(ctx context.Context, c console) error {
	return s.edit(ctx, c, "rescheduling", s.ID, func(ctx context.Context, e *dispatch.Editor) (dispatch.Task, error) {
		at := s.At
		if s.Delay != nil {
			at = time.Now().Add(time.Duration(*s.Delay))
		}
		return e.Reschedule(ctx, s.ID, at)
	})
}

// edit changes one task and shows it.
func (f storeFlags) edit(ctx context.Context, c console, doing, id string, change func(context.Context, *dispatch.Editor) (dispatch.Task, error)) error {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	return f.with(ctx, func(ctx context.Context, store dispatch.Store) error {
		t, err := change(ctx, f.editor(store))
		if err != nil {
			return failed(doing, id, err)
		}
		return f.print(ctx, c, store, t)
	})
}

// failed says what could not be done with a task.
func failed(doing, id string, err error) error {
	switch {
	case errors.Is(err, dispatch.ErrNotFound):
		return fmt.Errorf("there is no task %s", id)
	case errors.Is(err, dispatch.ErrNewer):
		return fmt.Errorf("%s %w", doing, err) // it names the task
	case errors.Is(err, dispatch.ErrLeased):
		return fmt.Errorf("%s task %s: it may be in flight at this moment; try again", doing, id)
	default:
		return fmt.Errorf("%s task %s: %w", doing, id, err)
	}
}
