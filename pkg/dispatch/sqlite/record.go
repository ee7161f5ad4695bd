package sqlite

import (
	"context"
	"fmt"

	"example.com/dispatch/pkg/dispatch"
)

const recordTask = `UPDATE tasks SET progress=? WHERE id=? AND ` + leased

// Record implements [dispatch.Store].
func (s *Store) Record(ctx context.Context, t dispatch.Task) error {
	progress, err := dispatch.EncodeProgress(t.Progress)
	if err == nil && size(t, progress) > dispatch.MaxRow {
		err = dispatch.ErrTooLarge
	}
	lost, id, lease, generation := false, t.ID, t.Lease, t.Generation // t's memory is the caller's
	if err == nil {
		err = s.writer.write(ctx, 1, func(c *session) error {
			changed, err := c.exec(recordTask, blob(progress), id, lease, generation)
			lost = err == nil && changed == 0
			return err
		})
	}
	if err == nil && lost {
		err = dispatch.ErrLeaseLost
	}
	if err != nil {
		return fmt.Errorf("recording task %q: %w", t.ID, err)
	}
	return nil
}
