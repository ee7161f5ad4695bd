// Package function is the function enqueue as its callers see it, on Lambda and behind the local server's Invoke API: the
// events that it takes, its answers and its errors.
package function

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"

	"example.com/dispatch/pkg/dispatch"
)

// Enqueue answers one task with its receipt, and {"tasks": […]} with {"tasks": [receipts]}; an event of EventBridge as
// the task or list that is its detail; and messages of SQS with those that are to be delivered again:
// {"batchItemFailures": [{"itemIdentifier": …}]}.
type Enqueue struct {
	Verb *dispatch.Enqueue
	Log  *slog.Logger
}

// Invoke enqueues what the event holds. Tasks without an id are named after the request, which is the same for all tries
// of an asynchronous event; after the event of EventBridge; or after the message: what comes twice is the same task. The
// error is an *Error, unless the answer could not be encoded.
func (e Enqueue) Invoke(ctx context.Context, requestID string, event []byte) ([]byte, error) {
	messages, ok, faults := readMessages(event)
	if faults != nil {
		return nil, invalid(faults)
	}
	if ok {
		return encode(e.messages(ctx, messages))
	}
	in, faults := readInput(event, requestID)
	if faults != nil {
		return nil, invalid(faults)
	}
	receipts, err := e.run(ctx, in)
	if err != nil {
		return nil, err
	}
	if receipts.Batch {
		return encode(receipts)
	}
	return encode(receipts.Tasks[0])
}

// run enqueues an input. Where nobody reads the receipts, a task that was not taken is an error.
func (e Enqueue) run(ctx context.Context, in input) (dispatch.Receipts, error) {
	receipts, err := e.Verb.Run(ctx, in.text, namer(in.name))
	if faults, ok := errors.AsType[*dispatch.InvalidInput](err); ok {
		return receipts, invalid(in.within(faults))
	}
	if err != nil {
		e.Log.LogAttrs(ctx, slog.LevelError, "not stored", slog.Any("error", err))
		return receipts, failure(NotStored, unstored(in, receipts))
	}
	if !receipts.Batch && receipts.Tasks[0].Error != nil {
		one := *receipts.Tasks[0].Error
		if one.Status == http.StatusRequestEntityTooLarge {
			return receipts, failure(TooLarge, one)
		}
		return receipts, failure(Conflict, one)
	}
	if p, refused := untaken(in, receipts); refused && in.unread {
		return receipts, failure(Conflict, p)
	}
	return receipts, nil
}

// namer names tasks without an id.
func namer(name string) func(int) string {
	return func(i int) string { return name + "-" + strconv.Itoa(i) }
}

func invalid(faults *dispatch.InvalidInput) error { return failure(InvalidInput, faults.Problem()) }

const maxFaults = 100 // keeps the error well under what Lambda hands on

func unstored(in input, receipts dispatch.Receipts) dispatch.Problem {
	p := dispatch.Problem{
		Title: "Not stored", Status: http.StatusServiceUnavailable,
		Detail: "the store did not answer in time; enqueue it all again under the same ids",
	}
	if receipts.Batch {
		p.Errors = failed(in, receipts)
	}
	return p
}

// untaken says which tasks of a list were not taken, if any.
func untaken(in input, receipts dispatch.Receipts) (dispatch.Problem, bool) {
	p := dispatch.Problem{
		Title: "Conflict", Status: http.StatusConflict, Detail: "not every task was taken; the others are stored",
		Errors: failed(in, receipts),
	}
	return p, len(p.Errors) > 0
}

func failed(in input, receipts dispatch.Receipts) []dispatch.Fault {
	var list []dispatch.Fault
	for i, r := range receipts.Tasks {
		if r.Error != nil && len(list) < maxFaults {
			list = append(list, dispatch.Fault{Detail: r.Error.Title, Pointer: in.pointer("#/tasks/" + strconv.Itoa(i))})
		}
	}
	return list
}

func encode(answer any) ([]byte, error) {
	b, err := json.Marshal(answer)
	if err != nil {
		return nil, fmt.Errorf("encoding the answer: %w", err)
	}
	return b, nil
}
