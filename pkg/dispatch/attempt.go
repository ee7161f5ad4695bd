package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// run takes a claimed task to its settle, and returns the hint of whoever waited behind it, and whether it made any call.
func (h *Handle) run(ctx context.Context, t Task, settings Settings) (next Hint, called bool, err error) {
	d, err := DecodeDoc(t.Doc)
	if err != nil {
		next, err = h.settle(ctx, t.finish(Stopped, "its document cannot be read", h.Now()), d, nil, settings)
		return next, false, err
	}
	if ended, yes := h.endsWithoutCall(t, d); yes {
		next, err = h.settle(ctx, ended, d, nil, settings)
		return next, false, err
	}
	if !h.await(ctx, t.DueAt) {
		next, err = h.settle(ctx, t, d, nil, settings)
		return next, false, err
	}
	if len(d.Targets) > 1 {
		return h.sendAll(ctx, t, d, settings)
	}
	var events []Event
	change, answer := h.send(ctx, t, d, 0, settings, &events)
	var answers []*Answer
	if d.OnFailure != nil || d.OnSuccess != nil {
		answers = []*Answer{answer}
	}
	next, err = h.settle(ctx, change(t), d, answers, settings, events...)
	return next, answer != nil, err
}

// send makes the call to the task's i-th target, if it may be made. It returns what the task becomes by it,
// and the answer, nil where no call was made. What somebody is to be told of it is added to events by change.
func (h *Handle) send(ctx context.Context, t Task, d Doc, i int, settings Settings, events *[]Event) (change func(Task) Task, answer *Answer) {
	c := newCall(t, d, i, settings)
	if state, reason, no := h.refuses(c, d, i); no {
		return func(t Task) Task { return t.ends(d, i, state, reason, h.Now()) }, nil
	}
	if h.Admit != nil {
		done, ok := h.Admit(ctx, c)
		if !ok {
			later := h.Now().Add(putBack)
			return func(t Task) Task { return t.putOff(d, i, later) }, nil
		}
		defer done()
	}
	sent, from, probe, s := h.Now(), origin(t.Tenant, c.Doc.URI), false, settings.circuit()
	if timeout := h.timeout(t, c.Doc, sent); h.Circuits != nil && timeout >= lastMoment {
		var circuit Circuit
		var waits bool
		circuit, waits, probe = h.Circuits.ask(ctx, s, from, timeout)
		sent = h.Now() // asking may have taken seconds
		if waits {
			at := circuit.later(s, sent, h.Chance())
			if _, ok := t.waiting(d, i, circuit, at, sent); ok {
				return func(t Task) Task { t, _ = t.waiting(d, i, circuit, at, sent); return t }, nil
			}
		}
	}
	if c.Timeout = h.timeout(t, c.Doc, sent); c.Timeout < lastMoment {
		if !t.ExpireAt.IsZero() && !sent.Before(t.ExpireAt) {
			return func(t Task) Task { return t.ends(d, i, Expired, expiredReason(t), sent) }, nil
		}
		return func(t Task) Task { return t }, nil // too late for this lease: the next one sends it
	}
	calling, cancel := context.WithTimeout(ctx, c.Timeout)
	a := h.Send(calling, c)
	cancel()
	if h.Circuits != nil && !a.Unsent {
		h.Circuits.tell(ctx, s, from, c.failed(a), probe, a)
	}
	took := max(0, h.Now().Sub(sent)).Round(time.Millisecond)
	return func(t Task) Task {
		t, outcome := Decide(t, d, i, a, roundUp(sent), took, h.Chance())
		h.report(ctx, t, c, i, a, outcome, took)
		if keepsFailing(t, c, i, outcome) {
			*events = append(*events, event(TaskKeepsFailing, t, d, c.Target, t.progress(i).Error, c.Attempt))
		}
		return t
	}, &a
}

// endsWithoutCall returns the task as it ends where no call at all may be made.
func (h *Handle) endsWithoutCall(t Task, d Doc) (Task, bool) {
	now := h.Now()
	switch {
	case !t.ExpireAt.IsZero() && !now.Before(t.ExpireAt):
		return t.endAll(d, Expired, expiredReason(t), now), true
	case t.Flag:
		return t.finish(Cancelled, "cancelled while it was blocked", now), true
	case t.Lapses >= MaxLapses:
		return t.finish(Stopped, fmt.Sprintf("%d lapses in a row: whoever handles it dies", t.Lapses), now), true
	}
	if state, reason, no := h.refusesAll(t, d); no {
		return t.endAll(d, state, reason, now), true
	}
	return t, false
}

// refusesAll asks the task's own rule.
func (h *Handle) refusesAll(t Task, d Doc) (s State, reason string, no bool) {
	return h.obeys(d.When, Call{Task: t, Doc: d, Attempt: t.attempts() + 1}, "its rule")
}

// refuses asks whether the task's tenant may call the i-th target, and the rule of that.
func (h *Handle) refuses(c Call, d Doc, i int) (s State, reason string, no bool) {
	if err := c.AllowedHosts.Check(c.Doc.URI); err != nil {
		return Stopped, "its uri " + err.Error(), true
	}
	if len(d.Targets) == 0 {
		return "", "", false
	}
	return h.obeys(d.Targets[i].When, c, "its target's rule")
}

