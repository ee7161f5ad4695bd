package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Sweep is the second verb. It writes nothing: it finds the ids that are due and hands each over at its
// time, the tenants' side by side. Sweeps may overlap, because only a claim gives the right to send.
type Sweep struct {
	Store    Store
	Settings func(context.Context) (Settings, error)
	Invoke   func(context.Context, []Hint) error // runs handle

	Precision      Precision
	TasksPerHandle int // hints handed over together, at least 1
	Limit          int // hints handed over in one run, or by all runs of a divided tick, at least 1; somewhat more where tenants share it
	Parallel       int // invokes side by side, at least 1

	// Tenant says whose lanes are looked into: those of a tenant that the settings name, those that all others share
	// (""), or all of them, side by side (nil).
	Tenant *string

	// How a tick is divided that finds a backlog: see [Sweep.Tick].
	Parts      int                               // runs of one tick at most, up to MaxParts; below 2, or where Limit is below Backlog: none is divided
	Backlog    int                               // tasks due, about, from which one is, at least 1
	InvokePart func(context.Context, Part) error // runs a part, asynchronously; nil: none is divided

	Now func() time.Time
	Log *slog.Logger
}

// Precision says how closely a sweep follows the clock between two ticks.
type Precision string

// The precisions.
const (
	PrecisionSecond Precision = "second" // looks every second while there is anything to do, ends at once otherwise
	PrecisionMinute Precision = "minute" // looks once, as far as it takes
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
	lookLimit    = 10000       // hints handed over in one look at a tenant's lanes: bounds what a run remembers
	leastShare   = 1000        // hints of one lane in such a look, or more where the queue has few lanes: a page of the index
	readTogether = 100         // rows: DynamoDB's limit on a batch
)

// Run is one tick: it ends when the next one may be expected, or before if nothing is to be done. The
// error joins what failed; the next tick makes up for it.
func (s *Sweep) Run(ctx context.Context) (SweepReport, error) { return s.tick().sweep(ctx) }

// sweeping is the state of one run in the lanes of one tenant, or in those that all others share.
type sweeping struct {
	*tick
	tenant string
	looks  int
	wg     sync.WaitGroup // of what is being handed over
	coming []Hint         // due before the next look, in order
	taken  int            // hints that were to be handed over

	seeing sync.Mutex
	seen   map[Hint]int // what has been handed over, or is coming, and the look that met it last
}

// run looks every second as long as the precision asks for it.
func (r *sweeping) run(ctx context.Context) {
	defer r.wg.Wait()
	for ctx.Err() == nil {
		next := r.Now().Truncate(lookEvery).Add(lookEvery)
		seen, err := r.look(ctx, next)
		r.fail(err)
		r.wg.Wait()
		if r.Precision == PrecisionMinute {
			if seen != tooMuch {
				break
			}
		} else if !r.goesOn(ctx, r.Precision == PrecisionAlways || seen != nothing || r.taken > 0) {
			break
		}
		if seen == tooMuch {
			next = r.Now() // the rest at once
		}
		if !r.until(ctx, next) || !next.Before(r.end) {
			break
		}
		if r.left() <= 0 {
			r.Log.LogAttrs(ctx, slog.LevelWarn, "sweep limit reached; the next tick goes on", slog.Int("limit", r.Limit))
			break
		}
	}
}

// left returns how many hints this one may still hand over.
func (r *sweeping) left() int { return r.limit.left(r.tenant, r.sharers()) }

// take counts hints that are handed over, or, below zero, that were not.
func (r *sweeping) take(n int, queue *quota) {
	r.taken += n
	r.limit.take(r.tenant, n)
	queue.take(r.tenant, n)
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
	if r.Tenant == nil {
		for _, name := range settings.TenantNames() {
			r.start(ctx, name)
		}
	}
	now := r.Now()
	r.looks++
	r.mu.Lock()
	r.report.Looks = max(r.report.Looks, r.looks)
	r.mu.Unlock()
	b := &batch{sweeping: r, now: now}
	found := nothing
	var errs []error
	mine := r.mine(settings)
	for _, name := range settings.ByPriority() {
		one, failed := r.queue(ctx, name, mine[name], settings, b, next)
		found, errs = max(found, one), append(errs, failed...)
	}
	slices.SortStableFunc(r.coming, func(a, b Hint) int { return a.DueAt.Compare(b.DueAt) })
	r.forget()
	if len(r.coming) > 0 {
		found = max(found, later)
	}
	return found, errors.Join(errs...)
}

// lane reads one lane as far as it must, and hands over no more than its share: the partition behind it bears so many
// writes a second, and handles that wait for it would take all the room that others need.
func (r *sweeping) lane(ctx context.Context, lane string, b *batch, next time.Time, share int) (sight, error) {
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
		case b.queueLeft() <= 0: // the queue's own limit, which delays no other
			r.unsee(hint)
			return nothing, nil
		case share <= 0 || b.count >= lookLimit || r.left() <= 0:
			r.unsee(hint)
			return tooMuch, nil
		default:
			share--
			b.add(ctx, hint)
		}
	}
	return nothing, nil
}

// meet notes that this look has met the hint and reports whether it is the first one to.
func (r *sweeping) meet(h Hint) bool {
	r.seeing.Lock()
	defer r.seeing.Unlock()
	_, known := r.seen[met(h)]
	r.seen[met(h)] = r.looks
	return !known
}

// met is the hint as a sweep remembers it: whose it is may be known only later.
func met(h Hint) Hint { return Hint{ID: h.ID, DueAt: h.DueAt} }

func (r *sweeping) unsee(hints ...Hint) {
	r.seeing.Lock()
	defer r.seeing.Unlock()
	for _, h := range hints {
		delete(r.seen, met(h))
	}
}

// forget drops what this look has not met: it has left its lane.
func (r *sweeping) forget() {
	r.seeing.Lock()
	defer r.seeing.Unlock()
	for h, look := range r.seen {
		if look < r.looks {
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
		b := &batch{sweeping: r, now: r.Now(), queue: newQuota(0)}
		for len(r.coming) > 0 && !r.coming[0].DueAt.After(b.now) {
			b.add(ctx, r.coming[0])
			r.coming = r.coming[1:]
		}
		b.flush(ctx)
	}
}

// handOver invokes handle with one event; what fails is handed over again by the next look.
func (r *sweeping) handOver(ctx context.Context, event []Hint, now time.Time) {
	r.activate()
	r.slots <- struct{}{}
	r.wg.Go(func() {
		defer func() { <-r.slots }()
		err := r.Invoke(ctx, event)
		if err != nil {
			r.unsee(event...)
			r.fail(fmt.Errorf("handing over: %w", err))
			r.Log.LogAttrs(ctx, slog.LevelWarn, "handing over failed; the next look repeats it", slog.Any("error", err))
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.report.HandedOver += len(event)
		for _, h := range event {
			r.report.Oldest = max(r.report.Oldest, now.Sub(h.DueAt))
		}
	})
}
