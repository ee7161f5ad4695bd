// Package invoke runs the other functions, asynchronously: what it sends are hints, and losing one is harmless.
package invoke

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"example.com/dispatch/functions/internal/wiring"
	"example.com/dispatch/internal/signed"
	"example.com/dispatch/pkg/dispatch"
)

// Invoker invokes functions as events.
type Invoker struct {
	client             *signed.Client
	handle, sweep, own string
}

const (
	invokeTime   = 10 * time.Second // for all tries of one invocation
	maxTries     = 3
	firstBackoff = 200 * time.Millisecond
)

// New returns an invoker of the environment's functions that keeps so many connections.
func New(e wiring.Environment, connections int) (*Invoker, error) {
	if e.HandleFunction == "" {
		return nil, errors.New("HANDLE_FUNCTION is required")
	}
	client := signed.New(e.Invokes(connections), "lambda")
	return &Invoker{client: client, handle: e.HandleFunction, sweep: e.SweepFunction, own: e.Function}, nil
}

// Event is what handle is invoked with.
type Event struct {
	Hints []dispatch.Hint `json:"hints"`
}

// Handle runs handle with the hints.
func (i *Invoker) Handle(ctx context.Context, hints []dispatch.Hint) error {
	payload, err := json.Marshal(Event{Hints: hints})
	if err != nil {
		return fmt.Errorf("encoding hints: %w", err)
	}
	return i.event(ctx, i.handle, payload)
}

// Sweep runs a sweep, as the tick does.
func (i *Invoker) Sweep(ctx context.Context) error { return i.event(ctx, i.sweep, []byte("{}")) }

// Part runs the function itself, which is sweep, for a part of a tick.
func (i *Invoker) Part(ctx context.Context, p dispatch.Part) error {
	payload, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encoding a part: %w", err)
	}
	return i.event(ctx, i.own, payload)
}

// event invokes once, and repeats only what Lambda refused for now: every repetition that was not needed, because only
// the answer was lost, is another function running.
func (i *Invoker) event(ctx context.Context, function string, payload []byte) error {
	ctx, cancel := context.WithTimeout(ctx, invokeTime)
	defer cancel()
	path := "/2015-03-31/functions/" + url.QueryEscape(function) + "/invocations"
	header := http.Header{"X-Amz-Invocation-Type": {"Event"}, "Content-Type": {"application/json"}}
	for try := 1; ; try++ {
		_, err := i.client.Post(ctx, path, header, payload)
		if err == nil {
			return nil
		}
		refused, ok := errors.AsType[*signed.Error](err)
		if !ok || refused.Status != http.StatusTooManyRequests || try == maxTries || !signed.Pause(ctx, firstBackoff, try) {
			return fmt.Errorf("invoking %s: %w", function, err)
		}
	}
}
