// Package dynamo keeps tasks in a DynamoDB table: a [dispatch.Store] whose every rule is a condition of one write, or of
// one transaction where a task's neighbours in its group, or callbacks, change with it.
//
// The table's only key is id (S). Its index "lanes" has the partition key lane (S) and the sort key dueAt (N), its index
// "identifiers" the partition key identifier (S). They hold keys only; rows without the attribute are not in them, so the
// lane of a task that is blocked or held is kept as home. A group with a live member has a row /group/<name> whose tail
// is the last one's id. A document whose row costs fewer writes compressed is DEFLATE data, and packed then the version that
// the row would have otherwise. Times are in ms since 1970, but ttl, DynamoDB's time to live, is in seconds. Attributes with a
// zero value are left out.
package dynamo

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"example.com/dispatch/pkg/dispatch"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

const (
	// Index is the name of the table's index of lanes.
	Index = "lanes"
	// Identifiers is the name of the table's index of identifiers.
	Identifiers = "identifiers"
)

const (
	// parallel is how many requests one call has under way at most.
	parallel = 32
	// maxID is DynamoDB's limit on a partition key, in bytes.
	maxID = 2048
	// internal is what the ids of rows begin with that are no tasks.
	internal = "/"
)

// Store is a [dispatch.Store] in a DynamoDB table. Its methods repeat what was throttled, in conflict or unanswered
// until the context ends: give each call one that does, and the client's HTTP client a timeout for an answer's
// headers, for a connection that has died without a word is only repeated once it is given up.
type Store struct {
	Client *dynamodb.Client
	Table  string // name or ARN

	Chance func() float64 // in [0, 1), for the pauses between repeats; nil: random
}

var (
	_ dispatch.Store   = Store{}
	_ dispatch.Glancer = Store{}
)

// each calls do with 0 to n-1, several side by side, and returns when all have returned.
func each(n int, do func(i int)) {
	if n == 1 {
		do(0)
		return
	}
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(n, parallel) {
		wg.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

// storable reports whether a task can have this id: other ids are not asked for, as DynamoDB refuses a whole batch
// for one bad key.
func storable(id string) bool {
	return id != "" && len(id) <= maxID && !strings.HasPrefix(id, internal)
}

// read returns a row as it is, nil if there is none.
func (s Store) read(ctx context.Context, id string) (row, error) {
	out, err := s.Client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &s.Table, Key: key(id), ConsistentRead: aws.Bool(true),
	}, s.untilDone)
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", id, failure(ctx, err))
	}
	return out.Item, nil
}
