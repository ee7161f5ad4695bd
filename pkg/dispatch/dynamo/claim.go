package dynamo

import (
	"context"
	"fmt"

	"example.com/dispatch/pkg/dispatch"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

const (
	takeLease = "SET #lease = :lease, #until = #timeout + :until, #generation = #generation + :one"
	claimable = "#state = :scheduled AND #dueAt <= :ahead AND #timeout <= :left AND #version <= :version"
)

// Claim implements [dispatch.Store]. It reads nothing first: one conditional write takes a lease that is free, and
// only the row that refuses it tells that one is over, which a second write then takes.
func (s Store) Claim(ctx context.Context, ids []string, l dispatch.Lease) []dispatch.Result {
	results := make([]dispatch.Result, len(ids))
	each(len(ids), func(i int) {
		results[i] = s.claim(ctx, ids[i], l)
		if err := results[i].Err; err != nil {
			results[i].Err = fmt.Errorf("claiming task %q: %w", ids[i], err)
		}
	})
	return results
}

func (s Store) claim(ctx context.Context, id string, l dispatch.Lease) dispatch.Result {
	if !storable(id) {
		return dispatch.Result{Err: dispatch.ErrNotFound}
	}
	result := s.take(ctx, id, l, s.firstClaim(id, l))
	if lapsed(result, l) {
		return s.take(ctx, id, l, s.lapseClaim(id, l, result.Task.Lease))
	}
	return result
}

// firstClaim takes a lease that nobody has.
func (s Store) firstClaim(id string, l dispatch.Lease) *dynamodb.UpdateItemInput {
	return &dynamodb.UpdateItemInput{
		TableName:                &s.Table,
		Key:                      key(id),
		UpdateExpression:         aws.String(takeLease),
		ConditionExpression:      aws.String(claimable + " AND attribute_not_exists(#lease)"),
		ExpressionAttributeNames: aliases("lease", "until", "timeout", "generation", "state", "dueAt", "version"),
		ExpressionAttributeValues: row{
			":lease":     text(l.Token),
			":until":     number(dispatch.Millis(l.At.Add(dispatch.LeaseMargin))),
			":one":       number(1),
			":scheduled": text(string(dispatch.Scheduled)),
			":ahead":     number(dispatch.Millis(l.At.Add(dispatch.ClaimAhead))),
			":left":      number(l.Left.Milliseconds()),
			":version":   number(dispatch.FormatVersion),
		},
		ReturnValues:                        types.ReturnValueAllNew,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
}

// lapseClaim takes the lease called old, if it is still there and over.
func (s Store) lapseClaim(id string, l dispatch.Lease, old string) *dynamodb.UpdateItemInput {
	in := s.firstClaim(id, l)
	in.UpdateExpression = aws.String(takeLease + ", #lapses = if_not_exists(#lapses, :none) + :one")
	in.ConditionExpression = aws.String(claimable + " AND #lease = :old AND #until <= :now")
	in.ExpressionAttributeNames["#lapses"] = "lapses"
	in.ExpressionAttributeValues[":none"] = number(0)
	in.ExpressionAttributeValues[":old"] = text(old)
	in.ExpressionAttributeValues[":now"] = number(dispatch.Millis(l.At))
	return in
}

// take sends a claim. Refused by a row that has this very lease, it was an answer that was lost: the claim stands.
func (s Store) take(ctx context.Context, id string, l dispatch.Lease, in *dynamodb.UpdateItemInput) dispatch.Result {
	out, err := s.Client.UpdateItem(ctx, in, s.untilDone)
	old, no := refused(err)
	switch {
	case no && old == nil:
		return dispatch.Result{Err: dispatch.ErrNotFound}
	case no:
		t, err := decode(old)
		if err == nil && t.Lease != l.Token {
			err = dispatch.ErrRefused
		}
		return dispatch.Result{Task: t, Err: err}
	case err != nil:
		return dispatch.Result{Err: failure(ctx, err)}
	}
	t, err := decode(out.Attributes)
	return dispatch.Result{Task: t, Err: err}
}

// lapsed reports whether a claim was refused for nothing but a lease that is over, by the claimer's clock. The
// second write has all the conditions again; looking here first saves it where it would be refused.
func lapsed(r dispatch.Result, l dispatch.Lease) bool {
	t := r.Task
	return r.Err == dispatch.ErrRefused && t.Lease != "" && !t.Until.After(l.At) &&
		t.State == dispatch.Scheduled && !t.DueAt.After(l.At.Add(dispatch.ClaimAhead)) &&
		t.Timeout <= l.Left && t.Version <= dispatch.FormatVersion
}
