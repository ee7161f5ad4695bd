package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

const (
	settleTask = settleRow + `id=? AND lease=? AND generation=? AND group_name IS ?`
	settleAt   = settleRow + `id=? AND lease=? AND generation=? AND group_name IS NULL AND rowid=?`
	settleRow  = `UPDATE tasks SET state=?, reason=?, ended_at=?, due_at=?, lane=?, turn_lane=?, identifier=?,
	progress=?, lapses=?, ttl=?, room=zeroblob(?), lease=NULL, until=0 WHERE `
)

// Settle implements [dispatch.Store].
func (s *Store) Settle(ctx context.Context, t dispatch.Task, callbacks ...dispatch.Task) (dispatch.Hint, error) {
	e, err := newSettle(t, callbacks)
	var next dispatch.Hint
	lost := false
	if err == nil {
		err = s.writer.write(ctx, e.weight, func(c *session) (err error) {
			next, lost, err = e.write(c, s.rowids.recall(e.task.ID))
			return err
		})
	}
	if err == nil && t.State.Final() {
		s.rowids.forget(t.ID)
	}
	if err == nil && lost {
		err = dispatch.ErrLeaseLost
	}
	if err != nil {
		return dispatch.Hint{}, fmt.Errorf("settling task %q: %w", t.ID, err)
	}
	return next, nil
}

// settle is a task on its way out of its lease, with what is put in the same commit.
type settle struct {
	task      dispatch.Task  // its memory is the caller's: only what is copied with it may be read
	row       []driver.Value // the arguments of settleTask but the last, the group
	callbacks []put
	weight    int
}

func newSettle(t dispatch.Task, callbacks []dispatch.Task) (settle, error) {
	progress, err := dispatch.EncodeProgress(t.Progress)
	if err == nil && size(t, progress) > dispatch.MaxRow {
		err = dispatch.ErrTooLarge
	}
	if err != nil {
		return settle{}, err
	}
	lane, turnLane := lanes(t)
	after := t
	after.Lease, after.Until = "", time.Time{}
	e := settle{task: t, weight: 1}
	e.row = append(make([]driver.Value, 0, 15), string(t.State), t.Reason, dispatch.Millis(t.EndedAt), dispatch.Millis(t.DueAt), lane, turnLane,
		text(t.Identifier), blob(progress), int64(t.Lapses), seconds(t.TTL), room(after, len(progress)), t.ID, t.Lease, t.Generation)
	for _, c := range callbacks {
		p := newPut(c)
		if p.err != nil {
			return settle{}, fmt.Errorf("callback %q: %w", c.ID, p.err)
		}
		e.callbacks, e.weight = append(e.callbacks, p), e.weight+p.weight
	}
	return e, nil
}

// write settles and puts the callbacks. A plain task whose row is where it was takes one statement: only where that
// meets no row is there something to look at.
func (e settle) write(c *session, rowid int64) (next dispatch.Hint, lost bool, err error) {
	if e.task.Group == "" && rowid != 0 {
		changed, err := c.exec(settleAt, append(e.row, rowid)...)
		if err != nil || changed == 1 {
			return next, false, e.call(c, err)
		}
	}
	row, there, err := get(c, e.task.ID)
	switch {
	case err != nil:
		return next, false, err
	case there && row.Lease == "" && row.Generation == e.task.Generation: // settled by an earlier try
		next, err = turn(c, row)
		return next, false, err
	case !there || row.Lease != e.task.Lease || row.Generation != e.task.Generation:
		return next, true, nil
	}
	_, err = c.exec(settleTask, append(e.row, text(row.Group))...)
	if err == nil && e.task.State.Final() {
		next, err = handOver(c, row)
	}
	return next, false, e.call(c, err)
}

// call puts the callbacks, unless the settle has failed. One that is there already was put by an earlier try, however
// old it is.
func (e settle) call(c *session, err error) error {
	for _, p := range e.callbacks {
		if err == nil {
			_, err = p.write(c, time.Time{})
		}
	}
	return err
}
