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

const getTask = `SELECT ` + columns + ` FROM tasks WHERE id=?`

// Get implements [dispatch.Store].
func (s *Store) Get(ctx context.Context, ids []string) []dispatch.Result {
	results := make([]dispatch.Result, len(ids))
	for from := 0; from < len(ids); from += chunk {
		part := results[from:min(from+chunk, len(ids))]
		err := s.read(ctx, func(c *session) error {
			for i := range part {
				t, there, err := get(c, ids[from+i])
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

// page is how many rows are read before the consumer sees them: no connection is held while it works.
const page = 1000

// Due implements [dispatch.Store].
func (s *Store) Due(ctx context.Context, lane string, upTo time.Time) iter.Seq2[dispatch.Hint, error] {
	const due = `SELECT due_at, rowid, id, queue FROM tasks WHERE lane=? AND (due_at, rowid)>(?,?) AND due_at<=?
		ORDER BY due_at, rowid LIMIT ?`
	end := dispatch.Millis(upTo)
	return func(yield func(dispatch.Hint, error) bool) {
		var hints []dispatch.Hint
		at, rowid := int64(math.MinInt64), int64(0) // where the last page ended
		for {
			hints = hints[:0]
			err := s.read(ctx, func(c *session) error {
				return c.query(context.Background(), due, func(v []driver.Value) (bool, error) {
					r := row{values: v}
					at, rowid = r.number(), r.number()
					hints = append(hints, dispatch.Hint{ID: r.text(), Queue: r.text(), DueAt: dispatch.FromMillis(at)})
					return true, nil
				}, lane, at, rowid, end, int64(page))
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
