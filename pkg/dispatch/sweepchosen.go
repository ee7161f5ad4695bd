package dispatch

import (
	"context"
	"fmt"
	"math"
	"time"
)

// chooser picks tasks of a queue by their rows: of one whose calls are counted, or which is paused.
type chooser struct {
	*sweeping
	now    time.Time
	budget int // tasks that may still be handed over
	choose func(t Task) bool
	hints  []Hint // not yet read
}

// choosy returns what chooses the tasks of the queue in this look, nil if it takes all that are due.
func (r *sweeping) choosy(q QueueSettings, now time.Time) *chooser {
	c := &chooser{sweeping: r, now: now, budget: math.MaxInt}
	switch {
	case q.Paused:
		c.choose = func(t Task) bool { return !t.ExpireAt.IsZero() && !now.Before(t.ExpireAt) }
		if r.begin.Minute() != 0 || r.report.Looks > 1 { // once an hour is soon enough for those that expire
			c.budget = 0
		}
		return c
	case q.Limited():
		c.choose = func(Task) bool { return true }
		if q.Rate > 0 {
			c.budget = max(1, int(q.Rate*lookEvery.Seconds()))
		}
		if q.InFlight > 0 {
			c.budget = min(c.budget, q.InFlight)
		}
		return c
	default:
		return nil
	}
}

// lane reads one lane until the budget is spent. It does not remember what it met: what the limits refused
// is handed over again by the next look.
func (c *chooser) lane(ctx context.Context, lane string, next time.Time) (sight, error) {
	for hint, err := range c.Store.Due(ctx, lane, c.end) {
		switch {
		case err != nil:
			return nothing, err
		case c.budget <= 0 || c.taken >= c.Limit:
			return later, nil
		case hint.DueAt.After(c.now):
			c.read(ctx)
			return later, nil
		}
		if c.hints = append(c.hints, hint); len(c.hints) >= readTogether {
			c.read(ctx)
		}
	}
	c.read(ctx)
	return nothing, nil
}

// read hands over those that are due, chosen, and not being sent, each by itself.
func (c *chooser) read(ctx context.Context) {
	c.rows(ctx, c.hints, c.now, func(h Hint, t Task) {
		if t.Leased(c.now) || !c.choose(t) || c.budget <= 0 || c.taken >= c.Limit {
			return
		}
		c.budget--
		c.taken++
		c.handOver(ctx, []Hint{h}, c.now)
	})
	c.hints = nil
}

// queue looks into all lanes of a queue, from another one each time so that none is always the last.
func (r *sweeping) queue(ctx context.Context, name string, settings Settings, b *batch, next time.Time) (found sight, errs []error) {
	q, lanes := settings.Queues[name], Lanes(name, settings.Lanes(name))
	start := (int(b.now.Unix()) + r.report.Looks) % len(lanes)
	c := r.choosy(q, b.now)
	if c != nil && c.budget <= 0 {
		return nothing, nil
	}
	b.left = math.MaxInt
	if q.SweepLimit > 0 {
		b.left = max(0, q.SweepLimit-r.ofQueue[name])
	}
	before := r.taken
	for i := range lanes {
		lane := lanes[(start+i)%len(lanes)]
		var one sight
		var err error
		if c != nil {
			c.budget = min(c.budget, b.left-(r.taken-before))
			one, err = c.lane(ctx, lane, next)
		} else {
			one, err = r.lane(ctx, lane, b, next)
		}
		found = max(found, one)
		if err != nil {
			errs = append(errs, fmt.Errorf("looking into lane %s: %w", lane, err))
		}
	}
	b.flush(ctx)
	b.readOverdue(ctx)
	r.ofQueue[name] += r.taken - before
	return found, errs
}
