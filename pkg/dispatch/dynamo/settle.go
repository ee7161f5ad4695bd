package dynamo

import (
	"context"
	"fmt"
	"maps"

	"example.com/dispatch/pkg/dispatch"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Settle implements [dispatch.Store]. A callback must not be of a group.
func (s Store) Settle(ctx context.Context, t dispatch.Task, callbacks ...dispatch.Task) (dispatch.Hint, error) {
	next, err := s.settle(ctx, t, callbacks)
	if err != nil {
		return dispatch.Hint{}, fmt.Errorf("settling task %q: %w", t.ID, err)
	}
	return next, nil
}

func (s Store) settle(ctx context.Context, t dispatch.Task, callbacks []dispatch.Task) (dispatch.Hint, error) {
	if !storable(t.ID) || t.Lease == "" {
		return dispatch.Hint{}, dispatch.ErrLeaseLost
	}
	if len(callbacks) > 0 || t.Group != "" && t.State.Final() {
		return s.settleTogether(ctx, t, callbacks)
	}
	u, err := s.settling(t)
	if err != nil {
		return dispatch.Hint{}, err
	}
	_, err = s.Client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                           u.TableName,
		Key:                                 u.Key,
		UpdateExpression:                    u.UpdateExpression,
		ConditionExpression:                 u.ConditionExpression,
		ExpressionAttributeNames:            u.ExpressionAttributeNames,
		ExpressionAttributeValues:           u.ExpressionAttributeValues,
		ReturnValuesOnConditionCheckFailure: u.ReturnValuesOnConditionCheckFailure,
	}, s.untilDone)
	old, no := refused(err)
	if !no {
		return dispatch.Hint{}, failure(ctx, err)
	}
	there, done, err := settled(old, t)
	switch {
	case err != nil:
		return dispatch.Hint{}, err
	case done:
		return s.turn(ctx, there)
	default: // it is of a group, whatever t says
		t.Group, t.Next = there.Group, there.Next
		return s.settleTogether(ctx, t, nil)
	}
}

// settling is the write of the task's own row. What it ends for good must have the group and the next member that t has.
func (s Store) settling(t dispatch.Task) (*types.Update, error) {
	r, err := outcome(t)
	if err != nil {
		return nil, err
	}
	var when condition
	when.same("lease", t.Lease)
	when.equal("generation", number(t.Generation))
	if t.State.Final() {
		when.same("group", t.Group)
		when.same("next", t.Next)
	}
	values := maps.Clone(when.values)
	touched := append(outcomeNames(), "lease", "until")
	update := assign(r, touched, values)
	aliased := aliases(touched...)
	maps.Copy(aliased, when.names)
	return &types.Update{
		TableName:                           &s.Table,
		Key:                                 key(t.ID),
		UpdateExpression:                    &update,
		ConditionExpression:                 aws.String(when.String()),
		ExpressionAttributeNames:            aliased,
		ExpressionAttributeValues:           values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}, nil
}

// settled reports whether the row that refused a settle has it from an earlier try. The error is
// [dispatch.ErrLeaseLost] if it has not, and t is no longer the holder's.
func settled(r row, t dispatch.Task) (there dispatch.Task, done bool, err error) {
	there, err = decode(r)
	switch {
	case err != nil:
		return there, false, err
	case r == nil || there.Generation != t.Generation:
		return there, false, dispatch.ErrLeaseLost
	case there.Lease == "":
		// Every claim and edit raises the generation: without a lease, nobody but this settle can have written since.
		return there, true, nil
	case there.Lease != t.Lease:
		return there, false, dispatch.ErrLeaseLost
	}
	return there, false, nil
}

// settleTogether settles a task, hands its turn over if it was a member of a group and has ended, and puts callbacks.
func (s Store) settleTogether(ctx context.Context, t dispatch.Task, callbacks []dispatch.Task) (dispatch.Hint, error) {
	var p packer
	for tries := 0; ; {
		own, err := s.settling(t)
		if err != nil {
			return dispatch.Hint{}, err
		}
		items := []types.TransactWriteItem{{Update: own}}
		var next dispatch.Hint
		if t.Group != "" && t.State.Final() {
			var others []types.TransactWriteItem
			if others, next, err = s.handOver(ctx, t, tries > 0); err != nil {
				return dispatch.Hint{}, err
			}
			items = append(items, others...)
		}
		first := len(items)
		for _, c := range callbacks {
			put, err := s.putCallback(c, &p)
			if err != nil {
				return dispatch.Hint{}, err
			}
			items = append(items, put)
		}
		verdicts, err := s.commit(ctx, items)
		if err != nil || verdicts == nil {
			return next, err
		}
		if verdicts[0].refused {
			there, done, err := settled(verdicts[0].row, t)
			if err != nil {
				return dispatch.Hint{}, err
			}
			if done {
				return s.turn(ctx, there)
			}
			t.Group, t.Next = there.Group, there.Next
		}
		var missing []dispatch.Task
		for i, c := range callbacks {
			if !verdicts[first+i].refused { // an earlier try may have put it
				missing = append(missing, c)
			}
		}
		callbacks = missing
		tries++
		if err := s.pause(ctx, tries); err != nil {
			return dispatch.Hint{}, err
		}
	}
}

// putCallback is the write that puts a callback, unless an earlier try did.
func (s Store) putCallback(t dispatch.Task, p *packer) (types.TransactWriteItem, error) {
	item, err := newRow(t, p)
	if err == nil && t.Group != "" {
		err = fmt.Errorf("it is of group %q", t.Group)
	}
	if err != nil {
		return types.TransactWriteItem{}, fmt.Errorf("putting its callback %q: %w", t.ID, err)
	}
	return types.TransactWriteItem{Put: &types.Put{
		TableName:                &s.Table,
		Item:                     item,
		ConditionExpression:      aws.String("attribute_not_exists(#id)"),
		ExpressionAttributeNames: aliases("id"),
	}}, nil
}
