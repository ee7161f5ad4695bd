// Package engine runs the three verbs in one process: a sweep without end, and a pool of workers that handle
// what it finds.
//
// No more is claimed than there are free workers, because a claimed task that waits is a lease that runs
// out. Whatever the engine drops, it drops before the claim: the task is in its lane and is met again.
package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// Options says what an engine works with.
type Options struct {
	Store     dispatch.Store
	Send      func(context.Context, dispatch.Call) dispatch.Answer // makes one call
	Workers   int                                                  // tasks in flight at once, at least 1
	Retention time.Duration                                        // how long final rows stay, at least dispatch.MinRetention
	AllowHTTP bool                                                 // plain http targets, besides https
	CanSign   bool                                                 // there is a key for claims
	Now       func() time.Time                                     // nil: time.Now
	Log       *slog.Logger
}

// Engine is the three verbs in one process. Enqueue and Editor are for whoever serves requests.
type Engine struct {
	Enqueue *dispatch.Enqueue
	Editor  *dispatch.Editor

	handle  *dispatch.Handle
	sweep   dispatch.Sweep
	slots   chan struct{} // one token for each worker at work
	work    context.Context
	flights sync.WaitGroup
	log     *slog.Logger

	mu       sync.Mutex
	stopping bool
}

const (
	settingsAge = time.Second
	// afterFailure is how long the sweep rests when the store fails.
	afterFailure = time.Second
)

// ErrStopping is the error for work that is offered to an engine that takes none any more.
var ErrStopping = errors.New("the server is stopping")

// New returns an engine that does nothing until Run is called, except what Enqueue hands over.
func New(o Options) *Engine {
	if o.Now == nil {
		o.Now = time.Now
	}
	workers := max(1, o.Workers)
	settings := dispatch.CachedSettings(o.Store, o.Now, settingsAge)
	admission := newAdmission(workers, o.Now)
	e := &Engine{
		slots: make(chan struct{}, workers),
		work:  context.Background(), // calls in flight outlive whatever began them
		log:   o.Log,
		handle: &dispatch.Handle{
			Store: o.Store, Send: o.Send, Admit: admission.admit, Retention: o.Retention,
			Now: o.Now, Token: rand.Text, Chance: mathrand.Float64, Log: o.Log,
		},
		Editor: &dispatch.Editor{Store: o.Store, Settings: settings, Retention: o.Retention, Now: o.Now},
	}
	e.Enqueue = &dispatch.Enqueue{
		Store: o.Store, Settings: settings, Invoke: e.Offer, Retention: o.Retention, TasksPerHandle: 1,
		AllowHTTP: o.AllowHTTP, CanSign: o.CanSign, Now: o.Now, Log: o.Log,
	}
	e.sweep = dispatch.Sweep{
		Store: sightings{o.Store, admission}, Settings: settings, Invoke: e.await,
		Precision: dispatch.PrecisionAlways, TasksPerHandle: 1, Limit: math.MaxInt, Parallel: 1,
		Now: o.Now, Log: o.Log,
	}
	return e
}

// Run sweeps until the context ends. It returns with calls still in flight: see [Engine.Drain].
func (e *Engine) Run(ctx context.Context) {
	for ctx.Err() == nil {
		if _, err := e.sweep.Run(ctx); err != nil && ctx.Err() == nil {
			e.log.LogAttrs(ctx, slog.LevelError, "sweep failed; it goes on", slog.Any("error", err))
			select {
			case <-time.After(afterFailure):
			case <-ctx.Done():
			}
		}
	}
}

// Look hands over what is due now, once, and says what it did.
func (e *Engine) Look(ctx context.Context) (dispatch.SweepReport, error) {
	once := e.sweep
	once.Precision = dispatch.PrecisionMinute
	return once.Run(ctx)
}

// Offer has the hints handled by free workers. Where none is free a hint is dropped: the sweep meets it.
func (e *Engine) Offer(_ context.Context, hints []dispatch.Hint) error {
	for _, h := range hints {
		select {
		case e.slots <- struct{}{}:
			e.start(h)
		default:
			return nil
		}
	}
	return nil
}

// Handle has the hints handled as workers become free, and returns when all are settled or dropped. The
// error is ErrStopping once Drain was called, that of the context, or the store's.
func (e *Engine) Handle(ctx context.Context, hints []dispatch.Hint) error {
	done := make(chan error, len(hints))
	begun := 0
	var failed error
	for _, h := range hints {
		if failed = e.take(ctx); failed != nil {
			break
		}
		if !e.fly(h, func(err error) { done <- err }) {
			failed = ErrStopping
			break
		}
		begun++
	}
	for range begun {
		failed = errors.Join(failed, <-done)
	}
	return failed
}

// await is Offer for the sweep: it waits for a free worker, so that the sweep goes no faster than they do.
func (e *Engine) await(ctx context.Context, hints []dispatch.Hint) error {
	for _, h := range hints {
		if e.take(ctx) != nil {
			return nil // stopping: the hint is dropped
		}
		e.start(h)
	}
	return nil
}

func (e *Engine) take(ctx context.Context) error {
	select {
	case e.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e *Engine) start(h dispatch.Hint) {
	e.fly(h, func(err error) {
		if err != nil {
			e.log.LogAttrs(e.work, slog.LevelError, "handling failed; the sweep repeats it", slog.String("id", h.ID), slog.Any("error", err))
		}
	})
}

// fly handles a hint with the slot that the caller has taken, and frees it; false if the engine is stopping.
func (e *Engine) fly(h dispatch.Hint, done func(error)) bool {
	e.mu.Lock()
	if e.stopping {
		e.mu.Unlock()
		<-e.slots
		return false
	}
	e.flights.Add(1)
	e.mu.Unlock()
	go func() {
		defer e.flights.Done()
		err := e.handle.Run(e.work, []dispatch.Hint{h})
		<-e.slots
		done(err)
	}()
	return true
}

// Drain takes no more work and waits for the tasks in flight to be settled. If the context ends before, the
// error says how many are not: their leases lapse, and they are attempted again after the next start.
func (e *Engine) Drain(ctx context.Context) error {
	e.mu.Lock()
	e.stopping = true
	e.mu.Unlock()
	settled := make(chan struct{})
	go func() {
		e.flights.Wait()
		close(settled)
	}()
	select {
	case <-settled:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%d tasks were still in flight; they are attempted again after the next start", len(e.slots))
	}
}
