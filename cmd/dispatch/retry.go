package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"example.com/dispatch/cmd/dispatch/internal/pick"
	"example.com/dispatch/cmd/dispatch/internal/view"
	"example.com/dispatch/pkg/dispatch"
)

type retryCommand struct {
	storeFlags
	bulkFlags
	ID     []string `arg:"" optional:"" help:"The tasks' ids."`
	State  string   `enum:",held,delivered,stopped,exhausted,expired,skipped,cancelled" default:"" help:"Instead of ids: all tasks in this state: ${enum}."`
	Queue  string   `help:"Of these, only those of this queue."`
	Tenant string   `help:"Of these, only those of this tenant."`
	Since  *age     `placeholder:"DURATION" help:"Of these, only those that ended so long ago at most: 2h, 14d."`
}

// Validate is called by kong.
func (r retryCommand) Validate() error {
	switch {
	case len(r.ID) == 0 && r.State == "":
		return errors.New("give ids, or a --state")
	case len(r.ID) > 0 && (r.State != "" || r.Queue != "" || r.Tenant != "" || r.Since != nil):
		return errors.New("give ids or a filter, not both")
	}
	return r.storeFlags.Validate()
}

// Run runs tasks again: due now, with no attempts made.
func (r retryCommand) Run(ctx context.Context, c console) error {
	if len(r.ID) == 1 {
		return r.edit(ctx, c, "retrying", r.ID[0], func(ctx context.Context, e *dispatch.Editor) (dispatch.Task, error) {
			return e.Retry(ctx, r.ID[0])
		})
	}
	ctx, cancel := context.WithTimeout(ctx, bulkTime)
	defer cancel()
	return r.with(ctx, func(ctx context.Context, store dispatch.Store) error {
		if len(r.ID) > 0 {
			return r.listed(ctx, c, r.editor(store))
		}
		return r.found(ctx, c, store)
	})
}

// listed retries the tasks that were named, each whatever becomes of the others.
func (r retryCommand) listed(ctx context.Context, c console, e *dispatch.Editor) error {
	settings, err := e.Settings(ctx)
	if err != nil {
		return err
	}
	var errs []error
	tasks := []view.Task{}
	for _, id := range r.ID {
		t, err := e.Retry(ctx, id)
		if err != nil {
			errs = append(errs, failed("retrying", id, err))
			continue
		}
		tasks = append(tasks, view.New(t, time.Now(), settings.Redact))
	}
	if r.JSON {
		errs = append(errs, c.json(listed{tasks}))
	} else {
		errs = append(errs, view.Table(c.out, tasks, time.Now()))
	}
	return errors.Join(errs...)
}

// found retries what the filter finds, in the order in which it ended: members of a group join it anew.
func (r retryCommand) found(ctx context.Context, c console, store dispatch.Store) error {
	query := pick.Query{State: dispatch.State(r.State), Queue: r.Queue, Tenant: r.Tenant}
	if r.Since != nil {
		query.Since = time.Now().Add(-time.Duration(*r.Since))
	}
	e := r.editor(store)
	var chosen []dispatch.Task
	for t, err := range pick.Tasks(ctx, store, e, query) {
		if err != nil {
			return err
		}
		chosen = append(chosen, bare(t))
	}
	slices.SortStableFunc(chosen, func(a, b dispatch.Task) int { return a.EndedAt.Compare(b.EndedAt) })
	return r.all(ctx, c, r.JSON, fmt.Sprintf("in state %s would run again", r.State), "retried", chosen, func(ctx context.Context, t dispatch.Task) (bool, error) {
		_, err := e.Retry(ctx, t.ID)
		_, moved := errors.AsType[*dispatch.StateError](err)
		if moved || errors.Is(err, dispatch.ErrNotFound) || errors.Is(err, dispatch.ErrLeased) {
			return false, nil
		}
		return err == nil, err
	})
}
