package sqlite

import "example.com/dispatch/pkg/dispatch"

// A lease is a row of its own, in a table that has only what is leased: a claim writes the few pages of that table, and
// not the one page after the other on which the tasks lie. It has the task's generation and lapses as claims count them;
// the task's own are those before it was claimed, until the settle writes both.
const (
	// withLeases has each task with its lease, if there is one.
	withLeases = `tasks t` + withLease
	withLease  = ` LEFT JOIN leases l ON l.id=t.id`

	putLease = `INSERT OR REPLACE INTO leases (id, token, until, generation, lapses) VALUES (?,?,?,?,?)`
	// leaseAt leases tasks that have no lease, of which it is given the rowids.
	leaseAt   = `INSERT OR FAIL INTO leases (id, token, until, generation, lapses) SELECT id, ?, timeout+?, generation+1, lapses FROM `
	endLease  = `DELETE FROM leases WHERE id=? AND token=? AND generation=?`
	dropLease = `DELETE FROM leases WHERE id=?`
	leased    = `EXISTS (SELECT 1 FROM leases l WHERE l.id=tasks.id AND l.token=? AND l.generation=?)`

	freeLeases = `UPDATE leases SET until=?1 WHERE until>?1`
)

// putLease writes the lease of a task that has one.
func (c *session) putLease(t dispatch.Task) error {
	_, err := c.exec(putLease, t.ID, t.Lease, dispatch.Millis(t.Until), t.Generation, int64(t.Lapses))
	return err
}

// unleased is a task's generation without its lease.
func unleased(t dispatch.Task) int64 {
	if t.Lease != "" {
		return t.Generation - 1
	}
	return t.Generation
}
