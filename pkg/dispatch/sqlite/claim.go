package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"

	"example.com/dispatch/pkg/dispatch"
)

// Claim implements [dispatch.Store].
func (s *Store) Claim(ctx context.Context, ids []string, l dispatch.Lease) []dispatch.Result {
	kept := slices.Clone(ids) // the caller may have gone when the writer comes to them
	l.At = dispatch.FromMillis(dispatch.Millis(l.At))
	results := s.parts(ctx, len(ids), one, func(c *session, from int, part []dispatch.Result) error {
		return s.claim(c, kept[from:from+len(part)], l, part)
	})
	return named("claiming", results, func(i int) string { return ids[i] })
}

// claim claims tasks within a transaction. Those that are where they were seen are read together, and those without
// a lease written together.
func (s *Store) claim(c *session, ids []string, l dispatch.Lease, results []dispatch.Result) error {
	all, err := s.findTogether(c, ids)
	if err != nil {
		return err
	}
	var free []int64 // their rowids
	for i, id := range ids {
		f := all[id]
		if f == nil {
			if f, err = s.find(c, id); err != nil {
				return err
			}
			all[id] = f // it may be asked for twice
		}
		t := &f.task
		switch {
		case f.rowid == 0:
			results[i].Err = dispatch.ErrNotFound
			continue
		case t.Lease == l.Token: // claimed by an earlier try
		case !claimable(*t, l):
			results[i].Err = dispatch.ErrRefused
		case t.Lease != "":
			t.Lapses++
			lease(t, l)
			err = c.putLease(*t)
		default:
			lease(t, l)
			free = append(free, f.rowid)
		}
		if err != nil {
			return err
		}
		results[i].Task = *t
	}
	return claimFree(c, free, l)
}

// claimFree writes what lease did to tasks that had no lease. It follows a read in the same transaction, within which
// nobody else writes. Where a statement of several rows may abort, and any that calls a function may, SQLite first copies
// each page that it writes, to undo the statement alone. Here an error undoes the whole transaction: so it is OR FAIL.
func claimFree(c *session, rowids []int64, l dispatch.Lease) error {
	from := dispatch.Millis(l.At) + dispatch.LeaseMargin.Milliseconds()
	claimed := int64(0)
	err := together(rowids, func(at []driver.Value) error {
		changed, err := c.exec(leaseAt+tasksAt(len(at)), append([]driver.Value{l.Token, from}, at...)...)
		claimed += changed
		return err
	})
	if err == nil && claimed != int64(len(rowids)) {
		err = fmt.Errorf("of %d tasks just read, %d were claimed", len(rowids), claimed)
	}
	return err
}

func lease(t *dispatch.Task, l dispatch.Lease) {
	t.Lease, t.Until, t.Generation = l.Token, l.At.Add(t.Timeout+dispatch.LeaseMargin), t.Generation+1
}

func claimable(t dispatch.Task, l dispatch.Lease) bool {
	return t.State == dispatch.Scheduled && !t.DueAt.After(l.At.Add(dispatch.ClaimAhead)) && t.Timeout <= l.Left &&
		t.Version <= dispatch.FormatVersion && !t.Leased(l.At)
}
