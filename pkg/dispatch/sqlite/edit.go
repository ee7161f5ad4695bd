package sqlite

import (
	"context"
	"fmt"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// editTask has the lease among its conditions: a settle changes neither the generation nor, before another
// attempt, the state.
const editTask = `UPDATE tasks SET id=?, state=?, reason=?, queue=?, run=?, ended_at=?, hash=?, timeout=?, expire_at=?,
	due_at=?, lane=?, lease=?, until=?, generation=?, progress=?, lapses=?, ttl=?, version=?, doc=?
	WHERE id=? AND generation=? AND state=? AND lease IS ?`

// Edit implements [dispatch.Store].
func (s *Store) Edit(ctx context.Context, id string, edit func(*dispatch.Task) error) (dispatch.Task, error) {
	for {
		read := s.Get(ctx, []string{id})[0]
		if read.Err != nil {
			return dispatch.Task{}, read.Err
		}
		t := read.Task
		if err := edit(&t); err != nil {
			return dispatch.Task{}, err
		}
		t.ID, t.Lease, t.Until, t.Generation = id, "", time.Time{}, read.Task.Generation+1
		p := newPut(t)
		err := p.err
		done := false
		if err == nil {
			values := append(p.row, id, read.Task.Generation, string(read.Task.State), text(read.Task.Lease))
			err = s.writer.write(ctx, p.weight, func(c *session) error {
				changed, err := c.exec(editTask, values...)
				done = changed == 1
				return err
			})
		}
		if err != nil {
			return dispatch.Task{}, fmt.Errorf("editing task %q: %w", id, err)
		}
		if done {
			return taskOf(p.row)
		}
	}
}

// Delete implements [dispatch.Store].
func (s *Store) Delete(ctx context.Context, id string, generation int64) error {
	deleted, there := int64(0), false
	err := s.writer.write(ctx, 1, func(c *session) (err error) {
		deleted, err = c.exec(`DELETE FROM tasks WHERE id=? AND generation=? AND state<>?`, id, generation, string(dispatch.Scheduled))
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
