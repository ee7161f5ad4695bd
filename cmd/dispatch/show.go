package main

import (
	"context"
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
			return fmt.Errorf("showing task %s: %w", s.ID, found.Err)
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
