package engine

import (
	"context"
	"sync"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

const (
	// suspect is how many lapses in a row make a task run by itself: one lapse is any crash's doing.
	suspect = 2
	// emptying is how long a suspect waits for the others to end: what its lease has to spare.
	emptying = dispatch.LeaseMargin - dispatch.Skew
	// closedFor is how long the others wait while a suspect runs, before they are put back.
	closedFor = time.Second
	// resting is how long the gate stays open after a suspect has waited in vain.
	resting = 2 * emptying
	// tooLong is how long a suspect is put off at most; then it runs among the others, because calls that
	// hang must not keep it from ever being attempted.
	tooLong = 5 * time.Minute
)

// gate lets tasks in side by side, but a suspect, which may kill the process, only by itself.
type gate struct {
	now func() time.Time

	mu     sync.Mutex
	inside int
	opened chan struct{}        // while it is closed: closed when it opens
	empty  chan struct{}        // while a suspect waits: closed when nobody is inside
	rest   time.Time            // no suspect is waited for until then
	putOff map[string]time.Time // suspects, and since when they want in
}

func newGate(now func() time.Time) *gate {
	return &gate{now: now, putOff: map[string]time.Time{}}
}

// enter waits, for a bounded time, until the task may run; leave is to be called after it.
func (g *gate) enter(ctx context.Context, t dispatch.Task) (leave func(), ok bool) {
	if t.Lapses >= suspect && !g.overdue(t.ID) {
		return g.alone(ctx, t.ID)
	}
	opened := g.pass()
	if opened == nil {
		return g.leave, true
	}
	timer := time.NewTimer(closedFor)
	defer timer.Stop()
	for opened != nil {
		select {
		case <-opened:
			opened = g.pass()
		case <-timer.C:
			return nil, false
		case <-ctx.Done():
			return nil, false
		}
	}
	return g.leave, true
}

// pass goes in if the gate is open, and returns nil then; otherwise what is closed when it opens.
func (g *gate) pass() (opened <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.opened == nil {
		g.inside++
		return nil
	}
	return g.opened
}

func (g *gate) overdue(id string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	since, ok := g.putOff[id]
	if !ok || g.now().Sub(since) < tooLong {
		return false
	}
	delete(g.putOff, id)
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside--; g.inside == 0 && g.empty != nil {
		close(g.empty)
		g.empty = nil
	}
}

// alone closes the gate and waits until nobody is inside.
func (g *gate) alone(ctx context.Context, id string) (leave func(), ok bool) {
	g.mu.Lock()
	if _, known := g.putOff[id]; !known {
		g.putOff[id] = g.now()
	}
	if g.opened != nil || g.now().Before(g.rest) { // another suspect's turn, or the others'
		g.mu.Unlock()
		return nil, false
	}
	g.opened = make(chan struct{})
	empty := make(chan struct{})
	if g.inside > 0 {
		g.empty = empty
	} else {
		close(empty)
	}
	g.mu.Unlock()

	timer := time.NewTimer(emptying)
	defer timer.Stop()
	select {
	case <-empty:
		g.mu.Lock()
		delete(g.putOff, id)
		g.mu.Unlock()
		return g.open, true
	case <-timer.C:
	case <-ctx.Done():
	}
	g.mu.Lock()
	g.rest = g.now().Add(resting)
	g.mu.Unlock()
	g.open()
	return nil, false
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.opened)
	g.opened, g.empty = nil, nil
}
