package main

import (
	"context"

	"example.com/dispatch/pkg/dispatch"
)

type retryCommand struct {
	storeFlags
	ID string `arg:"" help:"The task's id."`
}

// Run runs a task again that has ended: due now, with no attempts made.
func (s retryCommand) Run(ctx context.Context, c console) error {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	return s.with(ctx, func(ctx context.Context, store dispatch.Store) error {
		t, err := s.editor(store).Retry(ctx, s.ID)
		if err != nil {
			return failed("retrying", s.ID, err)
		}
		return s.print(c, t)
	})
}
