package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"example.com/dispatch/functions/internal/metric"
	"example.com/dispatch/functions/internal/wiring"
	"example.com/dispatch/pkg/dispatch"
)

// sweepFailed is the type of this function's errors: something could not be read or handed over; the next tick
// makes up for it.
const sweepFailed = "SweepFailed"

// invalidInput is the type of the error that an event gets which is no part of a tick, though it says so.
const invalidInput = "InvalidInput"

// answerMargin is kept for the metrics and the answer.
const answerMargin = 5 * time.Second

// function answers with what the sweep did: {"handedOver", "looks"}.
type function struct {
	verb    *dispatch.Sweep
	stack   string
	metrics io.Writer
}

// Invoke implements lambda.Handler.
func (f *function) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	e, err := readEvent(payload)
	if err != nil {
		return nil, wiring.Failure(invalidInput, err.Error())
	}
	sweeping, cancel := wiring.Within(ctx, answerMargin)
	defer cancel()
	report, err := e.run(sweeping, f.verb)
	open, circuitErr := dispatch.LoadCircuits(ctx, f.verb.Store)
	m := metric.Sweep{Stack: f.stack, OldestDueSeconds: report.Oldest.Seconds(), HandedOver: report.HandedOver, OpenCircuits: len(open)}
	if err := errors.Join(err, circuitErr, m.Write(f.metrics, f.verb.Now())); err != nil {
		return nil, wiring.Failure(sweepFailed, err.Error())
	}
	answer, err := json.Marshal(report)
	if err != nil {
		return nil, fmt.Errorf("encoding the answer: %w", err)
	}
	return answer, nil
}
