package wiring

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

// Start reads the environment, has build make the function and serves invocations until Lambda ends the process.
// What keeps a function from starting is logged, and ends the process with 1.
func Start(build func(Environment, *slog.Logger) (lambda.Handler, error)) {
	log := lambdacontext.NewLogger()
	environment, err := Read(os.Getenv)
	var handler lambda.Handler
	if err == nil {
		handler, err = build(environment, log)
	}
	if err != nil {
		log.LogAttrs(context.Background(), slog.LevelError, "the function cannot start", slog.Any("error", err))
		os.Exit(1)
	}
	lambda.Start(handler)
}

// Failure is a function error that callers and Step Functions can catch by its type.
func Failure(errorType, message string) error {
	return messages.InvokeResponse_Error{Type: errorType, Message: message}
}

// Within returns a context that ends margin before the invocation's own, so that there is time to say so.
func Within(ctx context.Context, margin time.Duration) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-margin))
}

// RequestID returns the id of the invocation, the same for all tries of an asynchronous one.
func RequestID(ctx context.Context) string {
	if invocation, ok := lambdacontext.FromContext(ctx); ok {
		return invocation.AwsRequestID
	}
	return ""
}
