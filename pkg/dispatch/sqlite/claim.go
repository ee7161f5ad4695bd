package sqlite

import (
	"context"
	"database/sql/driver"
	"slices"

	"example.com/dispatch/pkg/dispatch"
)

// claimTask follows a read in the same transaction, within which nobody else writes. RETURNING would save the
// read, but builds a table of its own each time: twice the work.
const claimTask = `UPDATE tasks SET lease=?, until=?, generation=?, lapses=?, room=zeroblob(?) WHERE rowid=?`

// Claim implements [dispatch.Store].
func (s *Store) Claim(ctx context.Context, ids []string, l dispatch.Lease) []dispatch.Result {
	kept := slices.Clone(ids) // the caller may have gone when the writer comes to them
	l.At = dispatch.FromMillis(dispatch.Millis(l.At))
	results := s.each(ctx, len(ids), one, func(c *session, i int) (dispatch.Result, error) {
		t, rowid, progress, err := s.find(c, kept[i])
		switch {
		case err != nil:
			return dispatch.Result{}, err
		case rowid == 0:
			return dispatch.Result{Err: dispatch.ErrNotFound}, nil
		case t.Lease == l.Token: // claimed by an earlier try
			return dispatch.Result{Task: t}, nil
		case !claimable(t, l):
			return dispatch.Result{Task: t, Err: dispatch.ErrRefused}, nil
		}
		if t.Lease != "" {
			t.Lapses++
		}
		t.Lease, t.Until, t.Generation = l.Token, l.At.Add(t.Timeout+dispatch.LeaseMargin), t.Generation+1
		_, err = c.exec(claimTask, t.Lease, dispatch.Millis(t.Until), t.Generation, int64(t.Lapses), room(t, progress), rowid)
		return dispatch.Result{Task: t}, err
	})
	return named("claiming", results, func(i int) string { return ids[i] })
}

const (
	rowOf = `SELECT +rowid a, ` + values + ` FROM tasks WHERE id=?`
	rowAt = `SELECT +rowid a, ` + values + ` FROM tasks WHERE rowid=? AND id=?`
)

// find reads a task, where its row is, 0 if there is none, and how many bytes its progress takes.
func (s *Store) find(c *session, id string) (t dispatch.Task, rowid int64, progress int, err error) {
	read := func(v []driver.Value) (bool, error) {
		rowid, _ = v[0].(int64)
		t, err = taskOf(v[1:])
		b, _ := v[1+progressAt].([]byte)
		progress = len(b)
		return false, err
	}
	if guess := s.rowids.recall(id); guess != 0 {
		if err := c.query(context.Background(), rowAt, read, guess, id); err != nil || rowid != 0 {
			return t, rowid, progress, err
		}
	}
	if err = c.query(context.Background(), rowOf, read, id); err == nil && rowid != 0 {
		s.rowids.remember(id, rowid)
	}
	return t, rowid, progress, err
}

func claimable(t dispatch.Task, l dispatch.Lease) bool {
	return t.State == dispatch.Scheduled && !t.DueAt.After(l.At.Add(dispatch.ClaimAhead)) && t.Timeout <= l.Left &&
		t.Version <= dispatch.FormatVersion && !t.Leased(l.At)
}
