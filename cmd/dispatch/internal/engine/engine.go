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
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/rule"
)

// Options says what an engine works with.
type Options struct {
	Store     dispatch.Store
	Send      func(context.Context, dispatch.Call) dispatch.Answer // makes one call
	Workers   int                                                  // tasks in flight at once, at least 1
	Retention time.Duration                                        // how long final rows stay, at least dispatch.MinRetention
	AllowHTTP bool                                                 // plain http targets, besides https
	CanSign   bool                                                 // there is a key for claims
	CheckARN  func(dispatch.ARN) error                             // says why no task may go there; nil: tasks go to URLs only
	CheckURL  func(*url.URL) error                                 // says why no task may go to a URL; nil: it is found out when it is called
	Notify    func(context.Context, dispatch.Event)                // is told of failures; nil: the log alone is

	CheckSecret func(name string) error // says why no header may have the secret; nil: there are none

	Now func() time.Time // nil: time.Now
	Log *slog.Logger
}

// Engine is the three verbs in one process. Enqueue and Editor are for whoever serves requests.
type Engine struct {
	Enqueue *dispatch.Enqueue
	Editor  *dispatch.Editor

	handle     *dispatch.Handle
	sweep      dispatch.Sweep
	settings   *settings
	admission  *admission
	shares     *shares
	successors *successors
	log        *slog.Logger
	workers    int

	free     chan struct{}      // a token for each worker that is, or is about to be, waiting for a job
	jobs     chan job           // has no room: who sends has taken a token, so a worker is there
	offers   chan dispatch.Hint // has room for a burst, none of it claimed yet
	quit     chan struct{}
	stop     func() // closes quit, once
	working  sync.WaitGroup
	inFlight atomic.Int64

	tenantOffers tenantOffers
}

const (
	// afterFailure is how long the sweep rests when the store fails.
	afterFailure = time.Second
	// together is how many hints are claimed at once at most, as far as there are free workers.
	together = 500
	// burst is how many offered hints wait for a worker. Without them a hint that comes while all workers are
	// at work, or just about to be free, waits for the sweep, up to a second.
	burst = 1024
)

// ErrStopping is the error for work that is offered to an engine that takes none any more.
var ErrStopping = errors.New("the server is stopping")

// New returns an engine that does nothing until Run is called, except what Enqueue hands over.
func New(o Options) *Engine {
	if o.Now == nil {
		o.Now = time.Now
	}
	workers, quit := max(1, o.Workers), make(chan struct{})
	e := &Engine{
		workers: workers, free: make(chan struct{}, workers), jobs: make(chan job), offers: make(chan dispatch.Hint, burst), quit: quit, stop: sync.OnceFunc(func() { close(quit) }), log: o.Log,
		settings: newSettings(o.Store, o.Now), admission: newAdmission(workers, o.Now), shares: newShares(workers), successors: &successors{now: o.Now},
	}
	e.Editor = &dispatch.Editor{Store: o.Store, Settings: e.Settings, Invoke: e.Offer, Retention: o.Retention, Now: o.Now}
	e.handle = &dispatch.Handle{
		Store: handing{o.Store, e.successors}, Settings: e.Settings, Send: o.Send, Admit: e.admission.admit, Rule: rule.Allows, Notify: o.Notify,
		Circuits:  &dispatch.Circuits{Store: o.Store, Now: o.Now, Age: settingsAge, Token: rand.Text, Chance: mathrand.Float64, Log: o.Log},
		Retention: o.Retention, Now: o.Now, Token: rand.Text, Chance: mathrand.Float64, Log: o.Log,
	}
	e.Enqueue = &dispatch.Enqueue{
		Store: arrivals{o.Store, e}, Settings: e.Settings, Invoke: e.Offer, Retention: o.Retention, TasksPerHandle: 1,
		AllowHTTP: o.AllowHTTP, CanSign: o.CanSign, CheckRule: rule.Check, CheckARN: o.CheckARN, CheckURL: o.CheckURL, CheckSecret: o.CheckSecret, Now: o.Now, Log: o.Log,
	}
	e.sweep = dispatch.Sweep{
		Store: sightings{o.Store, e.admission}, Settings: e.Settings, Invoke: e.await,
		Precision: dispatch.PrecisionAlways, TasksPerHandle: together, Limit: math.MaxInt, Parallel: 1,
		Now: o.Now, Log: slog.New(whileRunning{o.Log.Handler()}),
	}
	return e
}

