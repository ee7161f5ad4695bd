// Command enqueue is the Lambda function that takes tasks in: one, {"tasks": […]}, or an event of SQS or EventBridge with them.
package main

import (
	"log/slog"
	"time"

	"example.com/dispatch/functions/internal/invoke"
	"example.com/dispatch/functions/internal/wiring"
	"example.com/dispatch/internal/function"
	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/egress"
	"example.com/dispatch/pkg/dispatch/rule"
	"github.com/aws/aws-lambda-go/lambda"
)

const (
	connections = 32          // as many as the store puts, or the verb invokes, side by side
	settingsAge = time.Minute // how late this function may learn of a new queue
)

func main() { wiring.Start(build) }

func build(e wiring.Environment, log *slog.Logger) (lambda.Handler, error) {
	store := e.Store(connections)
	functions, err := invoke.New(e, connections)
	if err != nil {
		return nil, err
	}
	verb := &dispatch.Enqueue{
		Store: store, Settings: dispatch.CachedSettings(store, time.Now, settingsAge), Invoke: functions.Handle,
		Retention: e.Retention, TasksPerHandle: e.TasksPerHandle, AllowHTTP: len(e.AllowedNetworks) > 0, CanSign: e.Sign, CheckRule: rule.Check, CheckARN: e.CheckARN,
		CheckURL: egress.NewCheck(e.Egress()), CheckSecret: dispatch.SecretsUnder(e.HeaderSecretsPrefix), Now: time.Now, Log: log,
	}
	if e.Precision == dispatch.PrecisionSecond && e.SweepFunction != "" {
		verb.Wake = functions.Sweep
	}
	return handler{function.Enqueue{Verb: verb, Log: log}}, nil
}
