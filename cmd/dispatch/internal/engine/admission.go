package engine

import (
	"context"
	"iter"
	"maps"
	"net/url"
	"strings"
	"sync"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/signature"
)

const (
	// brisk is the time of a call, settled, up to which waiting for the end of another is better than
	// putting a task back; and how long it is waited for.
	brisk = 250 * time.Millisecond
	// remembered is how long the sweep passes over a task that was not admitted, if its turn does not come; and
	// apart how much longer for each that waits before it: a look at many thousands at once would keep the
	// workers from all others.
	remembered = 30 * time.Second
	apart      = 10 * time.Millisecond
	// memory is how many such tasks, and names of origins, are remembered at most.
	memory = 100_000
)

// admission says which calls may be made now: no origin has more than its share of the workers, so that a
// receiver that hangs leaves some for the others; and a task that may kill the process runs by itself.
type admission struct {
	share int // calls to one origin at once
	gate  *gate
	now   func() time.Time

	mu      sync.Mutex
	names   map[string]string // of origins, by authority
	origins map[string]*origin
	refused map[string]refusal // by task, of those with one target
	turns   []turn             // of those, the tasks whose turn has come
	unasked map[string]bool    // tasks that have their turn and have not asked to be admitted
}

// turn is a task that is to be handled because another to the same origin has ended.
type turn struct {
	hint dispatch.Hint
	name string
	to   *origin
}

// origin is a receiver that tasks are in flight to, or wait for room.
type origin struct {
	room  chan struct{} // one token for each call in flight
	users int           // in flight, waiting for room, or having their turn; 0: the origin is forgotten
	took  time.Duration // smoothed time of its calls; 0 before the first has ended
	moved time.Time     // when the last one ended; at first, when the origin was met
	queue []string      // tasks that were not admitted, in turn; those that refused no longer has are over
}

// refusal remembers of a task that was not admitted where it goes, which its hint does not say.
type refusal struct {
	to     *origin
	queue  string
	tenant string
	until  time.Time
}

func newAdmission(workers int, now func() time.Time) *admission {
	return &admission{
		share: max(1, workers*3/4), gate: newGate(now), now: now,
		names: map[string]string{}, origins: map[string]*origin{}, refused: map[string]refusal{}, unasked: map[string]bool{},
	}
}

// admit is what [dispatch.Handle] asks before each call.
func (a *admission) admit(ctx context.Context, c dispatch.Call) (done func(), ok bool) {
	leave, ok := a.gate.enter(ctx, c.Task)
	if !ok {
		return nil, false
	}
	name, o := a.meet(c.Task.ID, c.Doc.URI)
	if !a.room(ctx, o) {
		leave()
		a.refuse(name, o, c)
		return nil, false
	}
	began := a.now()
	return func() {
		a.end(name, o, began)
		leave()
	}, true
}

func originOf(uri string) string {
	if dispatch.IsARN(uri) {
		return uri // each is a receiver of its own
	}
	u, err := url.Parse(uri)
	if err != nil {
		return ""
	}
	return signature.Origin(u)
}

// authority returns a URI up to its path, query or fragment: those that have it in common have one origin.
func authority(uri string) string {
	scheme, rest, _ := strings.Cut(uri, "://")
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		return uri[:len(scheme)+len("://")+end]
	}
	return uri
}

func (a *admission) meet(id, uri string) (name string, o *origin) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.unasked, id)
	name, ok := a.names[authority(uri)]
	if !ok {
		if len(a.names) >= memory {
			clear(a.names)
		}
		name = originOf(uri)
		a.names[strings.Clone(authority(uri))] = name
	}
	o, ok = a.origins[name]
	if !ok {
		o = &origin{room: make(chan struct{}, a.share), moved: a.now()}
		a.origins[name] = o
	}
	o.users++
	return name, o
}

// room takes a place among the origin's calls, for which it waits a moment where they come and go fast.
func (a *admission) room(ctx context.Context, o *origin) bool {
	select {
	case o.room <- struct{}{}:
		return true
	default:
	}
	a.mu.Lock()
	waits := o.took < brisk && a.now().Sub(o.moved) < brisk
	a.mu.Unlock()
	if !waits {
		return false
	}
	timer := time.NewTimer(brisk)
	defer timer.Stop()
	select {
	case o.room <- struct{}{}:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// refuse lets a task wait for its turn at the origin. One of several targets' calls is not remembered: the task's others
// would wait for that turn too. It is put back, and tried again a second later.
func (a *admission) refuse(name string, o *origin, c dispatch.Call) {
	a.mu.Lock()
	defer a.mu.Unlock()
	defer a.leave(name, o)
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
	}
}

// end makes room for another call to the origin. It is then the turn of one of those that wait, of which the
// worker that has become free takes care: the sweep, which looks once a second, could not keep a slow
// receiver busy.
func (a *admission) end(name string, o *origin, began time.Time) {
	<-o.room
	a.mu.Lock()
	defer a.mu.Unlock()
	o.moved = a.now()
	took := o.moved.Sub(began)
	o.took += (took - o.took) / 8
	a.next(name, o)
	a.leave(name, o)
}

// next lets the next of those that wait for the origin have its turn.
func (a *admission) next(name string, o *origin) {
	for chosen := false; len(o.queue) > 0 && !chosen; o.queue = o.queue[1:] {
		id := o.queue[0]
		r := a.refused[id]
		if chosen = r.to == o; chosen {
			delete(a.refused, id)
			o.users++
			a.turns = append(a.turns, turn{dispatch.Hint{ID: id, Queue: r.queue, Tenant: r.tenant}, name, o})
		}
	}
}

// takeTurn takes a task whose turn has come. It is due within a second, and may be claimed. endTurn is to be
// called after it was handled.
func (a *admission) takeTurn() (t turn, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.turns) == 0 {
		return turn{}, false
	}
	t, a.turns = a.turns[0], a.turns[1:]
	a.unasked[t.hint.ID] = true
	return t, true
}

// endTurn lets another have the turn of a task that has made no use of it: it has ended meanwhile.
func (a *admission) endTurn(t turn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.unasked[t.hint.ID] {
		delete(a.unasked, t.hint.ID)
		a.next(t.name, t.to)
	}
	a.leave(t.name, t.to)
}

func (a *admission) leave(name string, o *origin) {
	if o.users--; o.users > 0 {
		return
	}
	delete(a.origins, name)
	maps.DeleteFunc(a.refused, func(_ string, r refusal) bool { return r.to == o })
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
