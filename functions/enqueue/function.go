package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"example.com/dispatch/functions/internal/wiring"
	"example.com/dispatch/pkg/dispatch"
)

// The types of this function's errors. The message of each is problem details, as RFC 9457 writes them.
const (
	invalidInput = "InvalidInput" // nothing was stored
	conflict     = "Conflict"     // the one task's id has been enqueued with other content
	tooLarge     = "TooLarge"     // the one task would pass the store's limit
	notStored    = "NotStored"    // the store failed: enqueue it again, as Lambda itself does with asynchronous events
)

// answerMargin is kept to answer after the store did not.
const answerMargin = 2 * time.Second

// function answers one task with its receipt and {"tasks": […]} with {"tasks": [receipts]}.
type function struct {
	verb *dispatch.Enqueue
	log  *slog.Logger
}

// Invoke implements lambda.Handler.
func (f *function) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	putting, cancel := wiring.Within(ctx, answerMargin)
	defer cancel()
	receipts, err := f.verb.Run(putting, event, namer(wiring.RequestID(ctx)))
	if invalid, ok := errors.AsType[*dispatch.InvalidInput](err); ok {
		return nil, wiring.Failure(invalidInput, invalid.Problem().Error())
	}
	if err != nil {
		f.log.LogAttrs(ctx, slog.LevelError, "not stored", slog.Any("error", err))
		return nil, wiring.Failure(notStored, unstored(receipts).Error())
	}
	if receipts.Batch {
		return encode(receipts)
	}
	one := receipts.Tasks[0]
	if one.Error == nil {
		return encode(one)
	}
	if one.Error.Status == 413 {
		return nil, wiring.Failure(tooLarge, one.Error.Error())
	}
	return nil, wiring.Failure(conflict, one.Error.Error())
}

// namer names tasks without an id. All tries of an asynchronous event have its request id, so that the retry of a
// task is the same task.
func namer(requestID string) func(int) string {
	return func(i int) string { return requestID + "-" + strconv.Itoa(i) }
}

const maxFaults = 100 // keeps the error well under what Lambda hands on

func unstored(receipts dispatch.Receipts) dispatch.Problem {
	p := dispatch.Problem{
		Title: "Not stored", Status: 503, Detail: "the store did not answer in time; enqueue it all again under the same ids",
	}
	for i, r := range receipts.Tasks {
		if r.Error != nil && len(p.Errors) < maxFaults && receipts.Batch {
			p.Errors = append(p.Errors, dispatch.Fault{Detail: r.Error.Title, Pointer: "#/tasks/" + strconv.Itoa(i)})
		}
	}
	return p
}

func encode(answer any) ([]byte, error) {
	b, err := json.Marshal(answer)
	if err != nil {
		return nil, fmt.Errorf("encoding the answer: %w", err)
	}
	return b, nil
}
