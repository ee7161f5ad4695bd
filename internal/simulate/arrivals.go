package simulate

import (
	"context"
	"strconv"
	"sync"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// arrivals is the store as enqueue sees it in half the runs of the local server: some of what is due at once is claimed in the
// commit that stores it, and run by whoever has put it.
type arrivals struct {
	dispatch.Store
	p       *process
	handle  *dispatch.Handle
	claimed []dispatch.Claimed
	puts    int
}

// arrives reports whether the run is one of those.
func (w *world) arrives() bool { return w.local != nil && newDice(w.seed, "arrivals").chance(0.5) }

// Put implements [dispatch.Store].
func (a *arrivals) Put(ctx context.Context, now time.Time, tasks []dispatch.Task) []dispatch.Result {
	a.puts++
	d := newDice(a.p.world.seed, a.p.name, "spare", strconv.Itoa(a.puts))
	results, claimed := a.handle.PutClaimed(ctx, now, tasks, func(n int) int { return d.below(n + 1) })
	a.claimed = append(a.claimed, claimed...)
	return results
}

// run runs what was claimed, each by itself.
func (a *arrivals) run() {
	var wg sync.WaitGroup
	for _, c := range a.claimed {
		wg.Go(func() { _ = a.handle.RunClaimed(a.p.ctx, c) })
	}
	wg.Wait()
}
