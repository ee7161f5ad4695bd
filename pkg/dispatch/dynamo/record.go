package dynamo

import (
	"context"
	"fmt"

	"example.com/dispatch/pkg/dispatch"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// once has the client make one try.
func once(o *dynamodb.Options) { o.Retryer = aws.NopRetryer{} }

// Record implements [dispatch.Store].
func (s Store) Record(ctx context.Context, t dispatch.Task) error {
	if err := s.record(ctx, t); err != nil {
		return fmt.Errorf("recording task %q: %w", t.ID, err)
	}
	return nil
}

func (s Store) record(ctx context.Context, t dispatch.Task) error {
	if !storable(t.ID) || t.Lease == "" {
		return dispatch.ErrLeaseLost
	}
	progress, err := dispatch.EncodeProgress(t.Progress)
	if err != nil {
		return err
	}
	r := row{}
	setBytes(r, "progress", progress)
	var when condition
	when.same("lease", t.Lease)
	when.equal("generation", number(t.Generation))
	update := assign(r, []string{"progress"}, when.values)
	when.names["#progress"] = "progress"
	_, err = s.Client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                 &s.Table,
		Key:                       key(t.ID),
		UpdateExpression:          &update,
		ConditionExpression:       aws.String(when.String()),
		ExpressionAttributeNames:  when.names,
		ExpressionAttributeValues: when.values,
	}, once)
	if _, no := refused(err); no {
		return dispatch.ErrLeaseLost
	}
	return failure(ctx, err)
}
