package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

const (
	settleTask = settleRow + `id=?`
	settleAt   = settleRow + `rowid=? AND id=? AND group_name IS NULL`
	settleRow  = `UPDATE tasks SET state=?, reason=?, ended_at=?, due_at=?, lane=?, turn_lane=?, identifier=?,
	progress=?, lapses=?, ttl=?, generation=?, room=zeroblob(?) WHERE `
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
	row       []driver.Value // the arguments of settleRow
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
	e := settle{task: t, weight: 1}
	e.row = append(make([]driver.Value, 0, 14), string(t.State), t.Reason, dispatch.Millis(t.EndedAt), dispatch.Millis(t.DueAt), lane, turnLane,
		text(t.Identifier), blob(progress), int64(t.Lapses), seconds(t.TTL), t.Generation, room(t, len(progress)))
	for _, c := range callbacks {
		p := newPut(c)
		if p.err != nil {
			return settle{}, fmt.Errorf("callback %q: %w", c.ID, p.err)
		}
		e.callbacks, e.weight = append(e.callbacks, p), e.weight+p.weight
	}
	return e, nil
}

// write settles and puts the callbacks. A plain task whose row is where it was takes two statements: only where one of
// them meets no row is there something to look at.
func (e settle) write(c *session, rowid int64) (next dispatch.Hint, lost bool, err error) {
	t := e.task
	ended, err := c.exec(endLease, t.ID, t.Lease, t.Generation)
	if err != nil {
		return next, false, err
	}
	if ended == 1 && t.Group == "" && rowid != 0 {
		changed, err := c.exec(settleAt, append(e.row, rowid, t.ID)...)
		if err != nil || changed == 1 {
			return next, false, e.call(c, err)
		}
	}
	row, there, err := get(c, t.ID)
	switch {
	case err != nil:
		return next, false, err
	case there && ended == 0 && row.Lease == "" && row.Generation == t.Generation: // settled by an earlier try
		next, err = turn(c, row)
		return next, false, err
	case !there || ended == 0:
		return next, true, nil
	}
	_, err = c.exec(settleTask, append(e.row, t.ID)...)
	if err == nil && t.State.Final() {
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
