package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"iter"
	"math"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

const getTask = `SELECT ` + values + ` FROM ` + withLeases + ` WHERE t.id=?`

// Get implements [dispatch.Store].
func (s *Store) Get(ctx context.Context, ids []string) []dispatch.Result {
	results := make([]dispatch.Result, len(ids))
	for from := 0; from < len(ids); from += chunk {
		part := results[from:min(from+chunk, len(ids))]
		err := s.read(ctx, func(c *session) error {
			seen, err := s.findTogether(c, ids[from:from+len(part)])
			if err != nil {
				return err
			}
			for i := range part {
				id := ids[from+i]
				if f := seen[id]; f != nil {
					part[i].Task = f.task
					continue
				}
				t, there, err := get(c, id)
				switch {
				case err != nil:
					return err
				case there:
					part[i].Task = t
				default:
					part[i].Err = dispatch.ErrNotFound
				}
			}
			return nil
		})
		if err != nil {
			for i := range part {
				part[i] = dispatch.Result{Err: err}
			}
		}
	}
	return named("getting", results, func(i int) string { return ids[i] })
}

func get(c *session, id string) (t dispatch.Task, there bool, err error) {
	err = c.query(context.Background(), getTask, func(v []driver.Value) (bool, error) {
		there = true
		t, err = taskOf(v)
		return false, err
	}, id)
	return t, there, err
}

// page is how many hints are read before the consumer sees them: no connection is held while it works.
const page = 500

// A page goes on within the instant at which the last one ended, and then after it. Asked for as one, SQLite would
// walk again over all that the earlier pages had of that instant; a batch put at once is all of one.
const (
	dueThen  = `SELECT due_at, id, rowid FROM tasks WHERE lane=? AND due_at=? AND id>? ORDER BY id LIMIT ?`
	dueAfter = `SELECT due_at, id, rowid FROM tasks WHERE lane=? AND due_at>? AND due_at<=? ORDER BY due_at, id LIMIT ?`
)

// Due implements [dispatch.Store].
func (s *Store) Due(ctx context.Context, lane string, upTo time.Time) iter.Seq2[dispatch.Hint, error] {
	end := dispatch.Millis(upTo)
	return func(yield func(dispatch.Hint, error) bool) {
		var hints []dispatch.Hint
		at, id := int64(math.MinInt64), "" // where the last page ended
		queue, tenant := dispatch.QueueOf(lane), dispatch.TenantOf(lane)
		keep := func(v []driver.Value) (bool, error) {
			r := row{values: v}
			at, id = r.number(), r.text()
			s.rowids.remember(id, r.number())
			hints = append(hints, dispatch.Hint{ID: id, Queue: queue, Tenant: tenant, DueAt: dispatch.FromMillis(at)})
			return true, nil
		}
		for {
			hints = hints[:0]
			err := s.read(ctx, func(c *session) error {
				if err := c.query(context.Background(), dueThen, keep, lane, at, id, int64(page)); err != nil {
					return err
				}
				return c.query(context.Background(), dueAfter, keep, lane, at, end, int64(page-len(hints)))
			})
			if err != nil {
				yield(dispatch.Hint{}, fmt.Errorf("reading what is due in lane %q: %w", lane, err))
				return
			}
			for _, h := range hints {
				if !yield(h, nil) {
					return
				}
			}
			if len(hints) < page {
				return
			}
		}
	}
}
