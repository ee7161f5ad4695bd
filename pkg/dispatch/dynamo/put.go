package dynamo

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Put implements [dispatch.Store]. A row must have room for what claims and attempts add to it (2 KB). BatchWriteItem takes no
// conditions, so the puts run side by side.
func (s Store) Put(ctx context.Context, now time.Time, tasks []dispatch.Task) []dispatch.Result {
	results := make([]dispatch.Result, len(tasks))
	each(len(tasks), func(i int) {
		results[i] = s.put(ctx, now, tasks[i])
		if err := results[i].Err; err != nil {
			results[i].Err = fmt.Errorf("putting task %q: %w", tasks[i].ID, err)
		}
	})
	return results
}

func (s Store) put(ctx context.Context, now time.Time, t dispatch.Task) dispatch.Result {
	if !storable(t.ID) {
		return dispatch.Result{Err: fmt.Errorf("an id has 1 to %d bytes and does not begin with %q", maxID, internal)}
	}
	item, err := encode(t)
	if err != nil {
		return dispatch.Result{Err: err}
	}
	if err := fits(item, growth); err != nil {
		return dispatch.Result{Err: err}
	}
	_, err = s.Client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName:                           &s.Table,
		Item:                                item,
		ConditionExpression:                 aws.String("attribute_not_exists(#id) OR #ttl <= :now"),
		ExpressionAttributeNames:            aliases("id", "ttl"),
		ExpressionAttributeValues:           row{":now": number(now.Unix())},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}, untilDone)
	old, no := refused(err)
	switch {
	case no:
		there, err := decode(old)
		own := there.Generation == t.Generation && bytes.Equal(there.Hash, t.Hash)
		return dispatch.Result{Task: there, Existing: !own, Err: err}
	case err != nil:
		return dispatch.Result{Err: failure(ctx, err)}
	}
	stored, err := decode(item)
	return dispatch.Result{Task: stored, Err: err}
}
