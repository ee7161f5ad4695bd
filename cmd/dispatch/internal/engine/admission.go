package engine

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

const (
	// brisk is the time of a call, settled, up to which waiting for the end of another is better than
	// putting a task back; and how long it is waited for.
	brisk = 250 * time.Millisecond
	// leftFree is how many times as many calls as workers stay free an origin may have.
	leftFree = 3
)

// admission says which calls may be made now: no origin has so many of the workers that too few are left for the
// others, so that receivers that hang do not have them all; and a task that may kill the process runs by itself.
//
// A call is admitted only if its origin then has at most three times as many calls as workers stay free. The first
// that hangs has three quarters of all workers, a second one three quarters of those that are left, and so on; of several
// that want as many as they can get each gets the same. An origin without a call is always admitted.
//
// Where an origin waits for a place, it is because it must not have one more. So the end of a call makes room for one
// call at most: to the origin that has the fewest of those that wait, whichever origin's call has ended.
type admission struct {
	workers int
	gate    *gate
	now     func() time.Time
	came    chan struct{} // tells a worker that waits for a job of a turn; has room for one

	mu      sync.Mutex
	busy    int            // workers with calls that were admitted, or with a turn
	several map[string]int // calls in flight of tasks with several targets, which are all one worker's; by task
	names   map[string]string
	origins map[string]*origin
	lines   lines
	refused map[string]refusal // by task, of those with one target
	turns   []turn             // of those, the tasks whose turn has come
	placed  map[string]*origin // where tasks have a place that have their turn and have not asked to be admitted
}

// origin is a receiver that tasks are in flight to, or wait for.
type origin struct {
	name    string
	calls   int           // in flight, or about to be: who has a turn has a place
	took    time.Duration // smoothed time of its calls; 0 before the first has ended
	moved   time.Time     // when the last one ended; at first, when the origin was met
	waiters []*waiter     // workers that wait a moment, in turn; those that have gone are passed over
	queue   []string      // tasks that were not admitted, in turn; those that refused no longer has are over
	queued  bool          // the last place that had become free went to the queue
	index   int           // in lines; -1: not there
}

// waiter is a worker with a call that waits for a place.
type waiter struct {
	several string
	has     chan struct{} // closed when it has a place
	over    bool          // it has one, or has gone
}

func newAdmission(workers int, now func() time.Time) *admission {
	return &admission{
		workers: workers, gate: newGate(now), now: now, came: make(chan struct{}, 1), several: map[string]int{}, names: map[string]string{},
		origins: map[string]*origin{}, refused: map[string]refusal{}, placed: map[string]*origin{},
	}
}

// admit is what [dispatch.Handle] asks before each call.
func (a *admission) admit(ctx context.Context, c dispatch.Call) (done func(), ok bool) {
	leave, ok := a.gate.enter(ctx, c.Task)
	if !ok {
		return nil, false
	}
	o, ok := a.place(ctx, c)
	if !ok {
		leave()
		return nil, false
	}
	began, several := a.now(), severalOf(c)
	return func() {
		a.end(o, several, began)
		leave()
	}, true
}

// severalOf returns the task's id if it has other targets besides, "" if the call is all that its worker does.
func severalOf(c dispatch.Call) string {
	if c.Target == "" {
		return ""
	}
	return c.Task.ID
}

// place takes a place among the origin's calls, for which it waits a moment where they come and go fast.
func (a *admission) place(ctx context.Context, c dispatch.Call) (*origin, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	id, several, o := c.Task.ID, severalOf(c), a.meet(c.Doc.URI)
	if a.placed[id] == o {
		delete(a.placed, id)
		return o, true
	}
	if a.admits(o, several) {
		delete(a.refused, id)
		a.take(o, several)
		return o, true
	}
	if o.took < brisk && a.now().Sub(o.moved) < brisk && a.wait(ctx, o, several) {
		delete(a.refused, id)
		return o, true
	}
	a.refuse(o, c)
	return nil, false
}

// admits reports whether the origin may have one more call.
func (a *admission) admits(o *origin, several string) bool {
	free := a.workers - a.busy
	if several == "" || a.several[several] == 0 {
		free--
	}
	return o.calls == 0 || o.calls+1 <= leftFree*free
}

func (a *admission) take(o *origin, several string) {
	o.calls++
	if several != "" {
		a.several[several]++
	}
	if a.several[several] <= 1 {
		a.busy++
	}
	a.lines.moved(o)
}

func (a *admission) release(o *origin, several string) {
	o.calls--
	if several != "" {
		if a.several[several]--; a.several[several] == 0 {
			delete(a.several, several)
		}
	}
	if a.several[several] == 0 {
		a.busy--
	}
	a.lines.moved(o)
	a.pass()
	a.forget(o)
}

// wait waits for a place, while others have the lock.
func (a *admission) wait(ctx context.Context, o *origin, several string) bool {
	w := &waiter{several: several, has: make(chan struct{})}
	o.waiters = append(o.waiters, w)
	a.lines.join(o)
	a.mu.Unlock()
	timer := time.NewTimer(brisk)
	defer timer.Stop()
	has := false
	select {
	case <-w.has:
		has = true
	case <-timer.C:
	case <-ctx.Done():
	}
	a.mu.Lock()
	if !has && w.over { // both at once
		return true
	}
	w.over = true
	return has
}

// end makes room for another call. It is then the turn of one of those that wait, of which the worker that has become
// free takes care: the sweep, which looks once a second, could not keep a slow receiver busy.
func (a *admission) end(o *origin, several string, began time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	o.moved = a.now()
	took := o.moved.Sub(began)
	o.took += (took - o.took) / 8
	a.release(o, several)
}

// pass gives what has become free to those that wait for it.
func (a *admission) pass() {
	for len(a.lines) > 0 {
		o := a.lines[0]
		if !a.admits(o, "") {
			return
		}
		if !a.next(o) { // whoever waited has gone
			heap.Remove(&a.lines, o.index)
			a.forget(o)
		}
	}
}

// next gives a place to a worker that waits for the origin, or to a task that was put back: to each in turn. It reports
// whether there was any.
func (a *admission) next(o *origin) bool {
	o.queued = !o.queued
	if o.queued {
		return a.nextTurn(o) || a.nextWaiter(o)
	}
	return a.nextWaiter(o) || a.nextTurn(o)
}

func (a *admission) nextWaiter(o *origin) bool {
	for len(o.waiters) > 0 {
		w := o.waiters[0]
		o.waiters = o.waiters[1:]
		if !w.over {
			w.over = true
			a.take(o, w.several)
			close(w.has)
			return true
		}
	}
	return false
}

// lines are the origins that are waited for, those with the fewest calls first.
type lines []*origin

func (l lines) Len() int           { return len(l) }
func (l lines) Less(i, j int) bool { return l[i].calls < l[j].calls }
func (l lines) Swap(i, j int) {
	l[i], l[j] = l[j], l[i]
	l[i].index, l[j].index = i, j
}

// Push is called by package heap.
func (l *lines) Push(x any) {
	o := x.(*origin)
	o.index = len(*l)
	*l = append(*l, o)
}

// Pop is called by package heap.
func (l *lines) Pop() any {
	last := len(*l) - 1
	o := (*l)[last]
	(*l)[last], *l, o.index = nil, (*l)[:last], -1
	return o
}

func (l *lines) join(o *origin) {
	if o.index < 0 {
		heap.Push(l, o)
	}
}

func (l *lines) moved(o *origin) {
	if o.index >= 0 {
		heap.Fix(l, o.index)
	}
}
