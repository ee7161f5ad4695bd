package engine

import (
	"context"
	"iter"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

const (
	// remembered is how long the sweep passes over a task that was not admitted, if its turn does not come; and
	// apart how much longer for each that waits before it: a look at many thousands at once would keep the
	// workers from all others.
	remembered = 30 * time.Second
	apart      = 10 * time.Millisecond
	// memory is how many such tasks, and names of origins, are remembered at most.
	memory = 100_000
)

// turn is a task that is to be handled because another has ended: it has a place.
type turn struct {
	hint dispatch.Hint
	to   *origin
}

// refusal remembers of a task that was not admitted where it goes, which its hint does not say.
type refusal struct {
	to     *origin
	queue  string
	tenant string
	until  time.Time
}

// refuse lets a task wait for its turn at the origin. One of several targets' calls is not remembered: the task's others
// would wait for that turn too. It is put back, and tried again a second later.
func (a *admission) refuse(o *origin, c dispatch.Call) {
	if c.Target != "" {
		return
	}
	t := c.Task
	until := a.now().Add(remembered + time.Duration(len(o.queue))*apart)
	if !t.ExpireAt.IsZero() && t.ExpireAt.Before(until) {
		until = t.ExpireAt // then it must be looked at
	}
	if r, known := a.refused[t.ID]; known && r.to == o { // it keeps its place
		a.refused[t.ID] = refusal{o, t.Queue, t.Tenant, until}
	} else if len(a.refused) < memory && len(o.queue) < memory {
		a.refused[t.ID] = refusal{o, t.Queue, t.Tenant, until}
		o.queue = append(o.queue, t.ID)
		a.lines.join(o)
	}
}

// nextTurn lets the next of those that were put back have its turn, and a place.
func (a *admission) nextTurn(o *origin) bool {
	for len(o.queue) > 0 {
		id := o.queue[0]
		o.queue = o.queue[1:]
		if r := a.refused[id]; r.to == o {
			delete(a.refused, id)
			a.take(o, "")
			a.placed[id] = o
			a.turns = append(a.turns, turn{dispatch.Hint{ID: id, Queue: r.queue, Tenant: r.tenant}, o})
			a.tell()
			return true
		}
	}
	return false
}

// takeTurn takes a task whose turn has come. It is due within a second, and may be claimed. endTurn is to be
// called after it was handled.
func (a *admission) takeTurn() (t turn, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.turns) == 0 {
		return turn{}, false
	}
	if t, a.turns = a.turns[0], a.turns[1:]; len(a.turns) > 0 {
		a.tell()
	}
	return t, true
}

// tell wakes a worker that waits for a job: there may be more turns than workers whose calls have just ended.
func (a *admission) tell() {
	select {
	case a.came <- struct{}{}:
	default:
	}
}

// endTurn lets another have the turn of a task that has made no use of it: it has ended meanwhile.
func (a *admission) endTurn(t turn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.placed[t.hint.ID] == t.to {
		delete(a.placed, t.hint.ID)
		a.release(t.to, "")
	}
}

// waits reports whether the task waits for its turn: claiming it only to put it back would cost two writes a
// second, for each of what may be many thousands that go to a receiver that hangs.
func (a *admission) waits(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	r, ok := a.refused[id]
	return ok && a.now().Before(r.until)
}

// sightings is the store as the sweep sees it: without the tasks that wait for their turn.
type sightings struct {
	dispatch.Store
	admission *admission
}

// Due implements [dispatch.Store].
func (s sightings) Due(ctx context.Context, lane string, upTo time.Time) iter.Seq2[dispatch.Hint, error] {
	return func(yield func(dispatch.Hint, error) bool) {
		for h, err := range s.Store.Due(ctx, lane, upTo) {
			if err == nil && s.admission.waits(h.ID) {
				continue
			}
			if !yield(h, err) {
				return
			}
		}
	}
}