// Run starts the workers and sweeps until the context ends. It returns with tasks still in flight: see
// [Engine.Drain]. It is called once.
func (e *Engine) Run(ctx context.Context) {
	for range e.workers {
		e.working.Go(e.work)
	}
	e.working.Go(e.takeOffers)
	e.sweeps(ctx)
}

func (e *Engine) stopping() bool {
	select {
	case <-e.quit:
		return true
	default:
		return false
	}
}

// Settings returns the settings in force.
func (e *Engine) Settings(ctx context.Context) (dispatch.Settings, error) {
	return e.settings.load(ctx)
}

// SettingsChanged has the settings read anew: this process has saved others.
func (e *Engine) SettingsChanged() { e.settings.changed() }

// Look hands over what is due now, once, and says what it did.
func (e *Engine) Look(ctx context.Context) (dispatch.SweepReport, error) {
	once := e.sweep
	once.Precision = dispatch.PrecisionMinute
	if settings, apart := e.apart(ctx); apart {
		once.Parallel += len(settings.TenantNames()) // none waits for another's
	}
	return once.Run(ctx)
}

// Offer has the hints handled as workers become free, and waits for nothing. Where too many wait already a hint
// is dropped: the sweep meets it.
func (e *Engine) Offer(ctx context.Context, hints []dispatch.Hint) error {
	settings, apart := e.apart(ctx)
	for _, h := range hints {
		var offers chan<- dispatch.Hint = e.offers
		if apart {
			offers = e.offersFor(settings, h)
		}
		select {
		case offers <- h:
		default:
		}
	}
	return nil
}

// await gives the sweep's hints: it waits for free workers, so that the sweep goes no faster than they do.
func (e *Engine) await(ctx context.Context, hints []dispatch.Hint) error {
	err := e.give(ctx, hints)
	if errors.Is(err, ErrStopping) || ctx.Err() != nil {
		return nil // the hints are dropped
	}
	return err
}

// Handle has the hints handled as workers become free, and returns when all are settled or dropped. The
// error is ErrStopping once Drain was called, that of the context, or the store's.
func (e *Engine) Handle(ctx context.Context, hints []dispatch.Hint) error {
	done := make(chan error, len(hints))
	begun, failed := 0, error(nil)
	for _, h := range hints {
		if failed = e.giveOne(ctx, job{hint: h, done: done}); failed != nil {
			break
		}
		begun++
	}
	for range begun {
		failed = errors.Join(failed, <-done)
	}
	return failed
}

// Drain takes no more work and waits for the tasks in flight to be settled. If the context ends before, the
// error says how many are not: their leases lapse, and they are attempted again after the next start.
func (e *Engine) Drain(ctx context.Context) error {
	e.stop()
	settled := make(chan struct{})
	go func() {
		e.working.Wait()
		close(settled)
	}()
	select {
	case <-settled:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%d tasks were still in flight; they are attempted again after the next start", e.inFlight.Load())
	}
}

// whileRunning logs nothing for a context that has ended: a sweep that is stopped amid a look would report
// each task that it could not read any more.
type whileRunning struct{ slog.Handler }

// Enabled implements [slog.Handler].
func (h whileRunning) Enabled(ctx context.Context, l slog.Level) bool {
	return ctx.Err() == nil && h.Handler.Enabled(ctx, l)
}
