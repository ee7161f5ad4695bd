package dispatch

import (
	"cmp"
	"strconv"
	"time"
)

// Call is one attempt about to be made: what a sender needs to know.
type Call struct {
	Task    Task
	Doc     Doc           // as for its target: see [Doc.To]
	Target  string        // the target's name, if it is one of several
	Attempt int           // its number, from 1
	Timeout time.Duration // for the whole of it: connecting, sending, and reading the answer's body

	AllowedHosts Hosts // where its tenant's calls may go: asked of each URL of the call, those of redirects too
}

// newCall returns the next call to the i-th target of a task. The issuer of its signatures is the target's sender, else
// its tenant's.
func newCall(t Task, d Doc, i int, settings Settings) Call {
	tenant := settings.Tenant(t.Tenant)
	c := Call{Task: t, Doc: d.To(i), Attempt: t.progress(i).Attempts + 1, AllowedHosts: tenant.AllowedHosts}
	c.Doc.Sender = cmp.Or(c.Doc.Sender, tenant.Issuer)
	if len(d.Targets) > 1 {
		c.Target = d.Targets[i].Name
	}
	return c
}

// IdempotencyKey is the same for all attempts of one run of a task at one target, so that a receiver can
// tell a repeated call; a run by hand has its own, because it must not be dropped as a duplicate.
func (c Call) IdempotencyKey() string {
	key := c.Task.ID
	if c.Task.Run > 1 {
		key += "/" + strconv.Itoa(c.Task.Run)
	}
	if c.Target != "" {
		key += "/" + c.Target
	}
	return key
}

// Answer is what came of a call.
type Answer struct {
	Status     int           // HTTP status; 0 if no answer came
	Error      string        // why none came; "" if one did
	Unsent     bool          // nothing was sent, for want of configuration: it counts as no attempt
	RetryAfter time.Duration // from the answer's Retry-After, 0 if none: no retry before that

	Said   Outcome        // what the receiver said it means (Dispatch-Outcome), before the codes; "" if nothing
	After  *time.Duration // and when to try next, nil if it did not say
	Reason string         // and why
	Note   string         // what was wrong with what it said, "" if nothing

	Body string // the first KB of the answer's body, if the task has a callback to carry it
}
