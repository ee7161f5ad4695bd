package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// run takes a claimed task to its settle, and returns the hint of whoever waited behind it.
func (h *Handle) run(ctx context.Context, t Task, settings Settings) (Hint, error) {
	d, err := DecodeDoc(t.Doc)
	if err != nil {
		return h.settle(ctx, t.finish(Stopped, "its document cannot be read", h.Now()), d, nil, settings)
	}
	c := Call{Task: t, Doc: d, Attempt: t.progress().Attempts + 1}
	if ended, yes := h.endsWithoutCall(c); yes {
		return h.settle(ctx, ended, d, nil, settings)
	}
	if !h.await(ctx, t.DueAt) {
		return h.settle(ctx, t, d, nil, settings)
	}
	if h.Admit != nil {
		done, ok := h.Admit(ctx, c)
		if !ok {
			t.DueAt = roundUp(h.Now().Add(putBack))
			return h.settle(ctx, t, d, nil, settings)
		}
		defer done()
	}
	sent := h.Now()
	if c.Timeout = h.timeout(t, sent); c.Timeout < lastMoment {
		if !t.ExpireAt.IsZero() && !sent.Before(t.ExpireAt) {
			t = t.finish(Expired, expiredReason(t), sent)
		}
		return h.settle(ctx, t, d, nil, settings) // too late for this lease: the next one sends it
	}
	calling, cancel := context.WithTimeout(ctx, c.Timeout)
	answer := h.Send(calling, c)
	cancel()
	took := max(0, h.Now().Sub(sent)).Round(time.Millisecond)
	t, outcome := Decide(t, d, answer, roundUp(sent), took, h.Chance())
	h.report(ctx, t, d, c.Attempt, answer, outcome, took)
	return h.settle(ctx, t, d, &answer, settings)
}

// endsWithoutCall returns the task as it ends where no call may be made.
func (h *Handle) endsWithoutCall(c Call) (Task, bool) {
	t, now := c.Task, h.Now()
	switch {
	case !t.ExpireAt.IsZero() && !now.Before(t.ExpireAt):
		return t.finish(Expired, expiredReason(t), now), true
	case t.Flag:
		return t.finish(Cancelled, "cancelled while it was blocked", now), true
	case t.Lapses >= MaxLapses:
		return t.finish(Stopped, fmt.Sprintf("%d lapses in a row: whoever handles it dies", t.Lapses), now), true
	case c.Doc.When == "":
		return t, false
	case h.Rule == nil:
		return t.finish(Stopped, "its rule cannot be evaluated here: "+c.Doc.When, now), true
	}
	yes, err := h.Rule(c.Doc.When, c)
	switch {
	case err != nil:
		return t.finish(Stopped, "its rule cannot be evaluated: "+err.Error(), now), true
	case !yes:
		return t.finish(Skipped, "refused by its rule: "+c.Doc.When, now), true
	default:
		return t, false
	}
}

// timeout cuts the task's own to what is left of its life and of the lease, less the skew that clocks may have.
func (h *Handle) timeout(t Task, now time.Time) time.Duration {
	timeout := min(t.Timeout, t.Until.Add(-Skew).Sub(now))
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
	if n := t.progress().Attempts; n > 0 {
		return fmt.Sprintf("expireAt came after %d attempts", n)
	}
	return "expireAt came before the first attempt"
}

// settle writes what became of the task, again and again until its lease is over: whatever was sent must be known.
func (h *Handle) settle(ctx context.Context, t Task, d Doc, a *Answer, settings Settings) (Hint, error) {
	ended := t
	if t.State.Failed() && t.Group != "" && d.GroupOnFailure == Hold {
		t.State, t.Identifier = Held, d.Identifier // nobody behind it goes before a person has decided
		t.Lane, t.DueAt, t.EndedAt = liveLane(t.Lane), time.Time{}, time.Time{}
	} else if t.State.Final() {
		t.TTL = finalTTL(t.EndedAt, h.Retention)
	}
	tell, err := callbacks(ended, d, a, settings, h.Retention)
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
		h.Log.LogAttrs(ctx, slog.LevelError, "task failed", slog.String("id", t.ID), slog.String("queue", t.Queue),
			slog.Int("run", t.Run), slog.String("state", string(t.State)), slog.String("reason", t.Reason), slog.Int("attempts", t.progress().Attempts))
	}
	h.notify(ctx, t, ended.State.Failed(), d, a)
	return next, nil
}

func finalTTL(endedAt time.Time, retention time.Duration) time.Time {
	return endedAt.Add(retention).Add(time.Second - 1).Truncate(time.Second)
}

func (h *Handle) report(ctx context.Context, t Task, d Doc, attempt int, a Answer, o Outcome, took time.Duration) {
	if h.Log.Enabled(ctx, slog.LevelInfo) {
		attrs := []slog.Attr{
			slog.String("id", t.ID), slog.String("queue", t.Queue), slog.Int("run", t.Run),
			slog.Int("attempt", attempt), slog.Int("status", a.Status), slog.String("error", a.Error), slog.String("outcome", string(o)),
			slog.Int64("tookMs", took.Milliseconds()), slog.String("state", string(t.State)),
		}
		if !t.State.Final() {
			attrs = append(attrs, slog.Time("next", t.DueAt))
		}
		h.Log.LogAttrs(ctx, slog.LevelInfo, "attempt", attrs...)
	}
	if o == OutcomeRetry && attempt == d.NotifyAttempts && !t.State.Final() {
		h.Log.LogAttrs(ctx, slog.LevelError, "task keeps failing", slog.String("id", t.ID), slog.String("queue", t.Queue),
			slog.Int("run", t.Run), slog.String("state", string(t.State)), slog.String("reason", t.progress().Error), slog.Int("attempts", attempt))
	}
}
