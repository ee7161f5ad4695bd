package engine

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// job is a hint to handle, and who wants to know when it is done.
type job struct {
	hint    dispatch.Hint
	done    chan<- error // has room; nil: nobody
	counted bool         // it has a worker of its share already
	share   string       // of which tenant, "" for that of all that are not named
}

// work handles hints, one after the other. Workers live as long as the engine, because a goroutine for each
// task would have its stack grow each time. Between two jobs comes one that follows from others, so that
// neither a long group keeps its worker from the rest, nor the rest the group from going on.
func (e *Engine) work() {
	for !e.stopping() {
		select {
		case j := <-e.jobs:
			e.do(j)
			e.follow()
			continue
		case h := <-e.offers:
			e.do(job{hint: h})
			e.follow()
			continue
		default:
		}
		if e.follow() {
			continue
		}
		select {
		case <-e.quit:
			return
		case j := <-e.jobs:
			e.do(j)
		case h := <-e.offers:
			e.do(job{hint: h})
		}
	}
}

func (e *Engine) do(j job) {
	if !j.counted {
		j.share = j.hint.Tenant
		e.shares.take(j.share)
	}
	err := e.one(j.hint)
	e.shares.leave(j.share)
	if j.done != nil {
		j.done <- err
	}
}

// follow handles what an end has brought about: the turn of a task that waited for room, or the next of a
// group. It reports whether there was any.
func (e *Engine) follow() (any bool) {
	for !e.stopping() {
		t, ok := e.admission.takeTurn()
		if !ok {
			break
		}
		e.do(job{hint: t.hint})
		e.admission.endTurn(t)
		any = true
	}
	if e.stopping() {
		return any
	}
	if h, ok := e.successors.take(); ok {
		e.do(job{hint: h})
		any = true
	}
	return any
}

// one handles a hint.
func (e *Engine) one(h dispatch.Hint) error {
	ctx := context.Background() // a call in flight outlives whatever began it
	e.inFlight.Add(1)
	defer e.inFlight.Add(-1)
	err := e.handle.Run(ctx, []dispatch.Hint{h})
	if err != nil {
		e.log.LogAttrs(ctx, slog.LevelError, "handling failed; the sweep repeats it", slog.String("id", h.ID), slog.Any("error", err))
	}
	return err
}

// successors are the hints of those whose turn has come by the end of another task: the next of its group,
// and its callbacks. Losing one is harmless: they are in their lanes.
type successors struct {
	now func() time.Time

	mu    sync.Mutex
	hints []dispatch.Hint // the first is next
}

func (s *successors) add(h dispatch.Hint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.ID != "" && h.IsDue(s.now()) && len(s.hints) < memory { // what is not due is the sweep's
		s.hints = append(s.hints, h)
	}
}

func (s *successors) take() (h dispatch.Hint, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.hints) == 0 {
		return dispatch.Hint{}, false
	}
	h, s.hints = s.hints[0], s.hints[1:]
	return h, true
}

// handing is the store as handle sees it: who comes next is handed to the pool instead of to handle, which
// would run a whole group before it returned.
type handing struct {
	dispatch.Store
	to *successors
}

// Settle implements [dispatch.Store].
func (s handing) Settle(ctx context.Context, t dispatch.Task, callbacks ...dispatch.Task) (dispatch.Hint, error) {
	next, err := s.Store.Settle(ctx, t, callbacks...)
	if err != nil {
		return dispatch.Hint{}, err
	}
	s.to.add(next)
	for _, c := range callbacks {
		s.to.add(c.Hint())
	}
	return dispatch.Hint{}, nil
}
