package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Handle is the third verb and the only one that claims: for each hint it claims the task, has it sent,
// decides, and settles. A hint that is late, repeated or wrong is refused by the claim and dropped.
type Handle struct {
	Store Store
	// Send makes one call and says what came of it. It returns within c.Timeout.
	Send func(ctx context.Context, c Call) Answer
	// Admit says whether a call may be made now; done is called after it. A call that is not admitted is
	// put back for a moment, and counts as nothing. nil admits all.
	Admit func(ctx context.Context, c Call) (done func(), ok bool)

	Retention time.Duration // how long final rows stay, at least MinRetention

	Now    func() time.Time
	Token  func() string  // a random lease token, new at each call
	Chance func() float64 // in [0, 1), for jitter
	Log    *slog.Logger
}

const (
	// settleTime is what a function keeps, at its end, for settling what it has sent.
	settleTime = 5 * time.Second
	// putBack is how long a task waits whose call was not admitted.
	putBack = time.Second
	// claimTime bounds a claim: a hint that cannot be claimed by then comes again.
	claimTime = 30 * time.Second
	// lastMoment is what is left of a call's time if it is to be made at all.
	lastMoment = 10 * time.Millisecond
)

// Run handles the hints of one event, all side by side, and returns when every one of them is settled or
// dropped. The error says that the store failed; the tasks are then handed over again by the sweep.
func (h *Handle) Run(ctx context.Context, hints []Hint) error {
	now := h.Now()
	left := time.Duration(1<<63 - 1)
	if end, ok := ctx.Deadline(); ok {
		left = time.Until(end) - settleTime
	}
	ids := make([]string, len(hints))
	for i, hint := range hints {
		ids[i] = hint.ID
	}
	claiming, cancel := context.WithTimeout(ctx, claimTime)
	results := h.Store.Claim(claiming, ids, Lease{Token: h.Token(), At: now, Left: left})
	cancel()

	errs := make([]error, len(results))
	var wg sync.WaitGroup
	for i, r := range results {
		switch {
		case r.Err == nil && i == len(results)-1:
			errs[i] = h.run(ctx, r.Task) // the last, mostly the only one, needs no goroutine of its own
		case r.Err == nil:
			wg.Go(func() { errs[i] = h.run(ctx, r.Task) })
		case errors.Is(r.Err, ErrNotFound):
			h.Log.LogAttrs(ctx, slog.LevelDebug, "hint dropped: no such task", slog.String("id", ids[i]))
		case errors.Is(r.Err, ErrRefused):
			h.refused(ctx, r.Task)
		default:
			errs[i] = fmt.Errorf("claiming task %s: %w", ids[i], r.Err)
		}
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (h *Handle) refused(ctx context.Context, t Task) {
	if t.Version > FormatVersion {
		h.Log.LogAttrs(ctx, slog.LevelError, "task left alone: its row is of a newer version", slog.String("id", t.ID), slog.Int("version", t.Version))
		return
	}
	h.Log.LogAttrs(ctx, slog.LevelDebug, "hint dropped: claim refused", slog.String("id", t.ID), slog.String("state", string(t.State)))
}

// run takes a claimed task to its settle.
func (h *Handle) run(ctx context.Context, t Task) error {
	d, err := DecodeDoc(t.Doc)
	if err != nil {
		return h.settle(ctx, t.finish(Stopped, "its document cannot be read", h.Now()))
	}
	if now := h.Now(); !t.ExpireAt.IsZero() && !now.Before(t.ExpireAt) {
		return h.settle(ctx, t.finish(Expired, expiredReason(t), now))
	} else if t.Lapses >= MaxLapses {
		return h.settle(ctx, t.finish(Stopped, fmt.Sprintf("%d lapses in a row: whoever handles it dies", t.Lapses), now))
	}
	c := Call{Task: t, Doc: d, Attempt: t.progress().Attempts + 1}
	if !h.await(ctx, t.DueAt) {
		return h.settle(ctx, t)
	}
	if h.Admit != nil {
		done, ok := h.Admit(ctx, c)
		if !ok {
			t.DueAt = roundUp(h.Now().Add(putBack))
			return h.settle(ctx, t)
		}
		defer done()
	}
	sent := h.Now()
	if c.Timeout = h.timeout(t, sent); c.Timeout < lastMoment {
		if !t.ExpireAt.IsZero() && !sent.Before(t.ExpireAt) {
			return h.settle(ctx, t.finish(Expired, expiredReason(t), sent))
		}
		return h.settle(ctx, t) // too late for this lease: the next one sends it
	}
	calling, cancel := context.WithTimeout(ctx, c.Timeout)
	answer := h.Send(calling, c)
	cancel()
	took := max(0, h.Now().Sub(sent)).Round(time.Millisecond)
	t, outcome := Decide(t, d, answer, roundUp(sent), took, h.Chance())
	h.report(ctx, t, c.Attempt, answer, outcome, took)
	return h.settle(ctx, t)
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
func (h *Handle) settle(ctx context.Context, t Task) error {
	if t.State.Final() {
		t.TTL = finalTTL(t.EndedAt, h.Retention)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(settleTime, t.Until.Sub(h.Now())))
	defer cancel()
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		_, err := h.Store.Settle(ctx, t)
		if err == nil {
			break
		}
		if errors.Is(err, ErrLeaseLost) {
			h.Log.LogAttrs(ctx, slog.LevelWarn, "settle refused: the lease was lost", slog.String("id", t.ID))
			return nil
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return fmt.Errorf("settling task %s: %w", t.ID, err)
		}
	}
	if t.State.Failed() {
		h.Log.LogAttrs(ctx, slog.LevelError, "task failed", slog.String("id", t.ID), slog.String("queue", t.Queue),
			slog.Int("run", t.Run), slog.String("state", string(t.State)), slog.String("reason", t.Reason), slog.Int("attempts", t.progress().Attempts))
	}
	return nil
}

func finalTTL(endedAt time.Time, retention time.Duration) time.Time {
	return endedAt.Add(retention).Add(time.Second - 1).Truncate(time.Second)
}

func (h *Handle) report(ctx context.Context, t Task, attempt int, a Answer, o Outcome, took time.Duration) {
	if !h.Log.Enabled(ctx, slog.LevelInfo) {
		return
	}
	h.Log.LogAttrs(ctx, slog.LevelInfo, "attempt", slog.String("id", t.ID), slog.String("queue", t.Queue), slog.Int("run", t.Run),
		slog.Int("attempt", attempt), slog.Int("status", a.Status), slog.String("error", a.Error), slog.String("outcome", string(o)),
		slog.Int64("tookMs", took.Milliseconds()), slog.Time("next", t.DueAt))
}
