package main

import (
	"context"
	"fmt"
	"time"

	"example.com/dispatch/cmd/dispatch/internal/pick"
	"example.com/dispatch/pkg/dispatch"
)

type clearCommand struct {
	storeFlags
	bulkFlags
	OlderThan age    `required:"" placeholder:"DURATION" help:"Only tasks that ended longer ago: 14d, 36h; at least 8h, so that nothing that is enqueued again runs again."`
	State     string `enum:",delivered,stopped,exhausted,expired,skipped,cancelled" default:"" help:"Only tasks in this state: ${enum}."`
	Queue     string `help:"Only tasks of this queue."`
	Tenant    string `help:"Only tasks of this tenant."`
}

// Validate is called by kong.
func (d clearCommand) Validate() error {
	if time.Duration(d.OlderThan) < dispatch.MinRetention {
		return fmt.Errorf("--older-than must be at least %v", dispatch.MinRetention)
	}
	return d.storeFlags.Validate()
}

// Run deletes the rows of tasks that ended long ago.
func (d clearCommand) Run(ctx context.Context, c console) error {
	ctx, cancel := context.WithTimeout(ctx, bulkTime)
	defer cancel()
	return d.with(ctx, func(ctx context.Context, store dispatch.Store) error {
		e, older := d.editor(store), time.Duration(d.OlderThan)
		query := pick.Query{State: dispatch.State(d.State), Queue: d.Queue, Tenant: d.Tenant, Until: time.Now().Add(-older)}
		var chosen []dispatch.Task
		for t, err := range pick.Tasks(ctx, store, e, query) {
			if err != nil {
				return err
			}
			if t.State.Final() {
				chosen = append(chosen, bare(t))
			}
		}
		return d.all(ctx, c, d.JSON, "would be deleted for good", "deleted", chosen, func(ctx context.Context, t dispatch.Task) (bool, error) {
			return e.Clear(ctx, t, older)
		})
	})
}
