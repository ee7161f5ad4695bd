// Package why says why a task has not run yet.
package why

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"example.com/dispatch/cmd/dispatch/internal/view"
	"example.com/dispatch/pkg/dispatch"
)

// maxSteps is how far a group is followed towards its head: each step is a read.
const maxSteps = 1000

// Shown shows a task, with why it has not run yet.
func Shown(ctx context.Context, store dispatch.Store, settings func(context.Context) (dispatch.Settings, error), t dispatch.Task, now time.Time) (view.Task, error) {
	inForce, err := settings(ctx)
	if err != nil {
		return view.Task{}, err
	}
	v := view.New(t, now, inForce.Redact)
	v.Waits, err = Waits(ctx, store, inForce, t, now)
	return v, err
}

// Waits says in one line why a task has not run yet, "" for one that has ended.
func Waits(ctx context.Context, store dispatch.Store, settings dispatch.Settings, t dispatch.Task, now time.Time) (string, error) {
	switch {
	case t.State.Final():
		return "", nil
	case t.Version > dispatch.FormatVersion:
		return fmt.Sprintf("its row is of version %d, and this program knows up to %d: a newer one takes care of it", t.Version, dispatch.FormatVersion), nil
	case t.State == dispatch.Blocked:
		return behind(ctx, store, settings, t, now)
	case t.State == dispatch.Held:
		return "held: it waits for a person to retry, skip or cancel it", nil
	case t.Leased(now):
		return "leased until " + instant(t.Until) + ": somebody may be sending it", nil
	}
	return scheduled(ctx, store, settings, t, now)
}

// behind tells of a blocked task who is before it, and what that one waits for.
func behind(ctx context.Context, store dispatch.Store, settings dispatch.Settings, t dispatch.Task, now time.Time) (string, error) {
	text, prev := "", t.Prev
	if t.Flag {
		text = "cancelled, it ends at its turn; "
	}
	for steps := 0; prev != ""; steps++ {
		if steps == maxSteps {
			return fmt.Sprintf("%sblocked behind %s, and more than %d before that", text, t.Prev, maxSteps), nil
		}
		r := store.Get(ctx, []string{prev})[0]
		switch {
		case errors.Is(r.Err, dispatch.ErrNotFound):
			return text + "blocked behind " + prev + ", which is not there any more", nil
		case r.Err != nil:
			return "", fmt.Errorf("reading task %s: %w", prev, r.Err)
		case r.Task.State == dispatch.Blocked:
			prev = r.Task.Prev
			continue
		}
		text += fmt.Sprintf("blocked behind %s, which is %s", prev, r.Task.State)
		if steps > 0 {
			text += fmt.Sprintf(", and %s between", tasks(steps))
		}
		why, err := Waits(ctx, store, settings, r.Task, now)
		if err != nil || why == "" {
			return text, err
		}
		return text + ": " + strings.TrimPrefix(why, "held: "), nil
	}
	return text + "blocked, and nobody is before it", nil
}

// scheduled tells of a task in its lane all that keeps it from being called.
func scheduled(ctx context.Context, store dispatch.Store, settings dispatch.Settings, t dispatch.Task, now time.Time) (string, error) {
	var reasons []string
	say := func(format string, args ...any) { reasons = append(reasons, fmt.Sprintf(format, args...)) }
	if t.Flag {
		return "cancelled: it ends as soon as a sweep meets it", nil
	}
	if t.DueAt.After(now) {
		say("not due until %s", instant(t.DueAt))
		for _, p := range t.Progress {
			switch n := len(p.Last); {
			case p.State != "" || p.WaitingSince.IsZero():
			case dispatch.HeldBack(p):
				say("its receiver fails: %s", p.Error)
			case n > 0 && p.Last[n-1].Status == 0: // a wait without an answer: nothing was sent
				say("it cannot be sent (%s), and waits since %s", p.Error, instant(p.WaitingSince))
			default:
				say("its receiver has said \"not yet\" since %s", instant(p.WaitingSince))
			}
		}
	}
	q, known := settings.Queues[t.Queue]
	switch {
	case !known:
		say("there is no queue %s, so nobody looks into it", t.Queue)
	case q.Paused:
		say("its queue %s is paused", t.Queue)
	case !t.DueAt.After(now):
		for _, l := range settings.Limits(t.Queue, t.Tenant) {
			limit, err := limits(ctx, store, l, now)
			if err != nil {
				return "", err
			}
			say("%s", limit)
		}
	}
	switch {
	case len(reasons) > 0:
	case !t.ExpireAt.IsZero() && !now.Before(t.ExpireAt):
		say("expired at %s: it ends as soon as a sweep meets it", instant(t.ExpireAt))
	case t.Lease != "":
		say("its lease lapsed at %s, and nobody has claimed it since: is a sweep running?", instant(t.Until))
	default:
		say("due since %s, and nobody has claimed it: is a sweep running?", instant(t.DueAt))
	}
	return strings.Join(reasons, "; "), nil
}

// limits tells what is used of a limit.
func limits(ctx context.Context, store dispatch.Store, l dispatch.Limit, now time.Time) (string, error) {
	inFlight, more, err := dispatch.Used(ctx, store, l, now)
	if err != nil {
		return "", err
	}
	var used []string
	if l.InFlight > 0 {
		used = append(used, fmt.Sprintf("%d of %d calls are in flight", inFlight, l.InFlight))
	}
	if l.Rate > 0 {
		used = append(used, fmt.Sprintf("%v a second may begin", l.Rate))
	}
	text := fmt.Sprintf("its %s is at its limit", l)
	if more {
		text = fmt.Sprintf("its %s is limited, and others may come first", l)
	}
	return text + ": " + strings.Join(used, ", "), nil
}

func tasks(n int) string {
	if n == 1 {
		return "1 task"
	}
	return fmt.Sprintf("%d tasks", n)
}

func instant(t time.Time) string { return t.UTC().Format(time.RFC3339) }
