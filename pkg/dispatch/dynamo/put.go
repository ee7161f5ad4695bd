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

// Put implements [dispatch.Store]. A row must have room for what claims and attempts add to it (2 KB), and that of a
// group's member for its neighbours' ids. BatchWriteItem takes no conditions, so the puts run side by side; the members
// of one group are put by one transaction after another, as many in each as it takes.
func (s Store) Put(ctx context.Context, now time.Time, tasks []dispatch.Task) []dispatch.Result {
	results := make([]dispatch.Result, len(tasks))
	var puts []func()
	var p packer
	groups := make(map[string]int) // index of each one's put
	chains := make(map[string][]member)
	for i, t := range tasks {
		m := member{task: t, result: &results[i]}
		if t.Group == "" || t.State.Final() {
			puts = append(puts, func() { *m.result = s.put(ctx, now, t, &p) })
			continue
		}
		if _, ok := groups[t.Group]; !ok {
			groups[t.Group] = len(puts)
			puts = append(puts, func() { s.putMembers(ctx, now, chains[t.Group], &p) })
		}
		chains[t.Group] = append(chains[t.Group], m)
	}
	each(len(puts), func(i int) { puts[i]() })
	for i := range results {
		if err := results[i].Err; err != nil {
			results[i].Err = fmt.Errorf("putting task %q: %w", tasks[i].ID, err)
		}
	}
	return results
}

func (s Store) put(ctx context.Context, now time.Time, t dispatch.Task, p *packer) dispatch.Result {
	item, err := newRow(t, p)
	if err != nil {
		return dispatch.Result{Err: err}
	}
	_, err = s.Client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName:                           &s.Table,
		Item:                                item,
		ConditionExpression:                 aws.String(absent),
		ExpressionAttributeNames:            aliases("id", "ttl"),
		ExpressionAttributeValues:           row{":now": number(now.Unix())},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}, s.untilDone)
	old, no := refused(err)
	switch {
	case no:
		return existing(old, t)
	case err != nil:
		return dispatch.Result{Err: failure(ctx, err)}
	}
	stored, err := decode(item)
	return dispatch.Result{Task: stored, Err: err}
}

// absent is the condition of a put: there is no row, or one that counts as none.
const absent = "attribute_not_exists(#id) OR #ttl <= :now"

// isAbsent is the same of a row as read.
func isAbsent(r row, now time.Time) bool {
	d := decoder{row: r}
	ttl := d.number("ttl")
	return r == nil || r["ttl"] != nil && ttl <= now.Unix()
}

// existing is the result of a put of t that was refused by this row.
func existing(r row, t dispatch.Task) dispatch.Result {
	there, err := decode(r)
	// The doc has the time of the put: one that was put and claimed a moment ago may be of the same generation.
	own := there.Generation == t.Generation && bytes.Equal(there.Hash, t.Hash) && bytes.Equal(there.Doc, t.Doc)
	return dispatch.Result{Task: there, Existing: !own, Err: err}
}

// newRow returns the row of a task that is to be put, if DynamoDB takes it. What it takes is not changed by compression: the
// row may be read and written by who does not compress.
func newRow(t dispatch.Task, p *packer) (row, error) {
	switch {
	case !storable(t.ID):
		return nil, fmt.Errorf("an id has 1 to %d bytes and does not begin with %q", maxID, internal)
	case len(t.Identifier) > maxID:
		return nil, fmt.Errorf("an identifier has at most %d bytes", maxID)
	case len(groupID(t.Group)) > maxID:
		return nil, fmt.Errorf("a group's name has at most %d bytes", maxID-len(groupID("")))
	}
	item, err := encode(t)
	if err != nil {
		return nil, err
	}
	if err := fits(item, room(item)); err != nil {
		return nil, err
	}
	return item, p.pack(item)
}
