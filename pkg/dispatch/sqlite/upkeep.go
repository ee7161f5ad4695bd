package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

const (
	purgeWindow = 2000 // rows looked at without holding a connection longer
	purgeBatch  = 200  // rows deleted in one transaction, beside what else is written
)

// Rows past their TTL, unless somebody may be sending them.
const purgeable = `ttl>0 AND ttl<=? AND NOT EXISTS (SELECT 1 FROM leases l WHERE l.id=tasks.id AND l.until>?)`

// Purge deletes the rows that are past their TTL at now, except leased ones, and returns how many. It reads
// the whole store, in small steps: an index by TTL would cost every task two writes more. Once an hour is enough.
func (s *Store) Purge(ctx context.Context, now time.Time) (int, error) {
	purged, last := 0, int64(0)
	for {
		end, found, err := s.findPurgeable(ctx, now, last)
		if err == nil {
			var n int
			n, err = s.purge(ctx, now, found)
			purged += n
		}
		if err != nil {
			return purged, fmt.Errorf("purging: %w", err)
		}
		if end == last {
			return purged, nil
		}
		last = end
	}
}

// findPurgeable looks at the window of rows after the last one: where the window ends, and what to purge of it.
func (s *Store) findPurgeable(ctx context.Context, now time.Time, last int64) (end int64, found []int64, err error) {
	err = s.read(ctx, func(c *session) error {
		end, err = c.number(`SELECT max(rowid) FROM (SELECT rowid FROM tasks WHERE rowid>? ORDER BY rowid LIMIT ?)`, last, int64(purgeWindow))
		if err != nil || end == 0 {
			end = last
			return err
		}
		return c.query(ctx, `SELECT rowid FROM tasks WHERE rowid>? AND rowid<=? AND `+purgeable, func(v []driver.Value) (bool, error) {
			rowid, _ := v[0].(int64)
			found = append(found, rowid)
			return true, nil
		}, last, end, now.Unix(), dispatch.Millis(now))
	})
	return end, found, err
}

func (s *Store) purge(ctx context.Context, now time.Time, rowids []int64) (int, error) {
	purged := 0
	for len(rowids) > 0 {
		some := rowids[:min(purgeBatch, len(rowids))]
		rowids = rowids[len(some):]
		deleted := 0
		err := s.writer.write(ctx, len(some), func(c *session) error {
			for _, rowid := range some { // which may have been put anew, or edited
				n, err := c.exec(`DELETE FROM tasks WHERE rowid=? AND `+purgeable, rowid, now.Unix(), dispatch.Millis(now))
				if err != nil {
					return err
				}
				deleted += int(n)
			}
			return nil
		})
		if err != nil {
			return purged, err
		}
		purged += deleted
	}
	return purged, nil
}

// FreeLeases ends every lease at now, and returns how many: for a server that starts, holds the [Lock], and so
// knows that their holders are gone. The next claims count them as lapses.
func (s *Store) FreeLeases(ctx context.Context, now time.Time) (int, error) {
	freed := int64(0)
	err := s.writer.write(ctx, heaviest, func(c *session) (err error) {
		freed, err = c.exec(freeLeases, dispatch.Millis(now))
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("freeing leases: %w", err)
	}
	return int(freed), nil
}
