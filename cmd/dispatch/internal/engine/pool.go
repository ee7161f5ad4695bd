package engine

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// job is what a worker does next: a hint to handle, and who wants to know when it is done; or a task that is claimed.
type job struct {
	hint    dispatch.Hint
	done    chan<- error // has room; nil: nobody
	claimed *dispatch.Claimed
	counted bool   // it has a worker of its share already
	share   string // of which tenant, "" for that of all that are not named
}

// work does jobs, one after the other. Workers live as long as the engine, because a goroutine for each
// task would have its stack grow each time. Between two jobs comes one that follows from others, so that
// neither a long group keeps its worker from the rest, nor the rest the group from going on.
func (e *Engine) work() {
	for more := true; more; {
		e.free <- struct{}{}
		for e.follows() {
		}
		more = e.nextJob()
	}
}

// nextJob waits for a job and does it; meanwhile it does what follows from others. It reports whether there may be more.
func (e *Engine) nextJob() bool {
	for {
		select {
		case j := <-e.jobs:
			e.do(j)
			e.follow()
			return true
		case <-e.admission.came:
			for e.follows() {
			}
		case <-e.quit:
			select {
			case j := <-e.jobs: // who has taken the token may have claimed a task for it
				e.do(j)
				return true
			case <-e.free:
				return false
			}
		}
	}
}

// follows does what follows from others, unless the worker's token is somebody's who has a job for it.
func (e *Engine) follows() (any bool) {
	select {
	case <-e.free:
		any = e.follow()
		e.free <- struct{}{}
	default:
	}
	return any
}

func (e *Engine) do(j job) {
	if !j.counted {
		j.share = j.hint.Tenant
		e.shares.take(j.share)
	}
	err := e.one(j)
	e.shares.leave(j.share)
	if j.done != nil {
		j.done <- err
	}
}

// take waits for a free worker and takes its token, and those of others that are free, up to n in all. Where there are not
// as many, those get a chance first that have just ended a task: a commit frees many at once, one after the other.
func (e *Engine) take(ctx context.Context, n int) (taken int, err error) {
	if e.stopping() {
		return 0, ErrStopping
	}
	select {
	case <-e.free:
	case <-e.quit:
		return 0, ErrStopping
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	taken = 1
	for yielded := false; taken < n; {
		select {
		case <-e.free:
			taken++
		default:
			if yielded {
				return taken, nil
			}
			runtime.Gosched()
			yielded = true
		}
	}
	return taken, nil
}

// give has the hints handled as workers become free, and returns when each has one. Those that find workers at the same
// time are claimed together, which takes a tenth less of the processor's time for a task; but one by one where tenants are
// kept apart.
func (e *Engine) give(ctx context.Context, hints []dispatch.Hint) (failed error) {
	for _, apart := e.apart(ctx); len(hints) > 0; {
		n, err := 1, error(nil)
		if apart {
			err = e.giveOne(ctx, job{hint: hints[0]})
		} else if n, err = e.take(ctx, min(len(hints), together)); err == nil {
			failed = errors.Join(failed, e.begin(hints[:n]))
		}
		if err != nil {
			return errors.Join(failed, err)
		}
		hints = hints[n:]
	}
	return failed
}

// giveOne has a worker take a job. Of those who wait for one, whoever has waited longest is the next; so tenants, each of
// which waits with one job at a time, take turns.
func (e *Engine) giveOne(ctx context.Context, j job) error {
	if settings, apart := e.apart(ctx); apart {
		j.share = sharer(settings, j.hint)
		if err := e.shares.await(ctx, e.quit, j.share); err != nil {
			return err
		}
		j.counted = true
	}
	if _, err := e.take(ctx, 1); err != nil {
		if j.counted {
			e.shares.leave(j.share)
		}
		return err
	}
	e.jobs <- j
	return nil
}

// begin gives the hints to as many workers whose tokens were taken.
func (e *Engine) begin(hints []dispatch.Hint) error {
	if len(hints) == 1 { // its worker claims it while others are looked for
		e.jobs <- job{hint: hints[0]}
		return nil
	}
	claimed, alone, err := e.handle.Claim(context.Background(), hints) // what is claimed must be run, whoever has gone
	for i := range claimed {
		e.jobs <- job{claimed: &claimed[i]}
	}
	for _, h := range alone {
		e.jobs <- job{hint: h}
	}
	for range len(hints) - len(claimed) - len(alone) {
		e.free <- struct{}{}
	}
	return err
}

// takeOffers gives what was offered, until the engine stops.
func (e *Engine) takeOffers() {
	ctx := context.Background()
	for {
		select {
		case <-e.quit:
			return
		case h := <-e.offers:
			hints := []dispatch.Hint{h}
			for len(e.offers) > 0 && len(hints) < together { // nobody else takes them
				hints = append(hints, <-e.offers)
			}
			if err := e.give(ctx, hints); err != nil && !errors.Is(err, ErrStopping) {
				e.failed(ctx, "", err)
			}
		}
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

// one does a job.
func (e *Engine) one(j job) (err error) {
	ctx := context.Background() // a call in flight outlives whatever began it
	e.inFlight.Add(1)
	defer e.inFlight.Add(-1)
	if j.claimed != nil {
		err = e.handle.RunClaimed(ctx, *j.claimed)
	} else {
		err = e.handle.Run(ctx, []dispatch.Hint{j.hint})
	}
	if err != nil {
		e.failed(ctx, j.hint.ID, err)
	}
	return err
}

func (e *Engine) failed(ctx context.Context, id string, err error) {
	e.log.LogAttrs(ctx, slog.LevelError, "handling failed; the sweep repeats it", slog.String("id", id), slog.Any("error", err))
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
