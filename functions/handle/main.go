// Command handle is the Lambda function that makes calls: its event is {"hints": [{"id", "queue", "dueAt"}]}.
package main

import (
	"crypto/rand"
	"log/slog"
	mathrand "math/rand/v2"
	"time"

	"example.com/dispatch/functions/internal/signingkey"
	"example.com/dispatch/functions/internal/wiring"
	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/egress"
	"github.com/aws/aws-lambda-go/lambda"
)

func main() { wiring.Start(build) }

func build(e wiring.Environment, log *slog.Logger) (lambda.Handler, error) {
	client := egress.New(egress.Options{
		AllowedNetworks: e.AllowedNetworks, Workers: e.TasksPerHandle,
		DisableKeepAlives: true, // a kept connection freezes between invocations
	})
	return &function{client: client, signer: signingkey.New(e).Signer, verb: dispatch.Handle{
		Store: e.Store(e.TasksPerHandle), Retention: e.Retention,
		Now: time.Now, Token: rand.Text, Chance: mathrand.Float64, Log: log,
	}}, nil
}
