package dynamo

import (
	"context"
	"fmt"
	"strings"

	"example.com/dispatch/pkg/dispatch"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// maxKeys is DynamoDB's limit on the keys of one BatchGetItem.
const maxKeys = 100

// Get implements [dispatch.Store]. An id may occur more than once.
func (s Store) Get(ctx context.Context, ids []string) []dispatch.Result { return s.get(ctx, ids) }

// Glance implements [dispatch.Glancer].
func (s Store) Glance(ctx context.Context, ids []string) []dispatch.Result {
	return s.get(ctx, ids, "id", "state", "tenant", "dueAt", "expireAt", "lease", "until")
}

func (s Store) get(ctx context.Context, ids []string, names ...string) []dispatch.Result {
	found, err := s.rows(ctx, ids, names...)
	results := make([]dispatch.Result, len(ids))
	for i, id := range ids {
		r, ok := found[id]
		switch {
		case ok:
			results[i].Task, results[i].Err = decode(r)
		case err != nil && storable(id):
			results[i].Err = fmt.Errorf("reading task %q: %w", id, err)
		default:
			results[i].Err = fmt.Errorf("reading task %q: %w", id, dispatch.ErrNotFound)
		}
	}
	return results
}

// rows reads the rows with these ids, by id: these attributes of them, or all. After an error it returns those that it has
// read; the others may be there or not.
func (s Store) rows(ctx context.Context, ids []string, names ...string) (map[string]row, error) {
	found := make(map[string]row, len(ids))
	request := types.KeysAndAttributes{ConsistentRead: aws.Bool(true)}
	if len(names) > 0 {
		request.ProjectionExpression = aws.String("#" + strings.Join(names, ", #"))
		request.ExpressionAttributeNames = aliases(names...)
	}
	keys := distinctKeys(ids)
	for tries := 0; len(keys) > 0; {
		batch := keys[:min(len(keys), maxKeys)]
		request.Keys = batch
		out, err := s.Client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
			RequestItems: map[string]types.KeysAndAttributes{s.Table: request},
		}, s.untilDone)
		if err != nil {
			return found, failure(ctx, err)
		}
		for _, items := range out.Responses {
			for _, r := range items {
				d := decoder{row: r}
				found[d.text("id")] = r
			}
		}
		var left []row
		for _, unprocessed := range out.UnprocessedKeys {
			left = append(left, unprocessed.Keys...)
		}
		keys = append(left, keys[len(batch):]...)
		if len(left) < len(batch) {
			tries = 0
			continue
		}
		tries++
		if err := s.pause(ctx, tries); err != nil {
			return found, err
		}
	}
	return found, nil
}

// distinctKeys leaves out what cannot be there and what is there twice: DynamoDB refuses a batch that has either.
func distinctKeys(ids []string) []row {
	var keys []row
	asked := make(map[string]bool, len(ids))
	for _, id := range ids {
		if storable(id) && !asked[id] {
			asked[id] = true
			keys = append(keys, key(id))
		}
	}
	return keys
}
