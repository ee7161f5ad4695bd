// Package invoke runs the other functions, asynchronously: what it sends are hints, and losing one is harmless.
package invoke

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"example.com/dispatch/functions/internal/wiring"
	"example.com/dispatch/pkg/dispatch"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// Invoker invokes functions as events.
type Invoker struct {
	client        *lambda.Client
	handle, sweep string
}

const (
	invokeTime = 10 * time.Second // for all tries of one invocation
	maxTries   = 3
	maxBackoff = time.Second
)

// New returns an invoker of the environment's functions that keeps so many connections.
func New(e wiring.Environment, connections int) (*Invoker, error) {
	if e.HandleFunction == "" {
		return nil, errors.New("HANDLE_FUNCTION is required")
	}
	client := lambda.NewFromConfig(e.AWS(wiring.Lambda, connections), func(o *lambda.Options) { o.Retryer = throttled() })
	return &Invoker{client: client, handle: e.HandleFunction, sweep: e.SweepFunction}, nil
}

// throttled repeats only what Lambda refused for now. The SDK's own retryer repeats also after a lost answer, and
// every repetition that was not needed is another function running.
func throttled() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts, o.MaxBackoff, o.RateLimiter = maxTries, maxBackoff, ratelimit.None
		o.Retryables = []retry.IsErrorRetryable{
			retry.RetryableHTTPStatusCode{Codes: map[int]struct{}{http.StatusTooManyRequests: {}}},
		}
	})
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

func (i *Invoker) event(ctx context.Context, function string, payload []byte) error {
	ctx, cancel := context.WithTimeout(ctx, invokeTime)
	defer cancel()
	_, err := i.client.Invoke(ctx, &lambda.InvokeInput{
		FunctionName: &function, InvocationType: types.InvocationTypeEvent, Payload: payload,
	})
	if err != nil {
		return fmt.Errorf("invoking %s: %w", function, err)
	}
	return nil
}
