package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"

	"example.com/dispatch/pkg/dispatch"
)

// claimTask leaves a lease of the same token alone, also one that is over: that claim is repeated, and read.
var claimTask = fmt.Sprintf(`UPDATE tasks SET lapses=lapses+(lease IS NOT NULL), lease=?, until=?+timeout,
	generation=generation+1 WHERE id=? AND state='%s' AND due_at<=? AND timeout<=? AND version<=%d
	AND (lease IS NULL OR until<=? AND lease<>?) RETURNING `+columns, dispatch.Scheduled, dispatch.FormatVersion)

// Claim implements [dispatch.Store].
func (s *Store) Claim(ctx context.Context, ids []string, l dispatch.Lease) []dispatch.Result {
	at := dispatch.Millis(l.At)
	var token, until, ahead, left, now driver.Value = l.Token, at + dispatch.LeaseMargin.Milliseconds(),
		at + dispatch.ClaimAhead.Milliseconds(), l.Left.Milliseconds(), at
	kept := slices.Clone(ids) // the caller may have gone when the writer comes to them
	results := s.each(ctx, len(ids), one, func(c *session, i int) (r dispatch.Result, err error) {
		t, claimed, err := queryTask(c, claimTask, token, until, kept[i], ahead, left, now, token)
		if err != nil || claimed {
			return dispatch.Result{Task: t}, err
		}
		t, there, err := get(c, kept[i])
		switch {
		case !there:
			r.Err = dispatch.ErrNotFound
		case t.Lease == l.Token:
			r.Task = t
		default:
			r.Task, r.Err = t, dispatch.ErrRefused
		}
		return r, err
	})
	return named("claiming", results, func(i int) string { return ids[i] })
}

const settleTask = `UPDATE tasks SET state=?, reason=?, ended_at=?, due_at=?, lane=?, progress=?, lapses=?, ttl=?,
	lease=NULL, until=0 WHERE id=? AND lease=? AND generation=?`

// Settle implements [dispatch.Store].
func (s *Store) Settle(ctx context.Context, t dispatch.Task) error {
	progress, err := dispatch.EncodeProgress(t.Progress)
	if err == nil && size(t, progress) > dispatch.MaxRow {
		err = dispatch.ErrTooLarge
	}
	if err != nil {
		return fmt.Errorf("settling task %q: %w", t.ID, err)
	}
	lost := false
	err = s.writer.write(ctx, 1, func(c *session) error {
		changed, err := c.exec(settleTask, string(t.State), t.Reason, dispatch.Millis(t.EndedAt), dispatch.Millis(t.DueAt),
			text(t.Lane), blob(progress), int64(t.Lapses), seconds(t.TTL), t.ID, t.Lease, t.Generation)
		if err != nil || changed == 1 {
			return err
		}
		settled, err := c.number(`SELECT count(*) FROM tasks WHERE id=? AND lease IS NULL AND generation=?`, t.ID, t.Generation)
		lost = settled == 0
		return err
	})
	if err == nil && lost {
		err = dispatch.ErrLeaseLost
	}
	if err != nil {
		return fmt.Errorf("settling task %q: %w", t.ID, err)
	}
	return nil
}
