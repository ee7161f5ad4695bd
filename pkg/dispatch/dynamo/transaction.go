package dynamo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

const (
	// maxItems is DynamoDB's limit on the items of one transaction.
	maxItems = 100
	// maxTogether is how large the rows of one transaction are at most that put members of a group: DynamoDB's limit is
	// 4 MB, and the row that they are put behind counts as well.
	maxTogether = 3 << 20
)

// verdict is what a transaction that wrote nothing says of one of its items.
type verdict struct {
	refused bool // by its condition
	row     row  // that is there, nil for none
}

// commit writes all items or none. If it wrote none it returns a verdict on each; where the transaction met another, or
// was throttled, it may be that none was refused. What it was made of is then to be read again.
//
// After a lost answer the SDK repeats the request with its token, which DynamoDB knows for ten minutes; after that, and
// to whoever calls the store's method again, the rows tell that it is done.
func (s Store) commit(ctx context.Context, items []types.TransactWriteItem) ([]verdict, error) {
	_, err := s.Client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{
		ClientRequestToken: aws.String(rand.Text()),
		TransactItems:      items,
	}, s.untilDone)
	cancelled := (*types.TransactionCanceledException)(nil)
	if !errors.As(err, &cancelled) {
		return nil, failure(ctx, err)
	}
	if n := len(cancelled.CancellationReasons); n != len(items) {
		return nil, fmt.Errorf("%d reasons for %d items: %w", n, len(items), err)
	}
	verdicts := make([]verdict, len(items))
	for i, reason := range cancelled.CancellationReasons {
		switch aws.ToString(reason.Code) {
		case "ConditionalCheckFailed":
			verdicts[i] = verdict{refused: true, row: reason.Item}
		case "None", "TransactionConflict", "ProvisionedThroughputExceeded", "ThrottlingError":
		default:
			return nil, fmt.Errorf("item %d, %s: %w", i, aws.ToString(reason.Message), err)
		}
	}
	return verdicts, nil
}
