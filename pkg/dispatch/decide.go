package dispatch

import (
	"fmt"
	"slices"
	"time"
)

// Outcome is what an answer means.
type Outcome string

// The outcomes.
const (
	OutcomeDelivered Outcome = "delivered"
	OutcomeRetry     Outcome = "retry"   // failed; counts as an attempt
	OutcomeWait      Outcome = "wait"    // "not yet"; counts as none
	OutcomeStopped   Outcome = "stopped" // a stop code: no further attempt makes sense
)

const (
	teapot   = 418 // stops a task unless it is a success code
	tooEarly = 425 // says "not yet" unless wait codes are given

	keptAttempts = 5
	keptText     = 200
	// pulledForward is how long before the last useful moment a retry is made that would come too late.
	pulledForward = time.Minute
)

// Judge says what an answer means: what was not sent waits; a transport error is a retry; then what the receiver
// itself said; then success, stop and wait codes, in this order; everything else is a retry.
func Judge(d Doc, a Answer) Outcome {
	switch {
	case a.Unsent:
		return OutcomeWait
	case a.Status == 0:
		return OutcomeRetry
	case a.Said != "":
		return a.Said
	case d.SuccessCodes.Has(a.Status):
		return OutcomeDelivered
	case d.StopCodes.Has(a.Status) || a.Status == teapot:
		return OutcomeStopped
	case d.WaitCodes.Has(a.Status):
		return OutcomeWait
	default:
		return OutcomeRetry
	}
}

// Decide returns the task as it is after an attempt at its i-th target that was sent at sent, took took and
// was answered with a, and what that answer meant. It is pure: chance, in [0, 1), is the jitter's
// randomness. The task keeps its lease and generation; who settles it writes the rest.
func Decide(t Task, d Doc, i int, a Answer, sent time.Time, took time.Duration, chance float64) (Task, Outcome) {
	v := decide(t.progress(i), d.To(i), t.ExpireAt, a, sent, took, chance)
	t.Lapses = 0
	return t.after(d, i, v), v.outcome
}

// verdict is what an attempt means for its target.
type verdict struct {
	progress Progress
	outcome  Outcome
	state    State     // how the target ended, "" if it is open
	reason   string    // why
	at       time.Time // when it ended, or is tried next
}

func decide(p Progress, d Doc, expireAt time.Time, a Answer, sent time.Time, took time.Duration, chance float64) verdict {
	outcome, now := Judge(d, a), sent.Add(took)
	p.Last = append(slices.Clone(p.Last), Attempt{At: sent, Status: a.Status, Took: took})
	if extra := len(p.Last) - keptAttempts; extra > 0 {
		p.Last = p.Last[extra:]
	}
	if outcome != OutcomeWait {
		p.Attempts++
		p.WaitingSince = time.Time{}
	}
	p.Error = Shorten(a.Note)
	if outcome != OutcomeDelivered {
		p.Error = Shorten(a.describe())
	}
	if outcome == OutcomeWait && p.WaitingSince.IsZero() {
		p.WaitingSince = sent
	}
	ends := func(s State, reason string) verdict { return verdict{p, outcome, s, reason, now} }

	switch {
	case outcome == OutcomeDelivered:
		return ends(Delivered, "")
	case outcome == OutcomeStopped:
		return ends(Stopped, stopReason(a))
	case outcome == OutcomeWait && expireAt.IsZero() && !now.Before(p.WaitingSince.Add(MaxWaiting)):
		return ends(Exhausted, "waited 14 days")
	case outcome == OutcomeRetry && p.Attempts >= d.Attempts.Limit:
		return ends(Exhausted, fmt.Sprintf("attempt %d of %d failed: %s", p.Attempts, d.Attempts.Limit, p.Error))
	}

	wait, least := pause(d.Attempts, a, outcome, max(1, p.Attempts), chance)
	next := now.Add(wait)
	if !expireAt.IsZero() && next.After(expireAt.Add(-d.Timeout())) {
		next = expireAt.Add(-d.Timeout() - pulledForward)
		if next.Sub(now) < max(least, d.Attempts.Wait(1)) {
			return ends(Expired, "the next attempt would come too late")
		}
	}
	return verdict{p, outcome, "", "", roundUp(next)}
}

// pause returns the time to the next try after the n-th attempt, and the least that the receiver asked for.
// Its Dispatch-Outcome says it exactly; a Retry-After says when waiting ends, but only delays a retry.
func pause(policy Attempts, a Answer, o Outcome, n int, chance float64) (wait, least time.Duration) {
	switch {
	case a.After != nil:
		return *a.After, *a.After
	case o == OutcomeWait && a.RetryAfter > 0:
		return a.RetryAfter, a.RetryAfter
	default:
		return max(a.RetryAfter, jittered(policy.Wait(n), policy.Jitter, chance)), a.RetryAfter
	}
}

func stopReason(a Answer) string {
	switch {
	case a.Said == "":
		return fmt.Sprintf("stop code %d", a.Status)
	case a.Reason == "":
		return "the receiver said stop"
	default:
		return "the receiver said stop: " + a.Reason
	}
}

// roundUp returns the first millisecond that is not before t: rows keep no less, and nothing is sent early.
func roundUp(t time.Time) time.Time {
	return t.Add(time.Millisecond - 1).Truncate(time.Millisecond).UTC()
}

func jittered(wait time.Duration, jitter, chance float64) time.Duration {
	return time.Duration(float64(wait) * (1 + jitter*(2*chance-1)))
}

func (a Answer) describe() string {
	if a.Status == 0 {
		return a.Error
	}
	text := fmt.Sprintf("status %d", a.Status)
	for _, more := range []string{a.Reason, a.Note} {
		if more != "" {
			text += ": " + more
		}
	}
	return text
}

// finish returns the task in a final state. It leaves its lane; a failure goes into its queue's history.
// The TTL is the caller's to add.
func (t Task) finish(s State, reason string, now time.Time) Task {
	t.State, t.Reason, t.EndedAt, t.Lapses, t.Identifier = s, Shorten(reason), roundUp(now), 0, ""
	if s.Failed() {
		t.Lane, t.DueAt = historyOf(t.Lane), t.EndedAt
	} else {
		t.Lane, t.DueAt = "", time.Time{}
	}
	return t
}

// Shorten cuts a text to what a row keeps, 200 bytes, at a character's end.
func Shorten(s string) string {
	if len(s) <= keptText {
		return s
	}
	cut := keptText
	for cut > 0 && s[cut]&0xC0 == 0x80 {
		cut--
	}
	return s[:cut]
}
