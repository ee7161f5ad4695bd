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
	queue *quota // the queue's own limit
	event []Hint
	old   []Hint // due for so long that their rows are read first
}

func (b *batch) add(ctx context.Context, h Hint) {
	b.count++
	b.take(1, b.queue)
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

// queueLeft returns how many hints the queue's own limit still lets this run hand over.
func (b *batch) queueLeft() int { return b.queue.left(b.tenant, b.sharers()) }

func (b *batch) flush(ctx context.Context) {
	if len(b.event) > 0 {
		b.handOver(ctx, b.event, b.now)
		b.event = nil
	}
}

// readOverdue hands over those of the old hints that still are due: not those that somebody is sending;
// and those that lapsed each by itself, so that a task that kills its handler kills no other's.
func (b *batch) readOverdue(ctx context.Context) {
	b.rows(ctx, b.old, b.now, func(h Hint, t Task) {
		h.Tenant = t.Tenant
		switch {
		case t.Leased(b.now):
			b.take(-1, b.queue)
		case t.Lease != "":
			b.handOver(ctx, []Hint{h}, b.now)
		default:
			if b.event = append(b.event, h); len(b.event) >= max(1, b.TasksPerHandle) {
				b.flush(ctx)
			}
		}
	})
	b.flush(ctx)
	b.old = nil
}

// Glancer is a store that can read of tasks only what a sweep asks about: their ID, State, Tenant, DueAt, ExpireAt, Lease
// and Until. A sweep of a backlog reads every row, and decoding what it needs not is a part of its CPU time.
type Glancer interface {
	// Glance reads as [Store.Get] does; what else there is to a task may be missing.
	Glance(ctx context.Context, ids []string) []Result
}

// rows reads the tasks that hints are of, and calls each for those that are due, whatever the index said.
func (r *sweeping) rows(ctx context.Context, hints []Hint, now time.Time, each func(Hint, Task)) {
	if len(hints) == 0 {
		return
	}
	ids := make([]string, len(hints))
	for i, h := range hints {
		ids[i] = h.ID
	}
	read := r.Store.Get
	if store, ok := r.Store.(Glancer); ok {
		read = store.Glance
	}
	for i, result := range read(ctx, ids) {
		h, t := hints[i], result.Task
		switch {
		case result.Err != nil:
			r.Log.LogAttrs(ctx, slog.LevelWarn, "reading a due task failed; the next look repeats it", slog.String("id", h.ID), slog.Any("error", result.Err))
			r.unsee(h)
		case t.State == Scheduled && !t.DueAt.After(now):
			each(h, t)
		}
	}
}
