package dispatch

import (
	"context"
	"fmt"
	"time"
)

// usage is what calls have used of a limit: a document of its own, because many handles share it. It is taken from before a claim, so that a claim is always a call.
type usage struct {
	Tokens float64          `json:"tokens"`         // calls that may begin now, up to one second's worth
	At     int64            `json:"at"`             // when Tokens was true, ms since 1970
	Held   map[string]int64 `json:"held,omitempty"` // who is calling, and until when at most, ms since 1970
}

// holdTime is how long a call counts as under way unless it says that it is done; tasks with longer leases say so.
const holdTime = DefaultHTTPTimeout*time.Second + LeaseMargin

// Used says what is used of a limit at a moment: how many calls are under way, and whether one more may begin.
func Used(ctx context.Context, store Store, l Limit, now time.Time) (inFlight int, more bool, err error) {
	var u usage
	if _, err := (limiter{store: store}).document(l).load(ctx, &u); err != nil {
		return 0, false, err
	}
	more = u.allows(l, now)
	return len(u.Held), more, nil
}

// limiter takes from limits.
type limiter struct {
	store  Store
	now    func() time.Time
	chance func() float64 // in [0, 1), for the pauses between repeats
}

// takeAll begins a call under a name that is counted against several limits: against all of them, or none. taken are
// those that are to be given back.
func (l limiter) takeAll(ctx context.Context, limits []Limit, name string) (taken []Limit, ok bool, err error) {
	for i, one := range limits {
		if ok, err := l.take(ctx, one, name); err != nil || !ok {
			return limits[:i], false, err
		}
	}
	return limits, true, nil
}

// take begins a call under a name; ok says whether the limit allows it.
func (l limiter) take(ctx context.Context, limit Limit, name string) (ok bool, err error) {
	err = l.change(ctx, limit, func(u *usage, now time.Time) bool {
		ok = u.allows(limit, now)
		if ok {
			u.Tokens--
			u.Held[name] = Millis(now.Add(holdTime))
		}
		return ok
	})
	return ok && err == nil, err
}

// extend says that the call lasts longer than a usual one.
func (l limiter) extend(ctx context.Context, limit Limit, name string, until time.Time) error {
	return l.change(ctx, limit, func(u *usage, _ time.Time) bool {
		if _, held := u.Held[name]; !held {
			return false
		}
		u.Held[name] = Millis(until)
		return true
	})
}

// done ends a call; one that never began gives back what it took.
func (l limiter) done(ctx context.Context, limit Limit, name string, began bool) error {
	return l.change(ctx, limit, func(u *usage, _ time.Time) bool {
		_, held := u.Held[name]
		delete(u.Held, name)
		if held && !began {
			u.Tokens++
		}
		return held
	})
}

// allows brings the usage up to now and reports whether one more call may begin.
func (u *usage) allows(l Limit, now time.Time) bool {
	for name, until := range u.Held {
		if until <= Millis(now) { // its handle died
			delete(u.Held, name)
		}
	}
	burst := max(1, l.Rate)
	if u.At == 0 {
		u.Tokens = burst
	} else if elapsed := now.Sub(FromMillis(u.At)); elapsed > 0 {
		u.Tokens = min(burst, u.Tokens+elapsed.Seconds()*l.Rate)
	}
	u.At = max(u.At, Millis(now))
	return (l.Rate == 0 || u.Tokens >= 1) && (l.InFlight == 0 || len(u.Held) < l.InFlight)
}

// change lets edit change the usage.
func (l limiter) change(ctx context.Context, limit Limit, edit func(*usage, time.Time) bool) error {
	_, err := changeShared(ctx, l.document(limit), l.chance, func(u *usage) bool {
		if u.Held == nil {
			u.Held = map[string]int64{}
		}
		return edit(u, l.now())
	})
	return err
}

func (l limiter) document(limit Limit) shared {
	return shared{l.store, limit.usage(), fmt.Sprintf("what is used of the limit of %s", limit)}
}
