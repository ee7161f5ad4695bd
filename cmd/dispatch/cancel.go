package main

import (
	"context"

	"example.com/dispatch/pkg/dispatch"
)

type cancelCommand struct {
	storeFlags
	ID string `arg:"" help:"The task's id."`
}

// Run ends a task before its next attempt. It fails while the task may be in flight, and when it has ended.
func (s cancelCommand) Run(ctx context.Context, c console) error {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	return s.with(ctx, func(ctx context.Context, store dispatch.Store) error {
		t, err := s.editor(store).Cancel(ctx, s.ID)
		if err != nil {
			return failed("cancelling", s.ID, err)
		}
		return s.print(c, t)
	})
}
