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
	now     time.Time
	quota   *quota // the queue's own limit
	budget  int    // tasks that may still be handed over
	choose  func(t Task) bool
	counted func(tenant string) int // what may begin in a look of a tenant that has no lanes of its own; nil: they are not told apart
	budgets map[string]int          // what is left of that, for those that were met
	read    int                     // rows
	hints   []Hint                  // not yet read
}

// lookRows is how many rows are read at most in one look to tell tenants apart that share lanes.
const lookRows = 2000

// choosy returns what chooses the tasks of the queue in this look, nil if it takes all that are due.
func (r *sweeping) choosy(name string, settings Settings, now time.Time) *chooser {
	limits := settings.Limits(name, r.tenant)
	c := &chooser{sweeping: r, now: now, budget: inALook(limits), budgets: map[string]int{}}
	switch {
	case settings.Queues[name].Paused:
		c.budget = math.MaxInt
		c.choose = func(t Task) bool { return !t.ExpireAt.IsZero() && !now.Before(t.ExpireAt) }
		if r.begin.Minute() != 0 || r.report.Looks > 1 { // once an hour is soon enough for those that expire
			c.budget = 0
		}
		return c
	case settings.asksTenants(name, r.tenant):
		c.choose = func(Task) bool { return true }
		c.counted = func(tenant string) int { return inALook(settings.Limits(name, tenant)) }
		return c
	case len(limits) > 0:
		c.choose = func(Task) bool { return true }
		return c
	default:
		return nil
	}
}

// asksTenants reports whether the rows in the lanes of a queue say whose calls are to be counted.
func (s Settings) asksTenants(queue, tenant string) bool {
	any := s.Tenants[AnyTenant]
	return tenant == "" && (any.Rate > 0 || any.InFlight > 0 || any.Queues[queue] != TenantQueue{})
}

// inALook returns how many calls can begin from one look to the next, by limits.
func inALook(limits []Limit) int {
	n := math.MaxInt
	for _, l := range limits {
		if l.Rate > 0 {
			n = min(n, max(1, int(l.Rate*lookEvery.Seconds())))
		}
		if l.InFlight > 0 {
			n = min(n, l.InFlight)
		}
	}
	return n
}

// begins reports whether one more task of a tenant may be handed over, and counts it.
func (c *chooser) begins(tenant string) bool {
	if c.counted == nil || tenant == "" {
		return true
	}
	if _, met := c.budgets[tenant]; !met {
		c.budgets[tenant] = c.counted(tenant)
	}
	c.budgets[tenant]--
	return c.budgets[tenant] >= 0
}

// lane reads one lane until the budget is spent. It does not remember what it met: what the limits refused
// is handed over again by the next look.
func (c *chooser) lane(ctx context.Context, lane string, next time.Time) (sight, error) {
	for hint, err := range c.Store.Due(ctx, lane, c.end) {
		switch {
		case err != nil:
			return nothing, err
		case c.budget <= 0 || c.left() <= 0 || c.counted != nil && c.read >= lookRows:
			return later, nil
		case hint.DueAt.After(c.now):
			c.pick(ctx)
			return later, nil
		}
		if c.hints = append(c.hints, hint); len(c.hints) >= readTogether {
			c.pick(ctx)
		}
	}
	c.pick(ctx)
	return nothing, nil
}

// pick hands over those that are due, chosen, and not being sent, each by itself.
func (c *chooser) pick(ctx context.Context) {
	c.read += len(c.hints)
	c.rows(ctx, c.hints, c.now, func(h Hint, t Task) {
		h.Tenant = t.Tenant
		if t.Leased(c.now) || !c.choose(t) || c.budget <= 0 || c.left() <= 0 || !c.begins(t.Tenant) {
			return
		}
		c.budget--
		c.take(1, c.quota)
		c.handOver(ctx, []Hint{h}, c.now)
	})
	c.hints = nil
}

// queue looks into the lanes of a queue that are this one's to sweep, from another one each time so that none is always the last.
func (r *sweeping) queue(ctx context.Context, name string, lanes []string, settings Settings, b *batch, next time.Time) (found sight, errs []error) {
	if len(lanes) == 0 {
		return nothing, nil
	}
	share := max(leastShare, lookLimit/settings.lanesIn(name, r.tenant)) // the same in each part: all lanes are behind one handle
	start := (int(b.now.Unix()) + r.looks) % len(lanes)
	c := r.choosy(name, settings, b.now)
	if c != nil && c.budget <= 0 {
		return nothing, nil
	}
	b.queue = r.ofQueue(name, settings.Queues[name].SweepLimit)
	for i := range lanes {
		lane := lanes[(start+i)%len(lanes)]
		var one sight
		var err error
		if c != nil {
			c.quota, c.budget = b.queue, min(c.budget, b.queueLeft())
			one, err = c.lane(ctx, lane, next)
		} else {
			one, err = r.lane(ctx, lane, b, next, share)
		}
		found = max(found, one)
		if err != nil {
			errs = append(errs, fmt.Errorf("looking into lane %s: %w", lane, err))
		}
	}
	b.flush(ctx)
	b.readOverdue(ctx)
	return found, errs
}
