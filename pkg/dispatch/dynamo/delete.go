package dynamo

import (
	"context"
	"fmt"

	"example.com/dispatch/pkg/dispatch"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Delete implements [dispatch.Store].
func (s Store) Delete(ctx context.Context, id string, generation int64) error {
	if !storable(id) {
		return nil
	}
	values := liveStates()
	values[":generation"] = number(generation)
	_, err := s.Client.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName:                           &s.Table,
		Key:                                 key(id),
		ConditionExpression:                 aws.String("#generation = :generation AND NOT " + live),
		ExpressionAttributeNames:            aliases("generation", "state"),
		ExpressionAttributeValues:           values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}, s.untilDone)
	old, no := refused(err)
	switch {
	case no && old == nil:
		return nil
	case no:
		return fmt.Errorf("deleting task %q: %w", id, dispatch.ErrConflict)
	case err != nil:
		return fmt.Errorf("deleting task %q: %w", id, failure(ctx, err))
	}
	return nil
}
