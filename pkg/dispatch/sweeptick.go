package dispatch

import (
	"context"
	"errors"
	"sync"
	"time"
)

// tick is one run. Each tenant that has lanes of its own is swept beside the others, which wait for none of its: whoever
// wants to invoke takes a slot in the order in which they came.
type tick struct {
	*Sweep
	begin, end time.Time
	slots      chan struct{}
	share      share
	limit      *quota
	wg         sync.WaitGroup // of those that sweep

	mu      sync.Mutex
	queues  map[string]*quota // what each queue's own limit leaves
	parties map[string]bool   // the tenants that are swept, and "" for all others
	idle    int               // those that had nothing to do when nobody had
	active  bool              // somebody had: all look again each second
	settled chan struct{}     // closed once it is known whether the run is active
	report  SweepReport
	failed  []error
}

// tick begins a run of all lanes.
func (s *Sweep) tick() *tick {
	begin := s.Now()
	return &tick{
		Sweep: s, begin: begin, end: begin.Add(tickEvery), slots: make(chan struct{}, max(1, s.Parallel)),
		limit: newQuota(s.Limit), queues: map[string]*quota{}, parties: map[string]bool{}, settled: make(chan struct{}),
	}
}

// sweep does the run.
func (t *tick) sweep(ctx context.Context) (SweepReport, error) {
	if t.Tenant != nil {
		t.start(ctx, *t.Tenant)
	} else {
		t.start(ctx, "")
	}
	t.wg.Wait()
	return t.report, errors.Join(t.failed...)
}

// start sweeps the lanes of a tenant, unless that has been begun.
func (t *tick) start(ctx context.Context, tenant string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.parties[tenant] {
		return
	}
	t.parties[tenant] = true
	r := &sweeping{tick: t, tenant: tenant, seen: map[Hint]int{}}
	t.wg.Go(func() { r.run(ctx) })
}

// activate says that there is something to do in this run.
func (t *tick) activate() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.active {
		t.active = true
		close(t.settled)
	}
}

// goesOn reports whether one of those that sweep is to look again: once any of them has anything to do, for tasks of the
// others may come meanwhile, of which nobody else would be told.
func (t *tick) goesOn(ctx context.Context, busy bool) bool {
	if busy {
		t.activate()
		return true
	}
	t.mu.Lock()
	if t.idle++; !t.active && t.idle == len(t.parties) {
		close(t.settled)
	}
	t.mu.Unlock()
	select {
	case <-t.settled:
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.active
}

// sharers counts those that are swept side by side.
func (t *tick) sharers() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.parties)
}

// ofQueue returns what counts against a queue's own limit.
func (t *tick) ofQueue(name string, limit int) *quota {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.queues[name] == nil {
		t.queues[name] = newQuota(limit)
	}
	t.queues[name].set(limit)
	return t.queues[name]
}

func (t *tick) fail(errs ...error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, err := range errs {
		if err != nil && len(t.failed) < 10 { // one cause mostly
			t.failed = append(t.failed, err)
		}
	}
}
