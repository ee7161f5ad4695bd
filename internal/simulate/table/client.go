package table

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/middleware"
)

// Client returns a client whose every try at a request is given to do, which returns the output or an error. The SDK's
// own repeating is around it; nothing is encoded, signed or sent.
func Client(do func(ctx context.Context, in any) (out any, err error)) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region:      "eu-west-1",
		Credentials: aws.AnonymousCredentials{},
		Retryer:     aws.NopRetryer{},
		APIOptions:  []func(*middleware.Stack) error{func(stack *middleware.Stack) error { return through(stack, do) }},
	})
}

// asked is the key of a request's input in its context.
type asked struct{}

func through(stack *middleware.Stack, do func(context.Context, any) (any, error)) error {
	repeats, ok := stack.Finalize.Get("Retry")
	if !ok {
		return errors.New("the SDK has no middleware called Retry")
	}
	stack.Initialize.Clear()
	stack.Serialize.Clear()
	stack.Build.Clear()
	stack.Finalize.Clear()
	stack.Deserialize.Clear()
	return errors.Join(
		stack.Initialize.Add(middleware.InitializeMiddlewareFunc("Input", func(
			ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
		) (middleware.InitializeOutput, middleware.Metadata, error) {
			return next.HandleInitialize(context.WithValue(ctx, asked{}, in.Parameters), in)
		}), middleware.After),
		stack.Finalize.Add(repeats, middleware.After),
		stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("Model", func(
			ctx context.Context, _ middleware.DeserializeInput, _ middleware.DeserializeHandler,
		) (out middleware.DeserializeOutput, _ middleware.Metadata, err error) {
			out.Result, err = do(ctx, ctx.Value(asked{}))
			return out, middleware.Metadata{}, err
		}), middleware.After),
	)
}
