package sqlite

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// A row past its TTL is overwritten whole.
const putTask = `INSERT INTO tasks (` + columns + `, old_until, room) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,0,zeroblob(?))
	ON CONFLICT (id) DO UPDATE SET state=excluded.state, reason=excluded.reason, queue=excluded.queue,
	run=excluded.run, ended_at=excluded.ended_at, hash=excluded.hash, timeout=excluded.timeout,
	expire_at=excluded.expire_at, due_at=excluded.due_at, lane=excluded.lane,
	turn_lane=excluded.turn_lane, generation=excluded.generation, progress=excluded.progress, lapses=excluded.lapses,
	ttl=excluded.ttl, version=excluded.version, doc=excluded.doc, flag=excluded.flag,
	identifier=excluded.identifier, tenant=excluded.tenant, group_name=excluded.group_name, prev=excluded.prev, next=excluded.next
	WHERE tasks.ttl>0 AND tasks.ttl<=?`

// Put implements [dispatch.Store].
func (s *Store) Put(ctx context.Context, now time.Time, tasks []dispatch.Task) []dispatch.Result {
	puts := make([]put, len(tasks))
	var broken map[string]bool // groups of which a member cannot be put
	for i, t := range tasks {
		puts[i] = newPut(t)
		switch {
		case t.Group == "":
		case broken[t.Group]:
			puts[i].err = errBehind
		case puts[i].err != nil:
			if broken == nil {
				broken = map[string]bool{}
			}
			broken[t.Group] = true
		}
	}
	results := s.each(ctx, len(puts), func(i int) int { return puts[i].weight }, func(c *session, i int) (dispatch.Result, error) {
		r, err := puts[i].write(c, now)
		if err == nil && r.Err == nil && !r.Existing && r.Task.Lease != "" { // its settle comes next
			s.rowids.remember(r.Task.ID, c.inserted)
		}
		return r, err
	})
	return named("putting", results, func(i int) string { return tasks[i].ID })
}

// errBehind is the error of those that would have come behind one that failed.
var errBehind = errors.New("the one before it in its group was not put")

// put is a task on its way into the table. It shares no memory with the caller, who may have gone when the
// writer comes to it.
type put struct {
	task   dispatch.Task
	row    []driver.Value
	err    error
	weight int
}

func newPut(t dispatch.Task) put {
	t.Doc, t.Hash = bytes.Clone(t.Doc), bytes.Clone(t.Hash)
	row, err := fields(t)
	p := put{t, row, err, 1 + len(t.Doc)/4096}
	if t.Group != "" {
		p.weight += 2 // the one before it, and the tail
	}
	return p
}

func (p put) write(c *session, now time.Time) (dispatch.Result, error) {
	switch {
	case p.err != nil:
		return dispatch.Result{Err: p.err}, nil
	case p.task.Group != "" && !p.task.State.Final():
		return p.join(c, now)
	default:
		r, _, err := p.insert(c, now)
		return r, err
	}
}

// stored returns the task as a read would.
func (p put) stored() (dispatch.Task, error) {
	t, err := taskOf(append(p.row[:len(p.row):len(p.row)], nil, nil))
	if p.task.Lease != "" {
		t.Lease, t.Until, t.Generation = p.task.Lease, dispatch.FromMillis(dispatch.Millis(p.task.Until)), p.task.Generation
	}
	return t, err
}

// progress returns how many bytes the progress takes.
func (p put) progress() int {
	b, _ := p.row[progressAt].([]byte)
	return len(b)
}

// join puts a member of a group behind the last live one.
func (p put) join(c *session, now time.Time) (dispatch.Result, error) {
	t, err := behind(c, p.task)
	if err != nil {
		return dispatch.Result{}, err
	}
	if p.row, err = fields(t); err != nil {
		return dispatch.Result{}, err
	}
	r, inserted, err := p.insert(c, now)
	if err != nil || !inserted {
		return r, err
	}
	return r, link(c, t)
}

// insert writes the row if there is none, or one past its TTL; else it looks whose is there.
func (p put) insert(c *session, now time.Time) (r dispatch.Result, inserted bool, err error) {
	before := c.inserted
	changed, err := c.exec(putTask, append(p.row, room(p.task, p.progress()), now.Unix())...)
	if err != nil {
		return r, false, err
	}
	if changed == 1 {
		switch {
		case p.task.Lease != "":
			err = c.putLease(p.task)
		case c.inserted == before: // it took the place of another, which may have a lease
			_, err = c.exec(dropLease, p.task.ID)
		}
		if err == nil {
			r.Task, err = p.stored()
		}
		return r, true, err
	}
	there, _, err := get(c, p.task.ID)
	// The doc has the time of the put: one that was put and claimed a moment ago may be of the same generation.
	own := there.Generation == p.task.Generation && bytes.Equal(there.Hash, p.task.Hash) && bytes.Equal(there.Doc, p.task.Doc)
	return dispatch.Result{Task: there, Existing: !own}, false, err
}

// chunk is how much of one call is written in one transaction; a longer call takes several.
const chunk = 500

// each does one of the n items of a call after another within transactions. An error of do undoes the
// transaction and is the result of all in it, and of those that come later: they may build on these. What fails one
// item alone is in its Result.
func (s *Store) each(ctx context.Context, n int, weigh func(int) int, do func(*session, int) (dispatch.Result, error)) []dispatch.Result {
	return s.parts(ctx, n, weigh, func(c *session, from int, part []dispatch.Result) (err error) {
		for i := range part {
			if part[i], err = do(c, from+i); err != nil {
				return err
			}
		}
		return nil
	})
}

// parts does what each does, but all those of a transaction, from one on, at once.
func (s *Store) parts(ctx context.Context, n int, weigh func(int) int, do func(c *session, from int, part []dispatch.Result) error) []dispatch.Result {
	results := make([]dispatch.Result, 0, n)
	for len(results) < n {
		from, to, weight := len(results), len(results), 0
		for to < n && (to == from || weight+weigh(to) <= chunk) {
			weight += weigh(to)
			to++
		}
		part := make([]dispatch.Result, to-from) // the writer's until it has answered
		err := s.writer.write(ctx, weight, func(c *session) error { return do(c, from, part) })
		if err != nil {
			part = make([]dispatch.Result, n-from)
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
