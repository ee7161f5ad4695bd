package sqlite

import (
	"cmp"
	"database/sql/driver"
	"fmt"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// columns are those of the table tasks in the order in which fields returns a task's. The last ones, places of them,
// are a task's place in its group. values are what taskOf reads: the same, with what a lease counts in place of the task's
// own, and the lease. They have a letter for a name and no declared type: the driver copies both of every column for each
// query, which took longer than reading a row.
const (
	columns = `id, state, reason, queue, run, ended_at, hash, timeout, expire_at, due_at, lane, turn_lane,
	generation, progress, lapses, ttl, version, doc, flag, identifier, tenant,
	group_name, prev, next`
	values = `+t.id a, +state a, +reason a, +queue a, +run a, +ended_at a, +hash a, +timeout a, +expire_at a, +due_at a, +lane a,
	+turn_lane a, coalesce(l.generation, t.generation) a, +progress a, coalesce(l.lapses, t.lapses) a, +ttl a, +version a, +doc a, +flag a,
	+identifier a, +tenant a, +group_name a, +prev a, +next a, +l.token a, +l.until a`
	places     = 3
	progressAt = 13 // the progress among them
)

// fixed is what a row takes besides its long fields: the names of its attributes and its numbers, roughly.
const fixed = 512

// fields returns a task's row, without its lease; ErrTooLarge where that is over MaxRow.
func fields(t dispatch.Task) ([]driver.Value, error) {
	progress, err := dispatch.EncodeProgress(t.Progress)
	if err != nil {
		return nil, err
	}
	if n := size(t, progress); n > dispatch.MaxRow {
		return nil, fmt.Errorf("%d bytes: %w", n, dispatch.ErrTooLarge)
	}
	lane, turnLane := lanes(t)
	return []driver.Value{
		t.ID, string(t.State), t.Reason, t.Queue, int64(t.Run), dispatch.Millis(t.EndedAt), blob(t.Hash),
		t.Timeout.Milliseconds(), dispatch.Millis(t.ExpireAt), dispatch.Millis(t.DueAt), lane, turnLane,
		unleased(t), blob(progress), int64(t.Lapses), seconds(t.TTL), int64(t.Version), blob(t.Doc),
		flag(t.Flag), text(t.Identifier), text(t.Tenant), text(t.Group), text(t.Prev), text(t.Next),
	}, nil
}

// lanes returns the values of lane and turn_lane: only what may be due is in the index.
func lanes(t dispatch.Task) (lane, turnLane driver.Value) {
	if t.State == dispatch.Blocked || t.State == dispatch.Held {
		return nil, text(t.Lane)
	}
	return text(t.Lane), nil
}

// size leaves out the neighbours in a group, which come and go.
func size(t dispatch.Task, progress []byte) int {
	return fixed + len(t.ID) + len(t.Reason) + len(t.Queue) + len(t.Hash) + len(t.Lane) + len(progress) + len(t.Doc) +
		len(t.Identifier) + len(t.Tenant) + len(t.Group)
}

// taskOf returns the task of what a query for values found.
func taskOf(v []driver.Value) (dispatch.Task, error) {
	r := row{values: v}
	t := dispatch.Task{
		ID: r.text(), State: dispatch.State(r.text()), Reason: r.text(), Queue: r.text(), Run: int(r.number()),
		EndedAt: r.time(), Hash: r.bytes(), Timeout: time.Duration(r.number()) * time.Millisecond,
		ExpireAt: r.time(), DueAt: r.time(), Lane: cmp.Or(r.text(), r.text()), Generation: r.number(),
	}
	progress := r.bytes()
	t.Lapses, t.TTL, t.Version, t.Doc = int(r.number()), dispatch.FromMillis(r.number()*1000), int(r.number()), r.bytes()
	t.Flag, t.Identifier, t.Tenant, t.Group, t.Prev, t.Next = r.number() != 0, r.text(), r.text(), r.text(), r.text(), r.text()
	t.Lease, t.Until = r.text(), r.time()
	var err error
	if t.Progress, err = dispatch.DecodeProgress(progress); err != nil {
		return dispatch.Task{}, fmt.Errorf("reading task %q: %w", t.ID, err)
	}
	return t, nil
}

// row reads values one after another; NULL is the zero value.
type row struct {
	values []driver.Value
	next   int
}

func (r *row) value() driver.Value {
	r.next++
	return r.values[r.next-1]
}

func (r *row) text() string    { s, _ := r.value().(string); return s }
func (r *row) number() int64   { n, _ := r.value().(int64); return n }
func (r *row) bytes() []byte   { b, _ := r.value().([]byte); return b }
func (r *row) time() time.Time { return dispatch.FromMillis(r.number()) }

func text(s string) driver.Value {
	if s == "" {
		return nil
	}
	return s
}

func blob(b []byte) driver.Value {
	if len(b) == 0 {
		return nil
	}
	return b
}

func flag(on bool) int64 {
	if on {
		return 1
	}
	return 0
}

func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
