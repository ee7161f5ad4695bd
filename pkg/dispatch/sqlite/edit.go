package sqlite

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// A task's place in its group is not among what it writes: others may have joined behind it.
const editTask = `UPDATE tasks SET id=?, state=?, reason=?, queue=?, run=?, ended_at=?, hash=?, timeout=?, expire_at=?,
	due_at=?, lane=?, turn_lane=?, generation=?, progress=?, lapses=?, ttl=?, version=?, doc=?,
	flag=?, identifier=?, tenant=? WHERE id=?`

// Edit implements [dispatch.Store].
func (s *Store) Edit(ctx context.Context, id string, edit func(*dispatch.Task) error) (dispatch.Task, dispatch.Hint, error) {
	for {
		read := s.Get(ctx, []string{id})[0]
		if read.Err != nil {
			return dispatch.Task{}, dispatch.Hint{}, read.Err
		}
		before, t := read.Task, read.Task
		if err := edit(&t); err != nil {
			return dispatch.Task{}, dispatch.Hint{}, err
		}
		t.ID, t.Lease, t.Until, t.Generation = id, "", time.Time{}, before.Generation+1
		t.Group, t.Prev, t.Next = before.Group, before.Prev, before.Next
		p := newPut(t)
		err := p.err
		var written dispatch.Task
		var next dispatch.Hint
		done := false
		if err == nil {
			err = s.writer.write(ctx, p.weight, func(c *session) (err error) {
				written, next, done, err = p.replace(c, before)
				return err
			})
		}
		if err != nil {
			return dispatch.Task{}, dispatch.Hint{}, fmt.Errorf("editing task %q: %w", id, err)
		}
		if done {
			return written, next, nil
		}
	}
}

// replace writes the row, unless another write came between, and moves the group along.
func (p put) replace(c *session, before dispatch.Task) (t dispatch.Task, next dispatch.Hint, done bool, err error) {
	t = p.task
	was, is := before.State.Final(), t.State.Final()
	joins := t.Group != "" && was && !is
	if joins {
		if t, err = behind(c, t); err != nil {
			return t, next, false, err
		}
		if p.row, err = fields(t); err != nil {
			return t, next, false, err
		}
	}
	// A settle before another attempt changes nothing of this but the lease, which it ends; and a record by whoever has a
	// lease that is over, the progress alone.
	now, there, err := get(c, t.ID)
	if err != nil || !there || now.Generation != before.Generation || now.State != before.State || now.Lease != before.Lease ||
		now.Lease != "" && !reflect.DeepEqual(now.Progress, before.Progress) {
		return t, next, false, err
	}
	if _, err = c.exec(editTask, append(p.row[:len(p.row)-places:len(p.row)-places], t.ID)...); err == nil && now.Lease != "" {
		_, err = c.exec(dropLease, t.ID)
	}
	if err != nil {
		return t, next, false, err
	}
	if t.Group == "" {
		t, err = p.stored()
		return t, next, true, err
	}
	if joins {
		if _, err = c.exec(setPlace, text(t.Prev), t.ID); err == nil {
			err = link(c, t)
		}
	}
	if err == nil {
		t, _, err = get(c, t.ID)
	}
	if err == nil && is && !was {
		next, err = handOver(c, t)
	}
	return t, next, true, err
}

// Delete implements [dispatch.Store].
func (s *Store) Delete(ctx context.Context, id string, generation int64) error {
	deleted, there := int64(0), false
	err := s.writer.write(ctx, 1, func(c *session) (err error) {
		deleted, err = c.exec(`DELETE FROM tasks WHERE id=? AND generation=? AND state NOT IN ('scheduled','blocked','held')`, id, generation)
		if err == nil && deleted == 0 {
			_, there, err = get(c, id)
		}
		return err
	})
	if err == nil && there {
		err = dispatch.ErrConflict
	}
	if err != nil {
		return fmt.Errorf("deleting task %q: %w", id, err)
	}
	return nil
}
