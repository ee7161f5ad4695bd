package engine

import (
	"context"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// arrivals is the store as enqueue sees it: tasks that are due at once are claimed in the commit that stores them, as far
// as workers are free. That halves the time until they are called.
type arrivals struct {
	dispatch.Store
	engine *Engine
}

// Put implements [dispatch.Store].
func (a arrivals) Put(ctx context.Context, now time.Time, tasks []dispatch.Task) []dispatch.Result {
	e := a.engine
	if _, apart := e.apart(ctx); apart {
		return a.Store.Put(ctx, now, tasks) // tenants take turns
	}
	taken := 0
	results, claimed := e.handle.PutClaimed(ctx, now, tasks, func(n int) int {
		taken = e.spare(n)
		return taken
	})
	for i := range claimed {
		e.jobs <- job{claimed: &claimed[i]}
	}
	for range taken - len(claimed) {
		e.free <- struct{}{}
	}
	return results
}

// spare takes the tokens of workers that are free, up to n. It waits for none, and takes none before those who wait.
func (e *Engine) spare(n int) (taken int) {
	if e.stopping() || len(e.offers) > 0 {
		return 0
	}
	for taken < n {
		select {
		case <-e.free:
			taken++
		default:
			return taken
		}
	}
	return taken
}
