package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"iter"
	"math"
	"slices"

	"example.com/dispatch/pkg/dispatch"
)

const (
	listPage  = 200     // rows, and
	listBytes = 4 << 20 // of docs, that are read before the consumer sees them
)

// listed is where a page ended: the next one goes on from there.
type listed struct {
	at, rowid      int64
	id, identifier string
}

// step is one statement of a page, and its first arguments.
type step struct {
	sql  string
	args func(listed) []driver.Value
}

const (
	listRows = rows + withLeases + ` WHERE `
	matching = ` AND (?='' OR queue=?) AND (?='' OR tenant=?) AND (?='' OR state=?) `
)

// listing is a part of a List: the steps of each page, in two where one would walk again over what earlier pages
// had (see dueThen), and where the first page begins.
type listing struct {
	steps []step
	from  listed
}

// listings returns the parts of a List: lanes, or identifiers, or all rows that have one, or the whole store.
func listings(f dispatch.Filter) (parts []listing) {
	switch {
	case len(f.Lanes) > 0:
		for _, lane := range f.Lanes {
			parts = append(parts, laneListing(lane, f.Newest))
		}
	case len(f.Identifiers) > 0:
		for _, id := range slices.Compact(slices.Sorted(slices.Values(f.Identifiers))) {
			parts = append(parts, listing{[]step{
				{listRows + `identifier=? AND t.rowid>?` + matching + `ORDER BY t.rowid LIMIT ?`, func(l listed) []driver.Value { return []driver.Value{id, l.rowid} }},
			}, listed{rowid: math.MinInt64}})
		}
	case f.Identified:
		parts = append(parts, listing{[]step{
			{listRows + `identifier=? AND t.rowid>?` + matching + `ORDER BY t.rowid LIMIT ?`, func(l listed) []driver.Value { return []driver.Value{l.identifier, l.rowid} }},
			{listRows + `identifier>?` + matching + `ORDER BY identifier, t.rowid LIMIT ?`, func(l listed) []driver.Value { return []driver.Value{l.identifier} }},
		}, listed{rowid: math.MinInt64}})
	default:
		parts = append(parts, listing{[]step{
			{listRows + `t.rowid>?` + matching + `ORDER BY t.rowid LIMIT ?`, func(l listed) []driver.Value { return []driver.Value{l.rowid} }},
		}, listed{rowid: math.MinInt64}})
	}
	return parts
}

func laneListing(lane string, newest bool) listing {
	then := func(l listed) []driver.Value { return []driver.Value{lane, l.at, l.id} }
	after := func(l listed) []driver.Value { return []driver.Value{lane, l.at} }
	if newest {
		return listing{[]step{
			{listRows + `lane=? AND due_at=? AND t.id<?` + matching + `ORDER BY t.id DESC LIMIT ?`, then},
			{listRows + `lane=? AND due_at<?` + matching + `ORDER BY due_at DESC, t.id DESC LIMIT ?`, after},
		}, listed{at: math.MaxInt64}}
	}
	return listing{[]step{
		{listRows + `lane=? AND due_at=? AND t.id>?` + matching + `ORDER BY t.id LIMIT ?`, then},
		{listRows + `lane=? AND due_at>?` + matching + `ORDER BY due_at, t.id LIMIT ?`, after},
	}, listed{at: math.MinInt64}}
}

// List implements [dispatch.Store].
func (s *Store) List(ctx context.Context, f dispatch.Filter) iter.Seq2[dispatch.Task, error] {
	return func(yield func(dispatch.Task, error) bool) {
		for _, part := range listings(f) {
			if !s.list(ctx, f, part, yield) {
				return
			}
		}
	}
}

// list yields one part page by page, and returns false when the iteration is over.
func (s *Store) list(ctx context.Context, f dispatch.Filter, part listing, yield func(dispatch.Task, error) bool) bool {
	end := part.from
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
			end.at, end.id, end.identifier = dispatch.Millis(t.DueAt), t.ID, t.Identifier
			tasks = append(tasks, t)
			read += len(t.Doc)
			more = len(tasks) == listPage || read >= listBytes
			return !more, nil
		}
		err := s.read(ctx, func(c *session) error {
			for _, step := range part.steps {
				if more {
					break
				}
				args := append(step.args(end), f.Queue, f.Queue, f.Tenant, f.Tenant, string(f.State), string(f.State), int64(listPage-len(tasks)))
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
