package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"example.com/dispatch/cmd/dispatch/internal/view"
	"example.com/dispatch/pkg/dispatch"
)

type showCommand struct {
	storeFlags
	ID string `arg:"" help:"The task's id."`
}

// Run tells what was asked, what has happened, and what comes next.
func (s showCommand) Run(ctx context.Context, c console) error {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	return s.with(ctx, func(ctx context.Context, store dispatch.Store) error {
		found := store.Get(ctx, []string{s.ID})[0]
		if found.Err != nil {
			return failed("showing", s.ID, found.Err)
		}
		return s.print(c, found.Task)
	})
}

// print shows one task, as --json says.
func (f storeFlags) print(c console, t dispatch.Task) error {
	now := time.Now()
	if f.JSON {
		return c.json(view.New(t, now))
	}
	return view.Story(c.out, view.New(t, now), now)
}

// failed says what could not be done with a task.
func failed(doing, id string, err error) error {
	if errors.Is(err, dispatch.ErrNotFound) {
		return fmt.Errorf("there is no task %s", id)
	}
	return fmt.Errorf("%s task %s: %w", doing, id, err)
}
