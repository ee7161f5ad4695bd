package sqlite

import (
	"context"
	"database/sql/driver"

	"example.com/dispatch/pkg/dispatch"
)

const (
	tailOf   = `SELECT id FROM tails WHERE group_name=?`
	setTail  = `INSERT INTO tails (group_name, id) VALUES (?,?) ON CONFLICT (group_name) DO UPDATE SET id=excluded.id`
	setNext  = `UPDATE tasks SET next=? WHERE id=?`
	setPlace = `UPDATE tasks SET prev=?, next=NULL WHERE id=?`
	noTail   = `DELETE FROM tails WHERE group_name=? AND id=?`

	handTurn  = `UPDATE tasks SET state='scheduled', lane=turn_lane, turn_lane=NULL WHERE id=? AND state='blocked'`
	whoseTurn = `SELECT queue, tenant, due_at FROM tasks WHERE id=? AND state='scheduled'`
)

// behind returns a task as it joins its group: blocked behind the last live member, or first.
func behind(c *session, t dispatch.Task) (dispatch.Task, error) {
	t.Prev, t.Next = "", ""
	err := c.query(context.Background(), tailOf, func(v []driver.Value) (bool, error) {
		t.Prev, _ = v[0].(string)
		return false, nil
	}, t.Group)
	if t.Prev != "" {
		t.State = dispatch.Blocked
	}
	return t, err
}

// link makes a member that has joined the last of its group.
func link(c *session, t dispatch.Task) error {
	if t.Prev != "" {
		if _, err := c.exec(setNext, t.ID, t.Prev); err != nil {
			return err
		}
	}
	_, err := c.exec(setTail, t.Group, t.ID)
	return err
}

// handOver gives the turn of a member that ends to the one behind it.
func handOver(c *session, ended dispatch.Task) (dispatch.Hint, error) {
	if ended.Next == "" {
		_, err := c.exec(noTail, ended.Group, ended.ID)
		return dispatch.Hint{}, err
	}
	if _, err := c.exec(handTurn, ended.Next); err != nil {
		return dispatch.Hint{}, err
	}
	return turn(c, ended)
}

// turn returns the hint of the one behind a member, if it has its turn: one behind a live member has not, nor has
// one that has ended since and joined again.
func turn(c *session, before dispatch.Task) (h dispatch.Hint, err error) {
	if before.Next == "" {
		return h, nil
	}
	err = c.query(context.Background(), whoseTurn, func(v []driver.Value) (bool, error) {
		r := row{values: v}
		h = dispatch.Hint{ID: before.Next, Queue: r.text(), Tenant: r.text(), DueAt: r.time()}
		return false, nil
	}, before.Next)
	return h, err
}
