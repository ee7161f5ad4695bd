package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"time"
)

// Sweep is the second verb. It writes nothing: it finds the ids that are due and hands each over at its
// time. Sweeps may overlap, because only a claim gives the right to send.
type Sweep struct {
	Store    Store
	Settings func(context.Context) (Settings, error)
	Invoke   func(context.Context, []Hint) error // runs handle

	Precision      Precision
	TasksPerHandle int // hints handed over together, at least 1
	Limit          int // hints handed over in one run, at least 1
	Parallel       int // invokes side by side, at least 1

	Now func() time.Time
	Log *slog.Logger
}

// Precision says how closely a sweep follows the clock between two ticks.
type Precision string

// The precisions.
const (
	PrecisionSecond Precision = "second" // looks every second while there is anything to do, ends at once otherwise
	PrecisionMinute Precision = "minute" // looks once
	PrecisionAlways Precision = "always" // looks every second
)

// SweepReport is what one sweep did.
type SweepReport struct {
	HandedOver int           `json:"handedOver"` // hints
	Looks      int           `json:"looks"`      // at all lanes
	Oldest     time.Duration `json:"-"`          // how long the oldest task that was handed over had been due
}

const (
	tickEvery    = time.Minute
	lookEvery    = time.Second
	overdue      = time.Minute // from then on a task's row is read before it is handed over
	lookLimit    = 10000       // hints handed over in one look: bounds what a run remembers
	readTogether = 100         // rows: DynamoDB's limit on a batch
)

// Run is one tick: it ends when the next one may be expected, or before if nothing is to be done. The
// error joins what failed; the next tick makes up for it.
func (s *Sweep) Run(ctx context.Context) (SweepReport, error) {
	begin := s.Now()
	r := &sweeping{
		Sweep: s, begin: begin, end: begin.Add(tickEvery), slots: make(chan struct{}, max(1, s.Parallel)),
		ofQueue: map[string]int{}, seen: map[Hint]int{},
	}
	defer r.wg.Wait()
	var errs []error
	for ctx.Err() == nil {
		next := s.Now().Truncate(lookEvery).Add(lookEvery)
		seen, err := r.look(ctx, next)
		if err != nil {
			errs = append(errs, err)
		}
		r.wg.Wait()
		if s.Precision == PrecisionMinute || s.Precision != PrecisionAlways && seen == nothing && r.taken == 0 {
			break
		}
		if seen == tooMuch {
			next = s.Now() // the rest at once
		}
		if !r.until(ctx, next) || !next.Before(r.end) {
			break
		}
		if r.taken >= s.Limit {
			s.Log.LogAttrs(ctx, slog.LevelWarn, "sweep limit reached; the next tick goes on", slog.Int("limit", s.Limit))
			break
		}
	}
	r.wg.Wait()
	return r.report, errors.Join(append(errs, r.failed...)...)
}

// sweeping is the state of one run.
type sweeping struct {
	*Sweep
	begin   time.Time
	end     time.Time
	slots   chan struct{}
	wg      sync.WaitGroup
	coming  []Hint         // due before the next look, in order
	taken   int            // hints that were to be handed over
	ofQueue map[string]int // of each queue

	mu     sync.Mutex
	seen   map[Hint]int // what has been handed over, or is coming, and the look that met it last
	report SweepReport
	failed []error
}

// sight is what a look found besides what it handed over.
type sight int

const (
	nothing sight = iota
	later         // something is due before the next tick
	tooMuch       // it stopped at a limit: more is due now
)

// look reads all lanes, hands over what is due, and keeps what comes due before next.
func (r *sweeping) look(ctx context.Context, next time.Time) (sight, error) {
	settings, err := r.Settings(ctx)
	if err != nil {
		return nothing, err
	}
	now := r.Now()
	r.report.Looks++
	b := &batch{sweeping: r, now: now}
	found := nothing
	var errs []error
	for _, name := range settings.ByPriority() {
		one, failed := r.queue(ctx, name, settings, b, next)
		found, errs = max(found, one), append(errs, failed...)
	}
	slices.SortStableFunc(r.coming, func(a, b Hint) int { return a.DueAt.Compare(b.DueAt) })
	r.forget()
	if len(r.coming) > 0 {
		found = max(found, later)
	}
	return found, errors.Join(errs...)
}

// lane reads one lane as far as it must.
func (r *sweeping) lane(ctx context.Context, lane string, b *batch, next time.Time) (sight, error) {
	upTo := r.end
	if r.Precision == PrecisionMinute {
		upTo = b.now
	}
	for hint, err := range r.Store.Due(ctx, lane, upTo) {
		if err != nil {
			return nothing, err
		}
		if !hint.DueAt.Before(next) {
			return later, nil // the look that comes before it will meet it again
		}
		if !r.meet(hint) {
			continue
		}
		switch {
		case hint.DueAt.After(b.now):
			r.coming = append(r.coming, hint)
		case b.left <= 0: // the queue's own limit, which delays no other
			r.unsee(hint)
			return nothing, nil
		case b.count >= lookLimit || r.taken >= r.Limit:
			r.unsee(hint)
			return tooMuch, nil
		default:
			b.add(ctx, hint)
		}
	}
	return nothing, nil
}

// meet notes that this look has met the hint and reports whether it is the first one to.
func (r *sweeping) meet(h Hint) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, known := r.seen[h]
	r.seen[h] = r.report.Looks
	return !known
}

func (r *sweeping) unsee(hints ...Hint) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range hints {
		delete(r.seen, h)
	}
}

// forget drops what this look has not met: it has left its lane.
func (r *sweeping) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for h, look := range r.seen {
		if look < r.report.Looks {
			delete(r.seen, h)
		}
	}
}

// until hands over what is coming, each at its time, and returns at next: false if the context ended.
func (r *sweeping) until(ctx context.Context, next time.Time) bool {
	for {
		wake := next
		if len(r.coming) > 0 && r.coming[0].DueAt.Before(wake) {
			wake = r.coming[0].DueAt
		}
		if wait := wake.Sub(r.Now()); wait > 0 {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return false
			}
			continue
		}
		if len(r.coming) == 0 || r.coming[0].DueAt.After(r.Now()) {
			return ctx.Err() == nil
		}
		b := &batch{sweeping: r, now: r.Now(), left: math.MaxInt}
		for len(r.coming) > 0 && !r.coming[0].DueAt.After(b.now) {
			b.add(ctx, r.coming[0])
			r.coming = r.coming[1:]
		}
		b.flush(ctx)
	}
}

// handOver invokes handle with one event; what fails is handed over again by the next look.
func (r *sweeping) handOver(ctx context.Context, event []Hint, now time.Time) {
	r.slots <- struct{}{}
	r.wg.Go(func() {
		defer func() { <-r.slots }()
		err := r.Invoke(ctx, event)
		r.mu.Lock()
		defer r.mu.Unlock()
		if err != nil {
			for _, h := range event {
				delete(r.seen, h)
			}
			if len(r.failed) < 10 { // one cause mostly
				r.failed = append(r.failed, fmt.Errorf("handing over: %w", err))
			}
			r.Log.LogAttrs(ctx, slog.LevelWarn, "handing over failed; the next look repeats it", slog.Any("error", err))
			return
		}
		r.report.HandedOver += len(event)
		for _, h := range event {
			r.report.Oldest = max(r.report.Oldest, now.Sub(h.DueAt))
		}
	})
}
