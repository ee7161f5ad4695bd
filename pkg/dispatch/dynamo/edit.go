package dynamo

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"

	"example.com/dispatch/pkg/dispatch"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Edit implements [dispatch.Store]. As for a put, the row must have room for what attempts add to it (2 KB). With
// edit's error it returns the task as it was.
func (s Store) Edit(ctx context.Context, id string, edit func(*dispatch.Task) error) (dispatch.Task, error) {
	if !storable(id) {
		return dispatch.Task{}, fmt.Errorf("editing task %q: %w", id, dispatch.ErrNotFound)
	}
	there, err := s.read(ctx, id)
	if err != nil {
		return dispatch.Task{}, fmt.Errorf("editing task %q: %w", id, err)
	}
	for there != nil {
		before, err := decode(there)
		if err != nil {
			return before, fmt.Errorf("editing task %q: %w", id, err)
		}
		after := before
		if err := edit(&after); err != nil {
			return before, err
		}
		changed, err := rewrite(there, before, after)
		if err != nil {
			return before, fmt.Errorf("editing task %q: %w", id, err)
		}
		overtaken, now, err := s.replace(ctx, changed, before)
		if err != nil {
			return before, fmt.Errorf("editing task %q: %w", id, err)
		}
		if !overtaken {
			return decode(changed)
		}
		there = now
	}
	return dispatch.Task{}, fmt.Errorf("editing task %q: %w", id, dispatch.ErrNotFound)
}

// rewrite returns the edited task's row, marked with a random token, by which the edit is recognised should the
// answer to its write be lost. Attributes that this version does not know stay as they are.
func rewrite(old row, before, after dispatch.Task) (row, error) {
	after.ID, after.Generation = before.ID, before.Generation+1
	after.Lease, after.Until = "", dispatch.FromMillis(0)
	r, err := encode(after)
	if err != nil {
		return nil, err
	}
	changed := maps.Clone(old)
	for _, name := range names() {
		delete(changed, name)
	}
	maps.Copy(changed, r)
	changed["edit"] = text(rand.Text())
	return changed, fits(changed, growth)
}

// replace writes the row if nothing has written since before was read: claims and edits raise the generation, a final
// settle changes the state, and every settle ends the lease. Overtaken, it returns the row that is there now, nil
// for none.
func (s Store) replace(ctx context.Context, changed row, before dispatch.Task) (overtaken bool, now row, err error) {
	in := &dynamodb.PutItemInput{
		TableName:                &s.Table,
		Item:                     changed,
		ConditionExpression:      aws.String("#generation = :generation AND #state = :state AND attribute_not_exists(#lease)"),
		ExpressionAttributeNames: aliases("generation", "state", "lease"),
		ExpressionAttributeValues: row{
			":generation": number(before.Generation),
			":state":      text(string(before.State)),
		},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
	if before.Lease != "" {
		in.ConditionExpression = aws.String("#generation = :generation AND #state = :state AND #lease = :lease")
		in.ExpressionAttributeValues[":lease"] = text(before.Lease)
	}
	_, err = s.Client.PutItem(ctx, in, untilDone)
	there, no := refused(err)
	if !no {
		return false, nil, failure(ctx, err)
	}
	mine, got := decoder{row: changed}, decoder{row: there}
	return mine.text("edit") != got.text("edit"), there, nil
}
