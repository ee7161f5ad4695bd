package invocation

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// The types of the functions' errors, the same as on Lambda. Enqueue's messages are problem details.
const (
	invalidInput = "InvalidInput" // nothing was stored
	conflict     = "Conflict"     // the one task's id has been enqueued with other content
	tooLarge     = "TooLarge"     // the one task would pass the store's limit
	notStored    = "NotStored"    // the store failed: enqueue it again under the same ids
	sweepFailed  = "SweepFailed"
	handleFailed = "HandleFailed"
)

// storeTime bounds a call of enqueue.
const storeTime = 30 * time.Second

// enqueue answers one task with its receipt, and {"tasks": […]} with {"tasks": [receipts]}.
func (h Handler) enqueue(ctx context.Context, requestID string, event []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	receipts, err := h.Engine.Enqueue.Run(ctx, event, func(i int) string { return requestID + "-" + strconv.Itoa(i) })
	if invalid, ok := errors.AsType[*dispatch.InvalidInput](err); ok {
		return nil, &failure{invalid.Problem().Error(), invalidInput}
	}
	if err != nil {
		h.Log.LogAttrs(ctx, slog.LevelError, "not stored", slog.Any("error", err))
		p := dispatch.Problem{
			Title: "Not stored", Status: http.StatusServiceUnavailable, Detail: "the store did not answer in time; enqueue it all again under the same ids",
		}
		return nil, &failure{p.Error(), notStored}
	}
	if receipts.Batch {
		return json.Marshal(receipts)
	}
	one := receipts.Tasks[0]
	switch {
	case one.Error == nil:
		return json.Marshal(one)
	case one.Error.Status == http.StatusRequestEntityTooLarge:
		return nil, &failure{one.Error.Error(), tooLarge}
	default:
		return nil, &failure{one.Error.Error(), conflict}
	}
}

// sweep looks once for what is due: the server itself looks every second. It reads nothing of its event.
func (h Handler) sweep(ctx context.Context, _ string, _ []byte) ([]byte, error) {
	report, err := h.Engine.Look(ctx)
	if err != nil {
		return nil, &failure{err.Error(), sweepFailed}
	}
	return json.Marshal(report)
}

// handle handles {"hints": [{"id", "queue", "dueAt"}]} and answers {}.
func (h Handler) handle(ctx context.Context, _ string, event []byte) ([]byte, error) {
	var e struct {
		Hints []dispatch.Hint `json:"hints"`
	}
	if err := json.Unmarshal(event, &e); err != nil || len(e.Hints) == 0 {
		return nil, &failure{`the event must be {"hints": [{"id": "…"}]}`, invalidInput}
	}
	if err := h.Engine.Handle(ctx, e.Hints); err != nil {
		return nil, &failure{err.Error(), handleFailed}
	}
	return []byte("{}"), nil
}
