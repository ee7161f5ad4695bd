package main

import (
	"context"
	"errors"
	"time"

	"example.com/dispatch/functions/internal/wiring"
	"example.com/dispatch/internal/function"
)

// answerMargin is kept to answer after the store did not.
const answerMargin = 2 * time.Second

// handler is the function on Lambda.
type handler struct{ enqueue function.Enqueue }

// Invoke implements lambda.Handler.
func (h handler) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	putting, cancel := wiring.Within(ctx, answerMargin)
	defer cancel()
	answer, err := h.enqueue.Invoke(putting, wiring.RequestID(ctx), event)
	if own, ok := errors.AsType[*function.Error](err); ok {
		return nil, wiring.Failure(own.Type, own.Message)
	}
	return answer, err
}
