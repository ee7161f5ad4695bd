package dispatch

import (
	"context"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"
)

// Circuits keep tasks from an origin that fails again and again: its circuit is open, its tasks wait without spending
// attempts, and one call at a time tries it. Any answer that is no failure closes it. A failure is a call without an
// answer, or one with a status from 500 to 599 that the task does not name. What is open is a document that all handles
// share; a process counts the failures that it has seen itself. Nothing depends on it: where the document cannot be read
// or written, calls are made.
type Circuits struct {
	Store  Store
	Now    func() time.Time
	Age    time.Duration  // how late it may learn of what others have seen
	Token  func() string  // a random name of a try, new at each call
	Chance func() float64 // in [0, 1), for pauses before a change is tried again
	Log    *slog.Logger

	mu       sync.Mutex
	failures map[string]failing // by origin
	open     map[string]Circuit // by origin
	version  int64              // of the document that says so
	learned  time.Time          // when that was known
	read     time.Time          // when it was asked for, or written
	reading  chan struct{}      // closed when a read that is under way is over; nil: there is none
}

// failing is what a process has seen of an origin: calls that failed, none between them that did not.
type failing struct {
	inARow int
	last   time.Time
}

const (
	// inARow is how long after a failure the next one still counts as in a row.
	inARow = 10 * time.Minute
	// maxCircuits are open at once at most: the document stays small.
	maxCircuits = 100
	// maxOfTenant are one tenant's at most, so that it leaves others room.
	maxOfTenant = 20
	// untried is how long nobody has tried an origin whose circuit gives way to others: no task waits for it, as those that do
	// come back within the settings' interval, an hour at most.
	untried = 2 * time.Hour
)

// ask says whether the call may be made: not while the origin's circuit is open, unless it is the one that tries it.
func (c *Circuits) ask(ctx context.Context, s CircuitSettings, origin string, timeout time.Duration) (circuit Circuit, waits, probe bool) {
	if s.Failures == 0 {
		return Circuit{}, false, false
	}
	circuit, open := c.known(ctx, origin)
	switch {
	case !open:
		return Circuit{}, false, false
	case c.Now().Before(circuit.ProbeAt) || !c.reserve(origin, circuit, timeout):
		return circuit, true, false
	}
	var mine, closed bool
	err := c.change(ctx, func(open map[string]Circuit) bool {
		now, ok := open[origin]
		closed, mine = !ok, ok && !c.Now().Before(now.ProbeAt)
		if mine {
			now.ProbeAt, now.Probe = c.Now().Add(timeout+s.wait(now.Tries)), c.Token()
			open[origin] = now
		}
		return mine
	})
	return circuit, !mine && !closed && err == nil, mine && err == nil
}

// reserve makes others of this process wait while one asks for the right to try the origin.
func (c *Circuits) reserve(origin string, seen Circuit, timeout time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	circuit, open := c.open[origin]
	if !open || !circuit.ProbeAt.Equal(seen.ProbeAt) {
		return false
	}
	circuit.ProbeAt = c.Now().Add(timeout)
	c.open[origin] = circuit
	return true
}

// tell takes in what came of a call; probe says that it was made to try the origin.
func (c *Circuits) tell(ctx context.Context, s CircuitSettings, origin string, failed, probe bool, a Answer) {
	if s.Failures == 0 {
		return
	}
	c.mu.Lock()
	_, open := c.open[origin]
	opens := false
	if !failed {
		delete(c.failures, origin)
	} else if !open {
		opens = c.count(origin) >= s.Failures
	}
	if opens {
		delete(c.failures, origin) // another process may close it
	}
	c.mu.Unlock()
	var err error
	switch {
	case open && !failed:
		err = c.close(ctx, origin)
	case opens || failed && probe:
		err = c.fail(ctx, s, origin, probe, Answer{Status: a.Status, Error: a.Error}.describe()) // the reason is that task's alone
	}
	if err == nil {
		return
	}
	c.Log.LogAttrs(ctx, slog.LevelWarn, "a circuit was not changed", slog.String("origin", origin), slog.Any("error", err))
	if opens { // the next failure tries again
		c.mu.Lock()
		defer c.mu.Unlock()
		c.failures[origin] = failing{s.Failures - 1, c.Now()}
	}
}

// count notes a failure and returns how many there were in a row.
func (c *Circuits) count(origin string) int {
	now := c.Now()
	f := c.failures[origin]
	if now.Sub(f.last) > inARow {
		f.inARow = 0
	}
	if c.failures == nil || len(c.failures) >= 100*maxCircuits {
		c.failures = map[string]failing{}
	}
	c.failures[origin] = failing{f.inARow + 1, now}
	return f.inARow + 1
}

func (c *Circuits) close(ctx context.Context, origin string) error {
	closed := false
	err := c.change(ctx, func(open map[string]Circuit) bool {
		_, closed = open[origin]
		delete(open, origin)
		return closed
	})
	if closed && err == nil {
		c.Log.LogAttrs(ctx, slog.LevelWarn, "circuit closed: the receiver answers", slog.String("origin", origin))
	}
	return err
}

// crowded reports whether the tenant whose circuit is to open has as many as one may have.
func crowded(open map[string]Circuit, origin string) bool {
	tenant, _, found := strings.Cut(origin, " ")
	n := 0
	for other := range open {
		if strings.HasPrefix(other, tenant+" ") {
			n++
		}
	}
	return found && n >= maxOfTenant
}

// fail opens a circuit, or has it wait longer after a probe. What others have opened or closed meanwhile stays so.
func (c *Circuits) fail(ctx context.Context, s CircuitSettings, origin string, probe bool, problem string) error {
	opened := false
	err := c.change(ctx, func(open map[string]Circuit) bool {
		circuit, is := open[origin]
		now := c.Now()
		opened = false // the last time another was faster
		if !is && crowded(open, origin) {
			return false
		}
		if !is && len(open) >= maxCircuits {
			maps.DeleteFunc(open, func(_ string, c Circuit) bool { return now.Sub(c.ProbeAt) > untried })
		}
		switch {
		case is != probe, !is && len(open) >= maxCircuits:
			return false
		case is:
			circuit.Tries++
		default:
			circuit.Since = now.UTC()
		}
		opened = !is
		circuit.ProbeAt, circuit.Error = now.Add(s.wait(circuit.Tries)).UTC(), Shorten(problem)
		open[origin] = circuit
		return true
	})
	if opened && err == nil {
		c.Log.LogAttrs(ctx, slog.LevelError, "circuit opened: the receiver fails", slog.String("origin", origin), slog.String("error", problem))
	}
	return err
}

// change lets edit change the open circuits, and keeps what holds then.
func (c *Circuits) change(ctx context.Context, edit func(map[string]Circuit) bool) error {
	from := &dated{Store: c.Store, now: c.Now}
	open, err := changeShared(context.WithoutCancel(ctx), circuitsDocument(from), c.Chance, func(open *map[string]Circuit) bool {
		if *open == nil {
			*open = map[string]Circuit{}
		}
		return edit(*open)
	})
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.learn(open, from)
	return nil
}
