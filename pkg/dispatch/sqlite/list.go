package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"iter"
	"math"

	"example.com/dispatch/pkg/dispatch"
)

const (
	listPage  = 200     // rows, and
	listBytes = 4 << 20 // of docs, that are read before the consumer sees them
)

// listed is where a page ended: the next one goes on from there.
type listed struct{ at, rowid int64 }

// step is one statement of a page, and its first arguments.
type step struct {
	sql  string
	args func(listed) []driver.Value
}

const (
	listRows = `SELECT rowid, ` + columns + ` FROM tasks WHERE `
	matching = ` AND (?='' OR queue=?) AND (?='' OR state=?) `
)

// listing returns the steps of a page of one lane, in two for the reason given at dueThen, or of the whole store.
func listing(lane string, newest bool) (steps []step, from listed) {
	then := func(l listed) []driver.Value { return []driver.Value{lane, l.at, l.rowid} }
	after := func(l listed) []driver.Value { return []driver.Value{lane, l.at} }
	switch {
	case lane == "":
		return []step{{listRows + `rowid>?` + matching + `ORDER BY rowid LIMIT ?`, func(l listed) []driver.Value { return []driver.Value{l.rowid} }}},
			listed{math.MinInt64, math.MinInt64}
	case newest:
		return []step{
			{listRows + `lane=? AND due_at=? AND rowid<?` + matching + `ORDER BY rowid DESC LIMIT ?`, then},
			{listRows + `lane=? AND due_at<?` + matching + `ORDER BY due_at DESC, rowid DESC LIMIT ?`, after},
		}, listed{math.MaxInt64, math.MaxInt64}
	default:
		return []step{
			{listRows + `lane=? AND due_at=? AND rowid>?` + matching + `ORDER BY rowid LIMIT ?`, then},
			{listRows + `lane=? AND due_at>?` + matching + `ORDER BY due_at, rowid LIMIT ?`, after},
		}, listed{math.MinInt64, math.MinInt64}
	}
}

// List implements [dispatch.Store].
func (s *Store) List(ctx context.Context, f dispatch.Filter) iter.Seq2[dispatch.Task, error] {
	return func(yield func(dispatch.Task, error) bool) {
		lanes := f.Lanes
		if len(lanes) == 0 {
			lanes = []string{""}
		}
		for _, lane := range lanes {
			if !s.list(ctx, f, lane, yield) {
				return
			}
		}
	}
}

// list yields one lane, or the whole store, page by page, and returns false when the iteration is over.
func (s *Store) list(ctx context.Context, f dispatch.Filter, lane string, yield func(dispatch.Task, error) bool) bool {
	steps, end := listing(lane, f.Newest)
	for more := true; more; {
		var tasks []dispatch.Task
		read := 0
		more = false
		keep := func(v []driver.Value) (bool, error) {
			t, err := taskOf(v[1:])
			if err != nil {
				return false, err
			}
			end.rowid, _ = v[0].(int64)
			end.at = dispatch.Millis(t.DueAt)
			tasks = append(tasks, t)
			read += len(t.Doc)
			more = len(tasks) == listPage || read >= listBytes
			return !more, nil
		}
		err := s.read(ctx, func(c *session) error {
			for _, step := range steps {
				if more {
					break
				}
				args := append(step.args(end), f.Queue, f.Queue, string(f.State), string(f.State), int64(listPage-len(tasks)))
				if err := c.query(ctx, step.sql, keep, args...); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			yield(dispatch.Task{}, fmt.Errorf("listing tasks: %w", err))
			return false
		}
		for _, t := range tasks {
			if !yield(t, nil) {
				return false
			}
		}
	}
	return true
}
