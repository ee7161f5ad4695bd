package dispatch

import (
	"context"
	"errors"
	"time"
)

var (
	errKept        = errors.New("kept")                          // onConflict lets the stored task stay
	errOtherGroup  = errors.New("the task is of another group")  // its chain cannot be changed
	errOtherTenant = errors.New("the task is of another tenant") // nobody replaces another's
)

// replaceAll gives those rows that exist the new content where their task's onConflict asks for it, puts
// what became of them into results, and says which were replaced. rows[at[i]] is the row of all[i].
func (e *Enqueue) replaceAll(ctx context.Context, all []asked, at []int, rows []Task, results []Result) []bool {
	replaced := make([]bool, len(rows))
	done := make([]bool, len(rows))
	for i, a := range all {
		n := at[i]
		if done[n] || a.onConflict == keep || results[n].Err != nil || !results[n].Existing {
			done[n] = true // only the first task of a call with this id made the row
			continue
		}
		done[n] = true
		row := rows[n]
		t, _, err := e.Store.Edit(ctx, row.ID, func(t *Task) error { return t.renew(row, a.onConflict, e.Now()) })
		switch {
		case errors.Is(err, errKept):
		case errors.Is(err, ErrNotFound): // its row went meanwhile: the id is free again
			results[n] = e.Store.Put(ctx, e.Now(), []Task{row})[0]
		case err != nil:
			results[n].Err = err
		default:
			results[n].Task, replaced[n] = t, true
		}
	}
	return replaced
}

// renew gives the task the content of row. A new run begins where the old one has ended, or may have been
// received: a receiver must not drop the new content as a duplicate.
func (t *Task) renew(row Task, how onConflict, now time.Time) error {
	if err := t.known(); err != nil {
		return err
	}
	switch {
	case t.Tenant != row.Tenant:
		return errOtherTenant
	case t.Group != row.Group:
		return errOtherGroup
	case how == replaceFinished && !t.State.Final():
		return errKept
	case t.Leased(now), t.Flag:
		return ErrLeased
	}
	if t.State != Scheduled && t.State != Blocked || len(t.Progress) > 0 || t.Lapses > 0 || t.Lease != "" {
		t.Run++
	}
	if t.State != Blocked {
		t.State = Scheduled
	}
	t.Reason, t.EndedAt, t.Progress, t.Lapses = "", time.Time{}, nil, 0
	t.Queue, t.Lane, t.Doc, t.Hash = row.Queue, row.Lane, row.Doc, row.Hash
	t.Timeout, t.ExpireAt, t.DueAt, t.TTL = row.Timeout, row.ExpireAt, row.DueAt, row.TTL
	t.Identifier, t.Version = row.Identifier, row.Version
	return nil
}
