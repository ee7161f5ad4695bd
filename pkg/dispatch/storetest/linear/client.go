package linear

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"github.com/anishathalye/porcupine"
)

const timeout = time.Second // of a task's attempts

// start is when histories begin: late enough that no store's own TTL removes a row.
var start = time.Date(2040, 2, 29, 12, 0, 0, 0, time.UTC)

// history is what clients do to one task, and what they see.
type history struct {
	store   dispatch.Store
	id      string
	clock   atomic.Int64 // ms since start, and never the same twice: generations begin with it
	order   atomic.Int64 // of calls and answers
	mu      sync.Mutex
	records []porcupine.Operation
}

// faulted is in a call's context: whether it met a fault, and was made again.
type faulted struct{}

// Repeated notes that a call of this context was made again after its answer was lost: it may have been done twice.
func Repeated(ctx context.Context) {
	if met, ok := ctx.Value(faulted{}).(*atomic.Bool); ok {
		met.Store(true)
	}
}

// play has clients call at once, each as its seed says.
func (h *history) play(ctx context.Context, seed uint64, clients, calls int) {
	var all sync.WaitGroup
	for i := range clients {
		c := &client{history: h, n: i, random: rand.New(rand.NewPCG(seed, uint64(i)))}
		all.Go(func() {
			for range calls {
				c.one(ctx)
				if c.random.IntN(2) == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	all.Wait()
}

// client is one of them.
type client struct {
	*history
	n, tokens int
	random    *rand.Rand
	seen      dispatch.Task // the row as it was seen last
	held      dispatch.Task // what it claimed last
}

// one makes a call.
func (c *client) one(ctx context.Context) {
	// Mostly little time passes; sometimes so much that leases are over.
	passed := []int64{1, 1, 1, 5, 1000, (timeout + dispatch.LeaseMargin + time.Second).Milliseconds()}[c.random.IntN(6)]
	asked := call{at: start.Add(time.Duration(c.clock.Add(passed)) * time.Millisecond)}
	verbs := []verb{put, get, claim, claim, claim, settle, settle, settle, record, cancel, replace, retry, remove}
	asked.verb = verbs[c.random.IntN(len(verbs))]
	switch asked.verb {
	case put, replace:
		asked.task = c.task(asked.at)
	case cancel, retry:
		asked.task.Lane = dispatch.Lane(c.id, c.id, 1)
	case claim:
		c.tokens++
		asked.token = fmt.Sprintf("token %d.%d", c.n, c.tokens)
	case remove:
		asked.task = c.seen
	case settle, record:
		if c.held.ID == "" {
			asked.verb = get
			break
		}
		asked.task = c.outcome(asked)
	}
	met := new(atomic.Bool)
	began := c.order.Add(1)
	said := c.ask(context.WithValue(ctx, faulted{}, met), asked)
	c.note(asked, said, began, met.Load())
}

func (c *client) task(at time.Time) dispatch.Task {
	content := fmt.Sprintf(`{"n":%d}`, c.clock.Add(1))
	return dispatch.Task{
		ID: c.id, State: dispatch.Scheduled, Queue: c.id, Run: 1, Doc: []byte(content), Hash: []byte(content),
		Timeout: timeout, DueAt: at, Lane: dispatch.Lane(c.id, c.id, 1), Generation: dispatch.Millis(at),
		TTL: start.Add(1000 * time.Hour), Version: dispatch.FormatVersion,
	}
}

// outcome is the task that the client claimed last, as it settles or records it.
func (c *client) outcome(asked call) dispatch.Task {
	t := c.held
	t.Progress = []dispatch.Progress{{Attempts: rowOf(t).attempts + 1}}
	switch {
	case asked.verb == record:
	case c.random.IntN(2) == 0:
		t.State, t.EndedAt, t.DueAt, t.Lane, t.Lapses = dispatch.Delivered, asked.at, time.Time{}, "", 0
	default:
		t.DueAt, t.Lapses = asked.at.Add(time.Duration(c.random.IntN(3))*time.Second), 0
	}
	return t
}

// ask makes a call of the store.
func (c *client) ask(ctx context.Context, asked call) answer {
	var t dispatch.Task
	var err error
	said := answer{}
	switch asked.verb {
	case put:
		r := c.store.Put(ctx, asked.at, []dispatch.Task{asked.task})[0]
		if t, err, said.existing = r.Task, r.Err, r.Existing; !said.existing {
			t = dispatch.Task{}
		}
	case get:
		r := c.store.Get(ctx, []string{c.id})[0]
		t, err = r.Task, r.Err
	case claim:
		r := c.store.Claim(ctx, []string{c.id}, dispatch.Lease{Token: asked.token, At: asked.at, Left: time.Hour})[0]
		if t, err = r.Task, r.Err; err == nil {
			c.held = t
		}
	case settle:
		_, err = c.store.Settle(ctx, asked.task)
	case record:
		err = c.store.Record(ctx, asked.task)
	case remove:
		err = c.store.Delete(ctx, c.id, asked.task.Generation)
	default:
		t, _, err = c.store.Edit(ctx, c.id, asked.edit)
	}
	if t.ID != "" && (err == nil || errors.Is(err, dispatch.ErrRefused)) {
		c.seen, said.row = t, rowOf(t)
	}
	said.err, said.unknown = err, err != nil
	for _, known := range []error{dispatch.ErrNotFound, dispatch.ErrRefused, dispatch.ErrLeaseLost, dispatch.ErrLeased, dispatch.ErrConflict, errState} {
		if errors.Is(err, known) {
			said.err, said.unknown = known, false
		}
	}
	return said
}

// note keeps a call and its answer. Where none came, the call may yet be done at any time; one that was repeated may have been
// done once more than its answer tells.
func (c *client) note(asked call, said answer, began int64, repeated bool) {
	ended := c.order.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if repeated && !said.unknown && asked.verb != get {
		c.records = append(c.records, porcupine.Operation{ClientId: c.n, Input: asked, Output: answer{unknown: true}, Call: began, Return: ended})
	}
	if said.unknown {
		said, ended = answer{unknown: true}, math.MaxInt64
	}
	if _, right := step(said.row, asked); errors.Is(said.err, dispatch.ErrRefused) && right.err == nil {
		// It could have had this row. So it must have seen another lease lapse before, and have been overtaken.
		c.records = append(c.records, porcupine.Operation{ClientId: c.n, Input: call{verb: saw, at: asked.at, token: said.row.lease}, Output: answer{}, Call: began, Return: ended})
		asked, said.err = call{verb: get, at: asked.at}, nil
	}
	c.records = append(c.records, porcupine.Operation{ClientId: c.n, Input: asked, Output: said, Call: began, Return: ended})
}
