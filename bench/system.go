package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// system is one of those that are compared.
type system struct {
	name    string
	missing error // why it cannot be measured here
	// start makes an empty one in a folder, with the servers that it needs.
	start func(ctx context.Context, folder string) (running, error)
}

// running is a system that keeps tasks. Nobody makes their calls before work.
type running interface {
	// fill puts n tasks that are due now.
	fill(ctx context.Context, uri string, n int) error
	// enqueue puts tasks by 50 callers, so many in each call, and returns how many a second. It is errNoBatches for
	// those that have no such call.
	enqueue(ctx context.Context, together int, l limit) (float64, error)
	// work starts the process that makes the calls.
	work(ctx context.Context, w workload) (*process, error)
	// put puts one task that is due now.
	put(ctx context.Context, uri string) error
	// servers are the processes that belong to it besides the worker; their children count too.
	servers() []int
	// left says how many tasks are not delivered, once the worker has ended: 0 if all are.
	left(ctx context.Context) (int, error)
	stop() error
}

var errNoBatches = errors.New("it has no call that enqueues a batch")

// limit ends a measurement by whichever comes first.
type limit struct {
	tasks   int
	seconds float64
}

// workload says how a worker is to work.
type workload struct {
	concurrency int // calls at once; 0: its own default, which dispatch alone has
	signed      bool
}

const (
	callers  = 50
	bodySize = 300 // bytes
)

// call is what River and Asynq keep of a task.
type call struct {
	URI  string          `json:"uri"`
	Body json.RawMessage `json:"body"`
}

// body returns a JSON object of bodySize bytes.
func body() json.RawMessage {
	const around = len(`{"order":""}`)
	return fmt.Appendf(nil, `{"order":"%0*d"}`, bodySize-around, 0)
}
