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
// decides, and settles; when the head of a group ends it goes on with the next. A hint that is late,
// repeated or wrong is refused by the claim and dropped.
type Handle struct {
	Store    Store
	Settings func(context.Context) (Settings, error)
	// Send makes one call and says what came of it. It returns within c.Timeout.
	Send func(ctx context.Context, c Call) Answer
	// Admit says whether a call may be made now; done is called after it. A call that is not admitted is
	// put back for a moment, and counts as nothing. nil admits all.
	Admit func(ctx context.Context, c Call) (done func(), ok bool)
	// Rule says whether a task's rule lets it be sent; nil: no rule can be evaluated.
	Rule func(rule string, c Call) (bool, error)
	// Notify is told, beside the log, of final failures and of the n-th failed attempt, once that is
	// settled; nil: nobody is. It is best effort, and ctx leaves it two seconds.
	Notify func(ctx context.Context, e Event)

	Retention time.Duration // how long final rows stay, at least MinRetention

	Now    func() time.Time
	Token  func() string  // a random lease token, new at each call
	Chance func() float64 // in [0, 1), for jitter, and for pauses before something is tried again
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
	if len(hints) == 1 {
		return h.follow(ctx, hints[0])
	}
	settings, err := h.Settings(ctx)
	if err != nil {
		return err
	}
	var ids []string
	errs := make([]error, len(hints))
	var wg sync.WaitGroup
	for i, hint := range hints {
		if settings.Queues[hint.Queue].plain() {
			ids = append(ids, hint.ID)
			continue
		}
		wg.Go(func() { errs[i] = h.follow(ctx, hint) })
	}
	err = h.together(ctx, ids, settings)
	wg.Wait()
	return errors.Join(append(errs, err)...)
}

// together claims tasks in one call and runs them side by side.
func (h *Handle) together(ctx context.Context, ids []string, settings Settings) error {
	if len(ids) == 0 {
		return nil
	}
	results := h.claim(ctx, ids, h.Token())
	errs := make([]error, len(results))
	var wg sync.WaitGroup
	for i, r := range results {
		run := func() {
			next, err := h.runIn(ctx, r.Task, "", settings)
			errs[i] = errors.Join(err, h.follow(ctx, next))
		}
		switch {
		case r.Err != nil:
			errs[i] = h.refused(ctx, ids[i], r)
		case i == len(results)-1:
			run() // the last, mostly the only one, needs no goroutine of its own
		default:
			wg.Go(run)
		}
	}
	wg.Wait()
	return errors.Join(errs...)
}

// follow handles a hint, and after it those that its group's turn comes to.
func (h *Handle) follow(ctx context.Context, hint Hint) error {
	for hint.ID != "" && ctx.Err() == nil {
		settings, err := h.Settings(ctx)
		if err != nil {
			return err
		}
		if hint, err = h.one(ctx, hint, settings); err != nil {
			return err
		}
	}
	return nil
}

// one handles a hint by itself, by the rules of its queue, and returns the hint of whoever waited behind it.
func (h *Handle) one(ctx context.Context, hint Hint, settings Settings) (Hint, error) {
	q, token := settings.Queues[hint.Queue], h.Token()
	if q.Paused && !h.isExpired(ctx, hint.ID) {
		return Hint{}, nil // its time comes when the queue goes on
	}
	began := false
	if q.Limited() && !q.Paused {
		limits := limiter{h.Store, h.Now, h.Chance}
		if ok, err := limits.take(ctx, hint.Queue, q, token); err != nil || !ok {
			return Hint{}, err
		}
		defer func() {
			if err := limits.done(context.WithoutCancel(ctx), hint.Queue, token, began); err != nil {
				h.Log.LogAttrs(ctx, slog.LevelWarn, "a limit was not given back; it ends by itself", slog.String("queue", hint.Queue), slog.Any("error", err))
			}
		}()
	}
	r := h.claim(ctx, []string{hint.ID}, token)[0]
	if r.Err != nil {
		return Hint{}, h.refused(ctx, hint.ID, r)
	}
	began = true
	if q.InFlight > 0 && r.Task.Until.After(h.Now().Add(holdTime)) {
		if err := (limiter{h.Store, h.Now, h.Chance}).extend(ctx, hint.Queue, token, r.Task.Until); err != nil {
			return Hint{}, err // the lease lapses, and is counted: better than more calls than allowed
		}
	}
	return h.runIn(ctx, r.Task, hint.Queue, settings)
}

// runIn runs a claimed task if what its queue asks for was asked: a hint may have named another queue. If
// not, the claim is given back and the result is the right hint.
func (h *Handle) runIn(ctx context.Context, t Task, asked string, settings Settings) (Hint, error) {
	if t.Queue == asked || settings.Queues[t.Queue].plain() {
		return h.run(ctx, t, settings)
	}
	_, err := h.settle(ctx, t, Doc{}, nil, settings)
	return t.Hint(), err
}

// isExpired reports whether a task has come to its end: it then ends with its reason in a paused queue too.
func (h *Handle) isExpired(ctx context.Context, id string) bool {
	r := h.Store.Get(ctx, []string{id})[0]
	return r.Err == nil && !r.Task.ExpireAt.IsZero() && !h.Now().Before(r.Task.ExpireAt)
}

func (h *Handle) claim(ctx context.Context, ids []string, token string) []Result {
	left := time.Duration(1<<63 - 1)
	if end, ok := ctx.Deadline(); ok {
		left = time.Until(end) - settleTime
	}
	ctx, cancel := context.WithTimeout(ctx, claimTime)
	defer cancel()
	return h.Store.Claim(ctx, ids, Lease{Token: token, At: h.Now(), Left: left})
}

// refused drops a hint; only a store that failed is an error.
func (h *Handle) refused(ctx context.Context, id string, r Result) error {
	switch {
	case errors.Is(r.Err, ErrNotFound):
		h.Log.LogAttrs(ctx, slog.LevelDebug, "hint dropped: no such task", slog.String("id", id))
	case !errors.Is(r.Err, ErrRefused):
		return fmt.Errorf("claiming task %s: %w", id, r.Err)
	case r.Task.Version > FormatVersion:
		h.Log.LogAttrs(ctx, slog.LevelError, "task left alone: its row is of a newer version", slog.String("id", id), slog.Int("version", r.Task.Version))
	default:
		h.Log.LogAttrs(ctx, slog.LevelDebug, "hint dropped: claim refused", slog.String("id", id), slog.String("state", string(r.Task.State)))
	}
	return nil
}
