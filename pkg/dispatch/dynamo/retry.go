package dynamo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

const (
	firstBackoff = 25 * time.Millisecond
	maxBackoff   = 2 * time.Second
)

// untilDone makes a request be repeated until its context ends; the SDK's own retryer gives up after three tries.
func (s Store) untilDone(o *dynamodb.Options) {
	o.RetryMaxAttempts = 0
	o.Retryer = patient{s.Chance}
}

// patient is an [aws.RetryerV2] without a limit.
type patient struct {
	chance func() float64 // that of the store
}

var _ aws.RetryerV2 = patient{}

// IsErrorRetryable reports whether a request with this outcome is to be repeated: it was throttled, met a
// transaction, failed inside DynamoDB, or its answer was lost.
func (patient) IsErrorRetryable(err error) bool {
	if api := (interface{ ErrorCode() string })(nil); errors.As(err, &api) && api.ErrorCode() == "TransactionConflictException" {
		return true
	}
	if answer := (interface{ HTTPStatusCode() int })(nil); errors.As(err, &answer) &&
		answer.HTTPStatusCode() >= http.StatusInternalServerError {
		return true
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return true
	}
	return retry.IsErrorRetryables(retry.DefaultRetryables).IsErrorRetryable(err) == aws.TrueTernary
}

// MaxAttempts returns 0: no limit.
func (patient) MaxAttempts() int { return 0 }

// RetryDelay returns how long to wait after so many tries, at least 1.
func (p patient) RetryDelay(tries int, _ error) (time.Duration, error) {
	return backoff(tries, p.chance), nil
}

// GetRetryToken and the others are the SDK's rate limiter, which would give up: there is none.
func (patient) GetRetryToken(context.Context, error) (func(error) error, error) { return free, nil }

// GetInitialToken is never called for a RetryerV2.
func (patient) GetInitialToken() func(error) error { return free }

// GetAttemptToken always grants one.
func (patient) GetAttemptToken(context.Context) (func(error) error, error) { return free, nil }

func free(error) error { return nil }

// backoff is random, so that many that were throttled at once do not come back at once.
func backoff(tries int, chance func() float64) time.Duration {
	if chance == nil {
		chance = rand.Float64
	}
	limit := min(firstBackoff<<min(max(tries-1, 0), 10), maxBackoff)
	return 1 + time.Duration(chance()*float64(limit))
}

// pause waits the backoff after so many tries, or fails because the context ended.
func (s Store) pause(ctx context.Context, tries int) error {
	timer := time.NewTimer(backoff(tries, s.Chance))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// failure makes sure that an error, if there is one, that came of the context's end says so.
func failure(ctx context.Context, err error) error {
	if end := ctx.Err(); err != nil && end != nil && !errors.Is(err, end) {
		return fmt.Errorf("%w: %w", end, err)
	}
	return err
}

// refused returns the row that a write's condition refused, nil if there is none; false if err is something else.
func refused(err error) (row, bool) {
	if no := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &no) {
		return no.Item, true
	}
	return nil, false
}
