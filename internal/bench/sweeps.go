package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"example.com/dispatch/internal/bench/cloud"
)

// sweeps are the sweep function as Lambda runs it: each invocation in an environment of its own, with the CPU that its memory
// gets it, and stand-ins for all that it speaks to.
type sweeps struct {
	emulator, path string
	memory         int      // MB
	env            []string // besides those that all functions have

	mu             sync.Mutex
	all            []*function
	failed         []error
	ended          bool
	dynamo, lambda *cloud.Endpoint
}

// tickEvent is what a schedule of EventBridge sends, and wakeEvent what enqueue does: of one, a single run.
const (
	tickEvent = `{"detail-type":"Scheduled Event"}`
	wakeEvent = `{}`
)

// begin invokes the function for a backlog.
func (s *sweeps) begin(ctx context.Context, backlog *cloud.Backlog, event string) (*cloud.Handlers, error) {
	handlers := cloud.NewHandlers(backlog, handleTime, concurrency)
	invokes := &cloud.Lambda{Latency: invokeLatency, Rate: invokeRate, Accept: func(function string, payload []byte) {
		if function == "sweep" {
			s.run(ctx, string(payload))
		} else {
			handlers.Handle(payload)
		}
	}}
	s.dynamo, s.lambda = cloud.Listen(&cloud.DynamoDB{Do: backlog.Do, Latency: dynamoDBLatency}), cloud.Listen(invokes)
	s.run(ctx, event)
	s.mu.Lock()
	defer s.mu.Unlock()
	return handlers, errors.Join(s.failed...)
}

// run begins one invocation, which is cut off by the end.
func (s *sweeps) run(ctx context.Context, event string) {
	f, err := startFunction(ctx, s.emulator, s.path, s.memory, slices.Concat(s.env, []string{
		"AWS_ENDPOINT_URL_DYNAMODB=" + s.dynamo.URL, "AWS_ENDPOINT_URL_LAMBDA=" + s.lambda.URL,
		"AWS_LAMBDA_FUNCTION_TIMEOUT=90", "AWS_LAMBDA_FUNCTION_NAME=sweep",
	})...)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil:
		s.failed = append(s.failed, err)
	case s.ended:
		s.failed = append(s.failed, f.stop())
	default:
		s.all = append(s.all, f)
		go f.invoke(ctx, event)
	}
}

// reached waits until so many tasks were handed over.
func (s *sweeps) reached(ctx context.Context, handlers *cloud.Handlers, n int64) error {
	const within = time.Minute
	for began := time.Now(); handlers.Hints.Load() < n; time.Sleep(10 * time.Millisecond) {
		if ctx.Err() != nil || time.Since(began) > within {
			said := s.running()[0].output.String()
			return fmt.Errorf("%d tasks were handed over in %v\n%s", handlers.Hints.Load(), within, said[max(0, strings.LastIndex(said, "\n{")):])
		}
	}
	return nil
}

func (s *sweeps) running() []*function {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.all)
}

// cpu returns the CPU time that all have taken so far.
func (s *sweeps) cpu() (sum time.Duration) {
	for _, f := range s.running() {
		sum += f.cpu()
	}
	return sum
}

// end stops all of it. The error joins what failed meanwhile.
func (s *sweeps) end() error {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	var failed []error
	for _, f := range s.running() {
		failed = append(failed, f.stop())
	}
	for _, e := range []*cloud.Endpoint{s.dynamo, s.lambda} {
		if e != nil {
			e.Close()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(append(failed, s.failed...)...)
}
