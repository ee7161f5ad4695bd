package sqlite

import (
	"context"
	"database/sql/driver"
	"math/bits"
	"slices"
	"strings"

	"example.com/dispatch/pkg/dispatch"
)

const (
	rowOf = rows + withLeases + ` WHERE t.id=?`
	rows  = `SELECT +t.rowid a, ` + values + ` FROM `
)

// tasksAt returns the tasks at n rowids, for a FROM. For a list (IN) SQLite makes a table of its own, which takes as long as
// reading eight rows.
func tasksAt(n int) string {
	return `(VALUES (?)` + strings.Repeat(`,(?)`, n-1) + `) v CROSS JOIN tasks t ON t.rowid=v.column1`
}

// found is a task as a claim finds it.
type found struct {
	task  dispatch.Task
	rowid int64 // where its row is; 0 if there is none
}

func foundIn(v []driver.Value) (*found, error) {
	t, err := taskOf(v[1:])
	rowid, _ := v[0].(int64)
	return &found{t, rowid}, err
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
	err := together(s.rowids.recallAll(ids), func(at []driver.Value) error {
		return c.query(context.Background(), rows+tasksAt(len(at))+withLease, read, at...)
	})
	return all, err
}

// widest is how many rows one statement reads or claims at most: it takes half the time that as many statements of one
// row take, and more rows save no more.
const widest = 64

// together hands out rowids in the order in which the rows lie, as many as one statement takes: a power of two, so that there
// are few statements to prepare. Those that make up for what is missing are NULL, and of no row.
func together(rowids []int64, do func(at []driver.Value) error) error {
	slices.Sort(rowids)
	for some := range slices.Chunk(rowids, widest) {
		at := make([]driver.Value, width(len(some)))
		for i, rowid := range some {
			at[i] = rowid
		}
		if err := do(at); err != nil {
			return err
		}
	}
	return nil
}

// width returns the least power of two from n on.
func width(n int) int { return 1 << bits.Len(uint(n-1)) }