// obeys evaluates a rule, and says how the task ends that it refuses.
func (h *Handle) obeys(rule string, c Call, whose string) (s State, reason string, no bool) {
	if rule == "" {
		return "", "", false
	}
	if h.Rule == nil {
		return Stopped, whose + " cannot be evaluated here: " + rule, true
	}
	switch yes, err := h.Rule(rule, c); {
	case err != nil:
		return Stopped, whose + " cannot be evaluated: " + err.Error(), true
	case !yes:
		return Skipped, "refused by " + whose + ": " + rule, true
	default:
		return "", "", false
	}
}

// timeout cuts the call's own to what is left of the task's life and of the lease, less the skew that clocks may have.
func (h *Handle) timeout(t Task, d Doc, now time.Time) time.Duration {
	timeout := min(t.Timeout, t.Until.Add(-Skew).Sub(now))
	if len(d.Targets) > 0 {
		timeout = min(timeout, d.Timeout())
	}
	if !t.ExpireAt.IsZero() {
		timeout = min(timeout, t.ExpireAt.Sub(now))
	}
	return timeout
}

// await waits until the task is due and reports whether it then may be sent.
func (h *Handle) await(ctx context.Context, due time.Time) bool {
	for {
		wait := due.Sub(h.Now())
		if wait <= 0 {
			return true
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return false
		}
	}
}

func expiredReason(t Task) string {
	if n := t.attempts(); n > 0 {
		return fmt.Sprintf("expireAt came after %d attempts", n)
	}
	return "expireAt came before the first attempt"
}

// settle writes what became of the task, again and again until its lease is over: whatever was sent must be known.
func (h *Handle) settle(ctx context.Context, t Task, d Doc, answers []*Answer, settings Settings, events ...Event) (Hint, error) {
	ended := t
	if t.State.Failed() && t.Group != "" && d.GroupOnFailure == Hold {
		t.State, t.Identifier = Held, d.Identifier // nobody behind it goes before a person has decided
		t.Lane, t.DueAt, t.EndedAt = liveLane(t.Lane), time.Time{}, time.Time{}
	} else if t.State.Final() {
		t.TTL = finalTTL(t.EndedAt, h.Retention)
	}
	tell, err := callbacks(ended, d, answers, settings, h.Retention)
	if err != nil {
		return Hint{}, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(settleTime, t.Until.Sub(h.Now())))
	defer cancel()
	var next Hint
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		next, err = h.Store.Settle(ctx, t, tell...)
		if err == nil {
			break
		}
		if errors.Is(err, ErrLeaseLost) {
			h.Log.LogAttrs(ctx, slog.LevelWarn, "settle refused: the lease was lost", slog.String("id", t.ID))
			return Hint{}, nil
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return Hint{}, fmt.Errorf("settling task %s: %w", t.ID, err)
		}
	}
	if ended.State.Failed() {
		h.Log.LogAttrs(ctx, slog.LevelError, "task failed", slog.String("id", t.ID), slog.String("queue", t.Queue), tenantAttr(t),
			slog.Int("run", t.Run), slog.String("state", string(t.State)), slog.String("reason", t.Reason), slog.Int("attempts", t.attempts()))
	}
	h.notify(ctx, t, ended.State.Failed(), d, events)
	return next, nil
}

// tenantAttr names a task's tenant in a log line; a handler leaves out the empty attribute of a task without one.
func tenantAttr(t Task) slog.Attr {
	if t.Tenant == "" {
		return slog.Attr{}
	}
	return slog.String("tenant", t.Tenant)
}

func finalTTL(endedAt time.Time, retention time.Duration) time.Time {
	return endedAt.Add(retention).Add(time.Second - 1).Truncate(time.Second)
}

// report logs an attempt at the i-th target of the task, which is as the attempt left it.
func (h *Handle) report(ctx context.Context, t Task, c Call, i int, a Answer, o Outcome, took time.Duration) {
	level := slog.LevelInfo
	if a.Unsent {
		level = slog.LevelWarn // it is never sent before somebody has mended that
	}
	if h.Log.Enabled(ctx, level) {
		attrs := []slog.Attr{
			slog.String("id", t.ID), slog.String("queue", t.Queue), tenantAttr(t), slog.Int("run", t.Run),
			slog.Int("attempt", c.Attempt), slog.Int("status", a.Status), slog.String("error", a.Error), slog.String("outcome", string(o)),
			slog.Int64("tookMs", took.Milliseconds()), slog.String("state", string(t.State)),
		}
		if c.Target != "" {
			attrs = append(attrs, slog.String("target", c.Target))
		}
		if !t.State.Final() {
			attrs = append(attrs, slog.Time("next", t.DueAt))
		}
		h.Log.LogAttrs(ctx, level, "attempt", attrs...)
	}
	if keepsFailing(t, c, i, o) {
		attrs := []slog.Attr{
			slog.String("id", t.ID), slog.String("queue", t.Queue), tenantAttr(t), slog.Int("run", t.Run), slog.String("state", string(t.State)),
			slog.String("reason", t.progress(i).Error), slog.Int("attempts", c.Attempt),
		}
		if c.Target != "" {
			attrs = append(attrs, slog.String("target", c.Target))
		}
		h.Log.LogAttrs(ctx, slog.LevelError, "task keeps failing", attrs...)
	}
}
