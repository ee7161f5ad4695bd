package invocation

import (
	"context"
	"encoding/json"
	"time"

	"example.com/dispatch/internal/function"
	"example.com/dispatch/pkg/dispatch"
)

// The types of the other functions' errors, the same as on Lambda.
const (
	sweepFailed  = "SweepFailed"
	handleFailed = "HandleFailed"
)

// storeTime bounds a call of enqueue.
const storeTime = 30 * time.Second

func (h Handler) enqueue(ctx context.Context, requestID string, event []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	return function.Enqueue{Verb: h.Engine.Enqueue, Log: h.Log}.Invoke(ctx, requestID, event)
}

// sweep looks once for what is due: the server itself looks every second. It reads nothing of its event.
func (h Handler) sweep(ctx context.Context, _ string, _ []byte) ([]byte, error) {
	report, err := h.Engine.Look(ctx)
	if err != nil {
		return nil, &function.Error{Message: err.Error(), Type: sweepFailed}
	}
	return json.Marshal(report)
}

// handle handles {"hints": [{"id", "queue", "dueAt"}]} and answers {}.
func (h Handler) handle(ctx context.Context, _ string, event []byte) ([]byte, error) {
	var e struct {
		Hints []dispatch.Hint `json:"hints"`
	}
	if err := json.Unmarshal(event, &e); err != nil || len(e.Hints) == 0 {
		return nil, &function.Error{Message: `the event must be {"hints": [{"id": "…"}]}`, Type: function.InvalidInput}
	}
	if err := h.Engine.Handle(ctx, e.Hints); err != nil {
		return nil, &function.Error{Message: err.Error(), Type: handleFailed}
	}
	return []byte("{}"), nil
}
