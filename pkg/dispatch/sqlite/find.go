package sqlite

import (
	"context"
	"database/sql/driver"
	"strings"

	"example.com/dispatch/pkg/dispatch"
)

const (
	rowOf  = `SELECT +rowid a, ` + values + ` FROM tasks WHERE id=?`
	rowsAt = `SELECT +rowid a, ` + values + ` FROM tasks WHERE rowid IN `
)

// found is a task as a claim finds it.
type found struct {
	task     dispatch.Task
	rowid    int64 // where its row is; 0 if there is none
	progress int   // bytes that its progress takes
}

func foundIn(v []driver.Value) (*found, error) {
	t, err := taskOf(v[1:])
	rowid, _ := v[0].(int64)
	progress, _ := v[1+progressAt].([]byte)
	return &found{t, rowid, len(progress)}, err
}

// find reads a task, wherever it is.
func (s *Store) find(c *session, id string) (*found, error) {
	f := &found{}
	err := c.query(context.Background(), rowOf, func(v []driver.Value) (_ bool, err error) {
		f, err = foundIn(v)
		return false, err
	}, id)
	if err == nil && f.rowid != 0 {
		s.rowids.remember(id, f.rowid)
	}
	return f, err
}

// findTogether reads those of the tasks that are where they were seen last, by id.
func (s *Store) findTogether(c *session, ids []string) (map[string]*found, error) {
	all := make(map[string]*found, len(ids))
	read := func(v []driver.Value) (bool, error) {
		f, err := foundIn(v)
		all[f.task.ID] = f
		return true, err
	}
	for rowids := s.rowids.recallAll(ids); len(rowids) > 0; {
		n := width(len(rowids))
		if err := c.query(context.Background(), rowsAt+list(n), read, rowids[:n]...); err != nil {
			return nil, err
		}
		rowids = rowids[n:]
	}
	return all, nil
}

// widest is how many rows one statement reads or claims at most: it takes half the time that as many statements of one
// row take, and more rows save no more.
const widest = 64

// width returns how many of so many rows the next statement takes, a power of two: there are few statements to prepare.
func width(rows int) int {
	n := widest
	for n > rows {
		n /= 2
	}
	return n
}

// list returns a list of n parameters.
func list(n int) string { return "(?" + strings.Repeat(",?", n-1) + ")" }
