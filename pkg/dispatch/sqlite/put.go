package sqlite

import (
	"bytes"
	"context"
	"database/sql/driver"
	"fmt"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// A row past its TTL is overwritten whole.
const putTask = `INSERT INTO tasks (` + columns + `) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)
	ON CONFLICT (id) DO UPDATE SET state=excluded.state, reason=excluded.reason, queue=excluded.queue,
	run=excluded.run, ended_at=excluded.ended_at, hash=excluded.hash, timeout=excluded.timeout,
	expire_at=excluded.expire_at, due_at=excluded.due_at, lane=excluded.lane, lease=excluded.lease,
	until=excluded.until, generation=excluded.generation, progress=excluded.progress, lapses=excluded.lapses,
	ttl=excluded.ttl, version=excluded.version, doc=excluded.doc
	WHERE tasks.ttl>0 AND tasks.ttl<=?`

// Put implements [dispatch.Store].
func (s *Store) Put(ctx context.Context, now time.Time, tasks []dispatch.Task) []dispatch.Result {
	puts := make([]put, len(tasks))
	for i, t := range tasks {
		puts[i] = newPut(t)
	}
	results := s.each(ctx, len(puts), func(i int) int { return puts[i].weight }, func(c *session, i int) (dispatch.Result, error) {
		return puts[i].write(c, now)
	})
	return named("putting", results, func(i int) string { return tasks[i].ID })
}

// put is a task on its way into the table. It shares no memory with the caller, who may have gone when the
// writer comes to it.
type put struct {
	id         string
	generation int64
	row        []driver.Value
	err        error
	weight     int
}

func newPut(t dispatch.Task) put {
	t.Doc, t.Hash = bytes.Clone(t.Doc), bytes.Clone(t.Hash)
	row, err := fields(t)
	return put{t.ID, t.Generation, row, err, 1 + len(t.Doc)/4096}
}

func (p put) write(c *session, now time.Time) (r dispatch.Result, err error) {
	if p.err != nil {
		return dispatch.Result{Err: p.err}, nil
	}
	changed, err := c.exec(putTask, append(p.row, now.Unix())...)
	if err != nil {
		return r, err
	}
	want, err := taskOf(p.row)
	if err != nil || changed == 1 {
		return dispatch.Result{Task: want}, err
	}
	there, _, err := get(c, p.id)
	return dispatch.Result{Task: there, Existing: there.Generation != p.generation || !bytes.Equal(there.Hash, want.Hash)}, err
}

// chunk is how much of one call is written in one transaction; a longer call takes several.
const chunk = 500

// each does one of the n items of a call after another within transactions. An error of do undoes the
// transaction and is the result of all in it; what fails one item alone is in its Result.
func (s *Store) each(ctx context.Context, n int, weigh func(int) int, do func(*session, int) (dispatch.Result, error)) []dispatch.Result {
	results := make([]dispatch.Result, 0, n)
	for len(results) < n {
		from, to, weight := len(results), len(results), 0
		for to < n && (to == from || weight+weigh(to) <= chunk) {
			weight += weigh(to)
			to++
		}
		part := make([]dispatch.Result, to-from) // the writer's until it has answered
		err := s.writer.write(ctx, weight, func(c *session) (err error) {
			for i := range part {
				if part[i], err = do(c, from+i); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			part = make([]dispatch.Result, to-from)
			for i := range part {
				part[i].Err = err
			}
		}
		if len(part) == n {
			return part
		}
		results = append(results, part...)
	}
	return results
}

// named says in each error what was being done, and to which task.
func named(doing string, results []dispatch.Result, id func(int) string) []dispatch.Result {
	for i, r := range results {
		if r.Err != nil {
			results[i].Err = fmt.Errorf("%s task %q: %w", doing, id(i), r.Err)
		}
	}
	return results
}

func one(int) int { return 1 }
