package dispatch

import (
	"context"
	"strings"
	"time"
)

// Circuit is an open one: an origin that does not answer.
type Circuit struct {
	Since   time.Time `json:"since"`   // when it opened
	Tries   int       `json:"tries"`   // calls that tried it since, in vain
	ProbeAt time.Time `json:"probeAt"` // from when on the next call may try it
	Probe   string    `json:"probe"`   // who tries it: two who would write the same could not tell whose it is
	Error   string    `json:"error"`   // of the last one that failed
}

// CircuitSettings say when a circuit opens, and how often its origin is tried.
type CircuitSettings struct {
	Failures int `json:"failures"`           // failures in a row that open it, 1–1000; 0: none ever opens
	Interval int `json:"interval,omitempty"` // seconds between two tries at most, 5–3600
}

const (
	// CircuitsName is the document that holds the open circuits, by origin.
	CircuitsName = "circuits"

	// firstTry is how long after a circuit's opening its origin is tried, and a failure later twice as long.
	firstTry = 5 * time.Second
	// longestSpread is over how much time those that wait are spread at most.
	longestSpread = 5 * time.Minute
	// openSince begins the error of a target whose circuit is open.
	openSince = "circuit open since "
)

// defaultCircuit is for settings that do not say.
func defaultCircuit() CircuitSettings { return CircuitSettings{Failures: 10, Interval: 60} }

// LoadCircuits returns the open circuits, by origin.
func LoadCircuits(ctx context.Context, store Store) (map[string]Circuit, error) {
	open := map[string]Circuit{}
	_, err := circuitsDocument(store).load(ctx, &open)
	return open, err
}

func circuitsDocument(store Store) shared { return shared{store, CircuitsName, "the circuits"} }

// origin returns whose circuit a call's is: a URL up to its path, or an ARN; of a tenant's call with the tenant's name
// before it, because what one tenant has a receiver answer must not hold back another's calls.
func origin(tenant, uri string) string {
	if tenant != "" {
		return tenant + " " + origin("", uri)
	}
	scheme, rest, found := strings.Cut(uri, "://")
	if end := strings.IndexAny(rest, "/?#"); found && end >= 0 {
		return strings.ToLower(uri[:len(scheme)+len("://")+end])
	}
	return uri
}

// failed reports whether an answer counts against its origin's circuit.
func (c Call) failed(a Answer) bool {
	return !a.Unsent && Judge(c.Doc, a) == OutcomeRetry && (a.Status == 0 || a.Status >= 500)
}

// wait is how long after a try that failed the next one is made.
func (s CircuitSettings) wait(tries int) time.Duration {
	longest := time.Duration(max(s.Interval, int(firstTry/time.Second))) * time.Second
	return min(longest, firstTry<<min(tries, 10))
}

// later spreads those that wait for an origin behind its next try: the longer it has failed, the wider, so that they
// neither cost much meanwhile nor come all at once when it answers.
func (c Circuit) later(s CircuitSettings, now time.Time, chance float64) time.Time {
	from := c.ProbeAt
	if from.Before(now) {
		from = now
	}
	spread := max(s.wait(c.Tries), min(now.Sub(c.Since), longestSpread))
	return from.Add(time.Duration(chance * float64(spread)))
}

// HeldBack reports whether a target was not called when it was last due, because its receiver fails.
func HeldBack(p Progress) bool {
	return !p.WaitingSince.IsZero() && strings.HasPrefix(p.Error, openSince)
}

// waiting returns the task as it waits for its i-th target's circuit; ok is false if it must be sent all the same: it
// would expire before the origin is tried.
func (t Task) waiting(d Doc, i int, c Circuit, at, now time.Time) (waits Task, ok bool) {
	p := t.progress(i)
	if p.WaitingSince.IsZero() {
		p.WaitingSince = roundUp(now)
	}
	p.Error = Shorten(openSince + c.Since.UTC().Format(time.RFC3339) + ": " + c.Error)
	switch last := t.ExpireAt.Add(-d.To(i).Timeout()); {
	case t.ExpireAt.IsZero() && !now.Before(p.WaitingSince.Add(MaxWaiting)):
		return t.after(d, i, verdict{p, OutcomeWait, Exhausted, "waited 14 days", now}), true
	case t.ExpireAt.IsZero():
	case !now.Before(last):
		return t, false
	case at.After(last):
		at = last
	}
	return t.after(d, i, verdict{p, OutcomeWait, "", "", roundUp(at)}), true
}
