// Command keys is the Lambda function that publishes the public halves of the signing keys at a function URL. A stack has
// it only where its parameter PublishKeys says so.
package main

import (
	"log/slog"
	"time"

	"example.com/dispatch/functions/internal/signingkey"
	"example.com/dispatch/functions/internal/wiring"
	"github.com/aws/aws-lambda-go/lambda"
)

func main() { wiring.Start(build) }

func build(e wiring.Environment, log *slog.Logger) (lambda.Handler, error) {
	return &function{keys: signingkey.New(e, 1).Public, now: time.Now, log: log}, nil
}
