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

const (
	matching    = ` AND (?='' OR queue=?) AND (?='' OR state=?) `
	listOldest  = `SELECT rowid, ` + columns + ` FROM tasks WHERE lane=? AND (due_at, rowid)>(?,?)` + matching + `ORDER BY due_at, rowid LIMIT ?`
	listNewest  = `SELECT rowid, ` + columns + ` FROM tasks WHERE lane=? AND (due_at, rowid)<(?,?)` + matching + `ORDER BY due_at DESC, rowid DESC LIMIT ?`
	listUnkeyed = `SELECT rowid, ` + columns + ` FROM tasks WHERE rowid>?` + matching + `ORDER BY rowid LIMIT ?`
)

// List implements [dispatch.Store].
func (s *Store) List(ctx context.Context, f dispatch.Filter) iter.Seq2[dispatch.Task, error] {
	return func(yield func(dispatch.Task, error) bool) {
		if len(f.Lanes) == 0 {
			s.list(ctx, f, listUnkeyed, func(at, rowid int64) []driver.Value { return []driver.Value{rowid} }, yield)
			return
		}
		sql := listOldest
		if f.Newest {
			sql = listNewest
		}
		for _, lane := range f.Lanes {
			if !s.list(ctx, f, sql, func(at, rowid int64) []driver.Value { return []driver.Value{lane, at, rowid} }, yield) {
				return
			}
		}
	}
}

// list yields the rows of a statement page by page; from tells its first arguments from where the last page
// ended. It returns false when the iteration is over.
func (s *Store) list(ctx context.Context, f dispatch.Filter, sql string, from func(at, rowid int64) []driver.Value, yield func(dispatch.Task, error) bool) bool {
	at, rowid := int64(math.MinInt64), int64(math.MinInt64)
	if f.Newest && len(f.Lanes) > 0 {
		at, rowid = math.MaxInt64, math.MaxInt64
	}
	for more := true; more; {
		var tasks []dispatch.Task
		err := s.read(ctx, func(c *session) error {
			args := append(from(at, rowid), f.Queue, f.Queue, string(f.State), string(f.State), int64(listPage))
			read := 0
			more = false
			return c.query(ctx, sql, func(v []driver.Value) (bool, error) {
				t, err := taskOf(v[1:])
				if err != nil {
					return false, err
				}
				rowid, _ = v[0].(int64)
				at = dispatch.Millis(t.DueAt)
				tasks = append(tasks, t)
				read += len(t.Doc)
				more = len(tasks) == listPage || read >= listBytes
				return read < listBytes, nil
			}, args...)
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
