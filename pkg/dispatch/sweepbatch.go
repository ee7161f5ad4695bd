package dispatch

import (
	"context"
	"log/slog"
	"time"
)

// batch gathers the hints of one look into events of TasksPerHandle.
type batch struct {
	*sweeping
	now   time.Time
	count int
	left  int // what the queue's own limit lets this run hand over
	event []Hint
	old   []Hint // due for so long that their rows are read first
}

func (b *batch) add(ctx context.Context, h Hint) {
	b.count++
	b.taken++
	b.left--
	if b.now.Sub(h.DueAt) > overdue {
		if b.old = append(b.old, h); len(b.old) >= readTogether {
			b.readOverdue(ctx)
		}
		return
	}
	if b.event = append(b.event, h); len(b.event) >= max(1, b.TasksPerHandle) {
		b.flush(ctx)
	}
}

func (b *batch) flush(ctx context.Context) {
	if len(b.event) > 0 {
		b.handOver(ctx, b.event, b.now)
		b.event = nil
	}
}

// readOverdue hands over those of the old hints that still are due: not those that somebody is sending;
// and those that lapsed each by itself, so that a task that kills its handler kills no other's.
func (b *batch) readOverdue(ctx context.Context) {
	if len(b.old) == 0 {
		return
	}
	ids := make([]string, len(b.old))
	for i, h := range b.old {
		ids[i] = h.ID
	}
	for i, r := range b.Store.Get(ctx, ids) {
		h, t := b.old[i], r.Task
		switch {
		case r.Err != nil:
			b.Log.LogAttrs(ctx, slog.LevelWarn, "reading an overdue task failed; the next look repeats it", slog.String("id", h.ID), slog.Any("error", r.Err))
			b.unsee(h)
		case t.State.Final() || t.DueAt.After(b.now):
			// the index lags behind
		case t.Leased(b.now):
			b.taken--
			b.left++
		case t.Lease != "":
			b.handOver(ctx, []Hint{h}, b.now)
		default:
			if b.event = append(b.event, h); len(b.event) >= max(1, b.TasksPerHandle) {
				b.flush(ctx)
			}
		}
	}
	b.flush(ctx)
	b.old = nil
}
