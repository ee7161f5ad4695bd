package dispatch

import (
	"context"
	"log/slog"
	"sync"
)

// flight is the calls of one lease to several targets. What one of them brings is recorded while others are
// still under way: it is done, whatever becomes of them and of this process.
type flight struct {
	handle *Handle

	mu     sync.Mutex
	task   Task
	left   int     // calls under way
	landed int     // calls that are not
	answer *Answer // that a callback tells of: the last of a target that failed, else the last
	events []Event // that are told of once it is settled

	writing sync.Mutex
	written int  // of those that landed
	unclear bool // whether the last write took place
}

// sendAll makes the calls whose time has come, side by side, and settles when all are over.
func (h *Handle) sendAll(ctx context.Context, t Task, d Doc, settings Settings) (Hint, error) {
	due := t.open(d, h.Now())
	f := &flight{handle: h, task: t, left: len(due)}
	var wg sync.WaitGroup
	for _, i := range due {
		wg.Go(func() {
			change, answer := h.send(ctx, t, d, i, &f.events)
			f.land(ctx, i, change, answer)
		})
	}
	wg.Wait()
	if len(due) == 0 {
		f.task = t.sum(d)
	}
	return h.settle(ctx, f.task, d, f.answer, settings, f.events...)
}

// land takes in what came of a call.
func (f *flight) land(ctx context.Context, i int, change func(Task) Task, answer *Answer) {
	f.mu.Lock()
	f.task = change(f.task)
	f.left--
	f.landed++
	mine, failed := f.landed, f.task.progress(i).State.Failed()
	if answer != nil && (failed || f.answer == nil) {
		f.answer = answer
	}
	f.mu.Unlock()
	f.record(ctx, mine)
}

// record writes what is known so far, with that of the landed-th call, unless a later one did, or the settle
// comes at once. After a write whose fate is unknown there is no other, which it could overwrite if it came
// late: the settle, which takes the lease away, writes everything.
func (f *flight) record(ctx context.Context, landed int) {
	f.writing.Lock()
	defer f.writing.Unlock()
	f.mu.Lock()
	t, now, settles := f.task, f.landed, f.left == 0
	f.mu.Unlock()
	if settles || f.unclear || f.written >= landed {
		return
	}
	f.written = now
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.Until.Sub(f.handle.Now()))
	defer cancel()
	if err := f.handle.Store.Record(ctx, t); err != nil {
		f.unclear = true
		f.handle.Log.LogAttrs(ctx, slog.LevelWarn, "a target's result was not recorded; the settle will", slog.String("id", t.ID), slog.Any("error", err))
	}
}
