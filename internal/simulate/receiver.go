package simulate

import (
	"context"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// answer is what a receiver does with a call.
type answer string

const (
	accepts   answer = "accepts"
	fails     answer = "fails"
	stops     answer = "says stop"
	notYet    answer = "says not yet"
	saysWait  answer = "says wait"
	hangs     answer = "hangs"
	tooLate   answer = "answers too late"
	refuses   answer = "refuses the connection" // and so knows nothing of it
	resets    answer = "resets the connection"
	half      answer = "sends half an answer"
	kills     answer = "kills its handler"
	notSent   answer = "cannot be called" // for want of configuration
	keptAfter        = 4                  // the longest script
)

// saidPause is after what time a receiver that says wait wants to be called again.
const saidPause = 5 * time.Second

// means is what the answer must be taken for.
func (a answer) means() dispatch.Outcome {
	switch a {
	case accepts:
		return dispatch.OutcomeDelivered
	case stops:
		return dispatch.OutcomeStopped
	case notYet, saysWait, notSent:
		return dispatch.OutcomeWait
	}
	return dispatch.OutcomeRetry
}

func script(d *dice) []answer {
	if d.chance(0.03) {
		return []answer{kills}
	}
	var s []answer
	for range d.below(keptAfter) {
		s = append(s, one(d, fails, fails, notYet, saysWait, hangs, tooLate, refuses, resets, half, kills, notSent))
	}
	return append(s, one(d, accepts, accepts, accepts, accepts, accepts, fails, stops))
}

// send makes a call: it is the Send of handle.
func (p *process) send(ctx context.Context, c dispatch.Call) (a dispatch.Answer) {
	w := p.world
	name := c.Task.ID
	if c.Target != "" {
		name += "/" + c.Target
	}
	p.effect("calls "+name, func(d *dice) time.Duration {
		kind := w.answerOf(name, c.Doc.URI, d)
		takes := d.between(time.Millisecond, one(d, 50*time.Millisecond, 3*time.Second))
		if kind == hangs || kind == tooLate {
			takes = time.Hour
		}
		if kind == notSent {
			takes = time.Millisecond
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= takes {
			takes = max(time.Until(deadline), 1)
			if kind != notSent && kind != kills {
				kind = tooLate
			}
		}
		p.tell("calls %s, attempt %d: it %s after %v", c.IdempotencyKey(), c.Attempt, kind, takes.Round(time.Millisecond))
		made := w.checker.begins(p, c, kind)
		if kind == kills || !w.calm && d.chance(w.faults.killed) {
			w.schedule.in(d.between(0, takes), p.name+" dies", p.kill)
		}
		w.schedule.in(takes, p.name+" calls "+name+" is over", func() { w.checker.ends(made) })
		a = answered(kind)
		return takes
	})
	return a
}

// answerOf is what the receiver does with its next call.
func (w *world) answerOf(name, uri string, d *dice) answer {
	if a, away := w.away(name, uri); away {
		return a
	}
	w.started["call "+name]++
	n := w.started["call "+name]
	s := w.plan.scripts[name]
	switch {
	case !w.calm && d.chance(w.faults.receiver):
		return one(d, hangs, tooLate, refuses, resets, half)
	case len(s) == 0: // a callback's
		return accepts
	default:
		return s[min(n, len(s))-1]
	}
}

func answered(kind answer) dispatch.Answer {
	switch kind {
	case accepts:
		return dispatch.Answer{Status: 200}
	case fails:
		return dispatch.Answer{Status: 500}
	case stops:
		return dispatch.Answer{Status: 410}
	case notYet:
		return dispatch.Answer{Status: 425}
	case saysWait:
		after := saidPause
		return dispatch.Answer{Status: 500, Said: dispatch.OutcomeWait, After: &after}
	case notSent:
		return dispatch.Answer{Unsent: true, Error: "there is no such secret"}
	default:
		return dispatch.Answer{Error: "it " + string(kind)}
	}
}
