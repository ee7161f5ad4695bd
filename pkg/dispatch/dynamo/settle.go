package dynamo

import (
	"context"
	"fmt"

	"example.com/dispatch/pkg/dispatch"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Settle implements [dispatch.Store].
func (s Store) Settle(ctx context.Context, t dispatch.Task) error {
	if err := s.settle(ctx, t); err != nil {
		return fmt.Errorf("settling task %q: %w", t.ID, err)
	}
	return nil
}

func (s Store) settle(ctx context.Context, t dispatch.Task) error {
	if !storable(t.ID) || t.Lease == "" {
		return dispatch.ErrLeaseLost
	}
	r, err := outcome(t)
	if err != nil {
		return err
	}
	values := row{":lease": text(t.Lease), ":generation": number(t.Generation)}
	touched := append(outcomeNames(), "lease", "until")
	_, err = s.Client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                           &s.Table,
		Key:                                 key(t.ID),
		UpdateExpression:                    aws.String(assign(r, touched, values)),
		ConditionExpression:                 aws.String("#lease = :lease AND #generation = :generation"),
		ExpressionAttributeNames:            aliases(append(touched, "generation")...),
		ExpressionAttributeValues:           values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}, untilDone)
	old, no := refused(err)
	if !no {
		return failure(ctx, err)
	}
	there, err := decode(old)
	if err != nil {
		return err
	}
	// Every claim and edit raises the generation: without a lease, nobody but this settle can have written since.
	if old != nil && there.Lease == "" && there.Generation == t.Generation {
		return nil
	}
	return dispatch.ErrLeaseLost
}
