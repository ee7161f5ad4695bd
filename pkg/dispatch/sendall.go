package dispatch

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// recordTime bounds the writing of one target's result: what waits for it is the settle.
const recordTime = 5 * time.Second

// flight is the calls of one lease to several targets. What one of them brings is recorded while others are
// still under way: it is done, whatever becomes of them and of this process.
type flight struct {
	handle   *Handle
	doc      Doc
	settings Settings

	mu      sync.Mutex
	task    Task
	left    int           // calls under way
	over    chan struct{} // closed when there is none
	landed  int           // calls that are not
	answers []*Answer     // the last of each target
	events  []Event       // that are told of once it is settled

	writing chan struct{} // held by whoever writes; has room for one
	written int           // of those that landed
	unclear bool          // whether the last write took place
}

// sendAll makes the calls whose time has come, and those whose time comes while others are under way, side by
// side; it settles when all are over.
func (h *Handle) sendAll(ctx context.Context, t Task, d Doc, settings Settings) (next Hint, called bool, err error) {
	due := t.open(d, h.Now())
	if len(due) == 0 {
		next, err = h.settle(ctx, t.sum(d), d, nil, settings)
		return next, false, err
	}
	f := &flight{handle: h, doc: d, settings: settings, task: t, left: len(due), over: make(chan struct{}), writing: make(chan struct{}, 1), answers: make([]*Answer, len(d.Targets))}
	var wg sync.WaitGroup
	for i := range d.Targets {
		wg.Go(func() {
			for begins := slices.Contains(due, i); begins || f.turn(ctx, i); begins = false {
				f.send(ctx, i)
			}
		})
	}
	wg.Wait()
	called = slices.ContainsFunc(f.answers, func(a *Answer) bool { return a != nil })
	next, err = h.settle(ctx, f.task, d, f.answers, settings, f.events...)
	return next, called, err
}

// turn waits for the i-th target's time, and reports whether it is to be called then by this lease: others are
// still under way, and there is time for all of the call.
func (f *flight) turn(ctx context.Context, i int) bool {
	f.mu.Lock()
	t, p, over := f.task, f.task.progress(i), f.left == 0
	f.mu.Unlock()
	now := f.handle.Now()
	wait := max(0, p.NextAt.Sub(now))
	if p.State != "" || over || !now.Add(wait+f.doc.To(i).Timeout()).Before(t.Until.Add(-Skew)) {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-f.over:
		return false
	case <-ctx.Done():
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, _, no := f.handle.refusesAll(f.task, f.doc); no || f.left == 0 {
		return false
	}
	f.left++
	return true
}

// send makes the i-th target's call and takes in what came of it.
func (f *flight) send(ctx context.Context, i int) {
	f.mu.Lock()
	t := f.task
	f.mu.Unlock()
	change, answer := f.handle.send(ctx, t, f.doc, i, f.settings, &f.events)
	f.mu.Lock()
	f.task = change(f.task)
	if answer != nil {
		f.answers[i] = answer
	}
	f.landed++
	mine := f.landed
	if f.left--; f.left == 0 {
		close(f.over)
	}
	f.mu.Unlock()
	f.record(ctx, mine)
}

// record writes what is known so far, with that of the landed-th call, unless a later one did, or the settle
// comes at once. After a write whose fate is unknown there is no other, which it could overwrite if it came
// late: the settle, which takes the lease away, writes everything.
func (f *flight) record(ctx context.Context, landed int) {
	f.writing <- struct{}{}
	defer func() { <-f.writing }()
	f.mu.Lock()
	t, now, settles := f.task, f.landed, f.left == 0
	f.mu.Unlock()
	if settles || f.unclear || f.written >= landed {
		return
	}
	f.written = now
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
	defer cancel()
	if err := f.handle.Store.Record(ctx, t); err != nil {
		f.unclear = true
		f.handle.Log.LogAttrs(ctx, slog.LevelWarn, "a target's result was not recorded; the settle will", slog.String("id", t.ID), slog.Any("error", err))
	}
}
