package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"

	"example.com/dispatch/pkg/dispatch"
)

// Both follow a read in the same transaction, within which nobody else writes. RETURNING would save the read, but
// builds a table of its own each time: twice the work. Where a statement of several rows may abort, and any that calls a
// function may, SQLite first copies each page that it writes, to undo the statement alone, and more than 64 KB of them to
// a file. Here an error undoes the whole transaction: so it is OR FAIL, and the room comes ready.
const (
	claimTask  = `UPDATE tasks SET lease=?, until=?, generation=?, lapses=?, room=zeroblob(?) WHERE rowid=?`
	claimTasks = `UPDATE OR FAIL tasks SET lease=?, until=timeout+?, generation=generation+1, room=? WHERE rowid IN `
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
	free := map[int64][]driver.Value{} // their rowids, by the room they are to have
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
			_, err = c.exec(claimTask, t.Lease, dispatch.Millis(t.Until), t.Generation, int64(t.Lapses), room(*t, f.progress), f.rowid)
		default:
			lease(t, l)
			r := room(*t, f.progress)
			free[r] = append(free[r], f.rowid)
		}
		if err != nil {
			return err
		}
		results[i].Task = *t
	}
	for room, rowids := range free {
		if err := claimFree(c, rowids, room, l); err != nil {
			return err
		}
	}
	return nil
}

// claimFree writes what lease did to tasks that had no lease, and are all to have the same room.
func claimFree(c *session, rowids []driver.Value, room int64, l dispatch.Lease) error {
	from := dispatch.Millis(l.At) + dispatch.LeaseMargin.Milliseconds()
	for len(rowids) > 0 {
		n := width(len(rowids))
		changed, err := c.exec(claimTasks+list(n), append([]driver.Value{l.Token, from, make([]byte, room)}, rowids[:n]...)...)
		if err == nil && changed != int64(n) {
			err = fmt.Errorf("of %d rows just read, %d were written", n, changed)
		}
		if err != nil {
			return err
		}
		rowids = rowids[n:]
	}
	return nil
}

func lease(t *dispatch.Task, l dispatch.Lease) {
	t.Lease, t.Until, t.Generation = l.Token, l.At.Add(t.Timeout+dispatch.LeaseMargin), t.Generation+1
}

func claimable(t dispatch.Task, l dispatch.Lease) bool {
	return t.State == dispatch.Scheduled && !t.DueAt.After(l.At.Add(dispatch.ClaimAhead)) && t.Timeout <= l.Left &&
		t.Version <= dispatch.FormatVersion && !t.Leased(l.At)
}
