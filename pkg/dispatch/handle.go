package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
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
	// Circuits keep calls from receivers that fail again and again; nil: none does.
	Circuits *Circuits
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
	claimed, alone, err := h.Claim(ctx, hints)
	errs := make([]error, len(claimed)+len(alone))
	var wg sync.WaitGroup
	for i, hint := range alone {
		wg.Go(func() { errs[i] = h.follow(ctx, hint) })
	}
	for i, c := range claimed {
		wg.Go(func() { errs[len(alone)+i] = h.RunClaimed(ctx, c) })
	}
	wg.Wait()
	return errors.Join(append(errs, err)...)
}

// Claimed is a task whose lease [Handle.Claim] has taken.
type Claimed struct {
	task     Task
	settings Settings // those by which it was claimed
}

// Claim takes the leases of all that may be claimed together, in one call of the store: the tasks whose queues
// and tenants have neither limits nor a pause. Each of them must go to [Handle.RunClaimed], or its lease lapses. The hints of the others
// are returned for Run, one by one. The error says that the store failed for some, which are in neither.
func (h *Handle) Claim(ctx context.Context, hints []Hint) (claimed []Claimed, alone []Hint, err error) {
	settings, err := h.Settings(ctx)
	if err != nil {
		return nil, nil, err
	}
	ids := make([]string, 0, len(hints))
	for _, hint := range hints {
		if settings.plain(hint.Queue, hint.Tenant) {
			ids = append(ids, hint.ID)
		} else {
			alone = append(alone, hint)
		}
	}
	if len(ids) == 0 {
		return nil, alone, nil
	}
	claimed = make([]Claimed, 0, len(ids))
	var errs []error
	for i, r := range h.claim(ctx, ids, h.Token()) {
		if r.Err != nil {
			errs = append(errs, h.refused(ctx, ids[i], r))
			continue
		}
		claimed = append(claimed, Claimed{r.Task, settings})
	}
	return claimed, alone, errors.Join(errs...)
}

// RunClaimed runs a claimed task, and after it those that its group's turn comes to, as Run does.
func (h *Handle) RunClaimed(ctx context.Context, c Claimed) error {
	next, _, err := h.runIn(ctx, c.task, Hint{}, c.settings)
	return errors.Join(err, h.follow(ctx, next))
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

// one handles a hint by itself, by the rules of its queue and tenant, and returns the hint of whoever waited behind it.
func (h *Handle) one(ctx context.Context, hint Hint, settings Settings) (Hint, error) {
	paused, token := settings.Queues[hint.Queue].Paused, h.Token()
	if paused && !h.isExpired(ctx, hint.ID) {
		return Hint{}, nil // its time comes when the queue goes on
	}
	called := false
	var limits []Limit
	if !paused {
		limits = settings.Limits(hint.Queue, hint.Tenant)
	}
	if len(limits) > 0 {
		taken, ok, err := limiter{h.Store, h.Now, h.Chance}.takeAll(ctx, limits, token)
		defer func() { h.giveBack(ctx, taken, token, called) }()
		if err != nil || !ok {
			return Hint{}, err
		}
	}
	r := h.claim(ctx, []string{hint.ID}, token)[0]
	if r.Err != nil {
		return Hint{}, h.refused(ctx, hint.ID, r)
	}
	for _, l := range limits {
		if l.InFlight == 0 || !r.Task.Until.After(h.Now().Add(holdTime)) {
			continue
		}
		if err := (limiter{h.Store, h.Now, h.Chance}).extend(ctx, l, token, r.Task.Until); err != nil {
			return Hint{}, err // the lease lapses, and is counted: better than more calls than allowed
		}
	}
	next, called, err := h.runIn(ctx, r.Task, hint, settings)
	return next, err
}

// giveBack ends what a call has taken from limits.
func (h *Handle) giveBack(ctx context.Context, taken []Limit, token string, called bool) {
	for _, l := range taken {
		if err := (limiter{h.Store, h.Now, h.Chance}).done(context.WithoutCancel(ctx), l, token, called); err != nil {
			h.Log.LogAttrs(ctx, slog.LevelWarn, "a limit was not given back; it ends by itself", slog.String("of", l.String()), slog.Any("error", err))
		}
	}
}

// runIn runs a claimed task if what its queue and its tenant ask for was asked: a hint may have named another queue, or
// no tenant. If not, the claim is given back and the result is the right hint.
func (h *Handle) runIn(ctx context.Context, t Task, asked Hint, settings Settings) (next Hint, called bool, err error) {
	right := t.Queue == asked.Queue && (t.Tenant == asked.Tenant || slices.Equal(settings.Limits(t.Queue, t.Tenant), settings.Limits(asked.Queue, asked.Tenant)))
	if right || settings.plain(t.Queue, t.Tenant) {
		return h.run(ctx, t, settings)
	}
	_, err = h.settle(ctx, t, Doc{}, nil, settings)
	return t.Hint(), false, err
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
	if h.Circuits != nil {
		h.Circuits.refresh(ctx, h.Now()) // meanwhile
	}
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
