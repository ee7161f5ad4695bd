// Package client is for callers: it enqueues tasks through the function enqueue, from other Lambda functions and from any
// program, or through a server of one's own.
//
// A task that has an ID is enqueued once, however often that is repeated. The client gives one to each task that has
// none before it sends anything, and so may repeat by itself what was throttled, what failed and what was not answered.
//
// To commit a task together with a row of one's own in one transaction, see Outbox in package dynamo.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"github.com/oklog/ulid/v2"
)

// Invoke hands {"tasks": […]} to the function enqueue and returns what it answered; functionError is Lambda's word for an
// answer that is the function's error, "" for none. [Lambda] and [Server] make one, and any other client of Lambda can be
// one. It is called again after an error that may go away: any but one with a method HTTPStatusCode() int, as the AWS
// SDK's have, that returns 400 to 499, though not 409 or 429.
type Invoke func(ctx context.Context, input []byte) (answer []byte, functionError string, err error)

// Client enqueues tasks. It is safe for concurrent use.
type Client struct {
	Invoke Invoke
	NewID  func() string // names tasks without an ID; nil: ULIDs

	sends []func(Task) bool // all must say yes
}

// When returns a client that sends only those tasks for which send reports true. The others are decided here: they are
// not sent, nothing is stored, and their receipts have the state skipped. (Task.When, a rule, is looked at when the task
// is due.)
func (c Client) When(send func(Task) bool) Client {
	c.sends = append(slices.Clip(c.sends), send)
	return c
}

// SkipIf returns a client that does not send those tasks for which skip reports true; see [Client.When].
func (c Client) SkipIf(skip func(Task) bool) Client {
	return c.When(func(t Task) bool { return !skip(t) })
}

const (
	// maxTasks is enqueue's limit on the tasks of one call.
	maxTasks = 1000
	// maxInput is Lambda's limit on a synchronous event, in bytes.
	// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
	maxInput = 6 << 20
	// callTime bounds one call of up to 1,000 tasks, with all its repetitions, where the context has no end.
	callTime = time.Minute
)

// item is a task that is to be sent.
type item struct {
	at   int    // its index among the arguments
	made bool   // its id was made here: nobody else can have enqueued it
	text []byte // its JSON
}

// Enqueue enqueues the tasks, any number of them, and returns a receipt for each, in their order. They go in calls of up
// to 1,000 tasks and 6 MB, one after another, so that members of a group keep their order. Each call is repeated until it
// has an answer, within the context's deadline; one minute for each where it has none. A task that replaces another may
// so be replaced twice, and if it was called in between, it runs twice.
//
// A receipt with an Error is of a task that was not taken; such as status 409, another content under its ID, is only
// there. Existing tells that the ID was enqueued before; that may have been an earlier try of this very call.
//
// The error is a [*dispatch.InvalidInput] if tasks have faults, with pointers such as "#/tasks/7/uri", 7 being the
// argument's index: then nothing of that call was stored, nor of those behind it. It wraps [dispatch.ErrNotStored] if the
// store or Lambda did not answer in time: some tasks may be stored then, and enqueueing those whose receipts have errors
// again, under the IDs in their receipts, is safe. Otherwise it says why enqueue could not be called.
func (c Client) Enqueue(ctx context.Context, tasks ...Task) ([]dispatch.Receipt, error) {
	receipts := make([]dispatch.Receipt, len(tasks))
	items, err := c.items(tasks, receipts)
	if err != nil {
		return receipts, err
	}
	for len(items) > 0 {
		n := fitting(items)
		if err := c.call(ctx, items[:n], receipts); err != nil {
			return receipts, err
		}
		items = items[n:]
	}
	return receipts, nil
}

// items returns what is to be sent, and gives each task the receipt that it has until there is an answer.
func (c Client) items(tasks []Task, receipts []dispatch.Receipt) ([]item, error) {
	newID := c.NewID
	if newID == nil {
		newID = func() string { return ulid.Make().String() }
	}
	var items []item
	var faults []dispatch.Fault
	for i, t := range tasks {
		if !c.sent(t) {
			receipts[i] = dispatch.Receipt{ID: t.ID, State: dispatch.Skipped}
			continue
		}
		one := item{at: i, made: t.ID == "" && (t.OnConflict == "" || t.OnConflict == Keep)} // the others need an ID of the caller's
		if one.made {
			t.ID = newID()
		}
		receipts[i] = notStored(t.ID, http.StatusServiceUnavailable, "it was not sent, or not answered in time; enqueue it again under the same id")
		var err error
		if one.text, err = encode(t); err != nil {
			faults = append(faults, dispatch.Fault{Detail: "cannot be written as JSON: " + err.Error(), Pointer: pointer(i)})
		} else if len(one.text)+len(head)+len(tail) > maxInput {
			faults = append(faults, dispatch.Fault{Detail: fmt.Sprintf("is too large: %d bytes", len(one.text)), Pointer: pointer(i)})
		}
		items = append(items, one)
	}
	if len(faults) > 0 {
		return nil, &dispatch.InvalidInput{Faults: faults}
	}
	return items, nil
}

func (c Client) sent(t Task) bool {
	for _, send := range c.sends {
		if !send(t) {
			return false
		}
	}
	return true
}

// encode writes a task without escaping what only HTML needs, so that a body stays as it was given.
func encode(t Task) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(t); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// The two ends of an input.
const (
	head = `{"tasks":[`
	tail = `]}`
)

// fitting returns how many of the items go in one call.
func fitting(items []item) int {
	size := len(head) + len(tail)
	for i, one := range items {
		size += len(one.text) + len(",")
		if i == maxTasks || i > 0 && size > maxInput {
			return i
		}
	}
	return len(items)
}

// inputOf returns the input that enqueues the items.
func inputOf(items []item) []byte {
	texts := make([][]byte, len(items))
	for i, one := range items {
		texts[i] = one.text
	}
	return slices.Concat([]byte(head), bytes.Join(texts, []byte(",")), []byte(tail))
}

func pointer(i int) string { return "#/tasks/" + strconv.Itoa(i) }

func notStored(id string, status int, detail string) dispatch.Receipt {
	return dispatch.Receipt{ID: id, Error: &dispatch.Problem{Title: "Not stored", Status: status, Detail: detail}}
}
