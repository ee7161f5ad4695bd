// Command sweep is the Lambda function that finds what is due: a tick runs it every minute, which it may divide.
package main

import (
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"example.com/dispatch/functions/internal/invoke"
	"example.com/dispatch/functions/internal/wiring"
	"example.com/dispatch/pkg/dispatch"
	"github.com/aws/aws-lambda-go/lambda"
)

const (
	parallel    = 64               // invokes side by side
	reading     = 8                // connections to the store
	settingsAge = 10 * time.Second // how late a sweep may learn of a new lane: sooner than tasks are put into it
	gcPercent   = 400              // a sweep keeps some MB at most, and a tenth of its CPU time went into collecting
)

func main() {
	debug.SetGCPercent(gcPercent)
	wiring.Start(build)
}

func build(e wiring.Environment, log *slog.Logger) (lambda.Handler, error) {
	store := e.Store(reading)
	functions, err := invoke.New(e, parallel)
	if err != nil {
		return nil, err
	}
	return &function{stack: e.Stack, metrics: os.Stdout, verb: &dispatch.Sweep{
		Store: store, Settings: dispatch.CachedSettings(store, time.Now, settingsAge), Invoke: functions.Handle,
		Precision: e.Precision, TasksPerHandle: e.TasksPerHandle, Limit: e.SweepLimit, Parallel: parallel,
		Parts: e.SweepParts, Backlog: backlog, InvokePart: functions.Part, Now: time.Now, Log: log,
	}}, nil
}
