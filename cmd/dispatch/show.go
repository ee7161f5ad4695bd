package main

import (
	"context"
	"time"

	"example.com/dispatch/cmd/dispatch/internal/view"
	"example.com/dispatch/cmd/dispatch/internal/why"
	"example.com/dispatch/pkg/dispatch"
)

type showCommand struct {
	storeFlags
	ID string `arg:"" help:"The task's id."`
}

// Run tells what was asked, what has happened, what comes next, and why that has not come yet.
func (s showCommand) Run(ctx context.Context, c console) error {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	return s.with(ctx, func(ctx context.Context, store dispatch.Store) error {
		found := store.Get(ctx, []string{s.ID})[0]
		if found.Err != nil {
			return failed("showing", s.ID, found.Err)
		}
		return s.print(ctx, c, store, found.Task)
	})
}

// print shows one task, as --json says.
func (f storeFlags) print(ctx context.Context, c console, store dispatch.Store, t dispatch.Task) error {
	now := time.Now()
	v, err := why.Shown(ctx, store, f.editor(store).Settings, t, now)
	if err != nil {
		return err
	}
	if f.JSON {
		return c.json(v)
	}
	return view.Story(c.out, v, now)
}
