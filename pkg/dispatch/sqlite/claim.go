package sqlite

import (
	"context"
	"slices"

	"example.com/dispatch/pkg/dispatch"
)

// claimTask follows a read in the same transaction, within which nobody else writes. RETURNING would save the
// read, but builds a table of its own each time: twice the work.
const claimTask = `UPDATE tasks SET lease=?, until=?, generation=?, lapses=? WHERE id=?`

// Claim implements [dispatch.Store].
func (s *Store) Claim(ctx context.Context, ids []string, l dispatch.Lease) []dispatch.Result {
	kept := slices.Clone(ids) // the caller may have gone when the writer comes to them
	l.At = dispatch.FromMillis(dispatch.Millis(l.At))
	results := s.each(ctx, len(ids), one, func(c *session, i int) (dispatch.Result, error) {
		t, there, err := get(c, kept[i])
		switch {
		case err != nil:
			return dispatch.Result{}, err
		case !there:
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
		_, err = c.exec(claimTask, t.Lease, dispatch.Millis(t.Until), t.Generation, int64(t.Lapses), t.ID)
		return dispatch.Result{Task: t}, err
	})
	return named("claiming", results, func(i int) string { return ids[i] })
}

func claimable(t dispatch.Task, l dispatch.Lease) bool {
	return t.State == dispatch.Scheduled && !t.DueAt.After(l.At.Add(dispatch.ClaimAhead)) && t.Timeout <= l.Left &&
		t.Version <= dispatch.FormatVersion && !t.Leased(l.At)
}
