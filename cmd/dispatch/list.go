package main

import (
	"context"
	"fmt"
	"time"

	"example.com/dispatch/cmd/dispatch/internal/pick"
	"example.com/dispatch/cmd/dispatch/internal/view"
	"example.com/dispatch/pkg/dispatch"
)

type listCommand struct {
	storeFlags
	State      string   `enum:",scheduled,blocked,held,delivered,stopped,exhausted,expired,skipped,cancelled" default:"" help:"Only tasks in this state: ${enum}."`
	Queue      string   `help:"Only tasks of this queue."`
	Tenant     string   `help:"Only tasks of this tenant."`
	Identifier []string `sep:"none" placeholder:"NAME" help:"Only tasks with this identifier that have not ended; may be repeated."`
	Identified bool     `help:"Only tasks with any identifier that have not ended."`
	Limit      int      `default:"100" help:"The most tasks to list (${default}); 0: all."`
}

// Run lists tasks: those that are scheduled in the order they are due, failures newest first.
func (l listCommand) Run(ctx context.Context, c console) error {
	if l.Limit < 0 {
		return fmt.Errorf("%w: --limit must not be negative", errUsage)
	}
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	return l.with(ctx, func(ctx context.Context, store dispatch.Store) error {
		query := pick.Query{State: dispatch.State(l.State), Queue: l.Queue, Tenant: l.Tenant, Identifiers: l.Identifier, Identified: l.Identified}
		editor := l.editor(store)
		settings, err := editor.Settings(ctx)
		if err != nil {
			return err
		}
		now, tasks, more := time.Now(), []view.Task{}, false
		for t, err := range pick.Tasks(ctx, store, editor, query) {
			if err != nil {
				return err
			}
			if more = l.Limit > 0 && len(tasks) == l.Limit; more {
				break
			}
			tasks = append(tasks, view.New(t, now, settings.Redact))
		}
		if more {
			fmt.Fprintf(c.err, "dispatch: there are more than these %d; --limit raises the number\n", l.Limit)
		}
		if l.JSON {
			return c.json(listed{tasks})
		}
		if len(tasks) == 0 {
			fmt.Fprintln(c.err, "dispatch: there are no such tasks")
			return nil
		}
		return view.Table(c.out, tasks, now)
	})
}
