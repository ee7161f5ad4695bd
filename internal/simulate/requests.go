package simulate

import (
	"errors"
	"maps"
	"strings"
	"time"

	"example.com/dispatch/internal/simulate/table"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// shortLease has rows leased for 25 s less than their holders believe.
func shortLease(w *world, p *process, in any) (any, error) {
	u, ok := in.(*dynamodb.UpdateItemInput)
	if !ok || !strings.HasPrefix(describe(in), "claim") {
		return w.do(p, in)
	}
	const less = 25000
	changed := *u
	changed.ExpressionAttributeValues = maps.Clone(u.ExpressionAttributeValues)
	changed.ExpressionAttributeValues[":until"] = numbers(number(u.ExpressionAttributeValues, ":until") - less)
	out, err := w.do(p, &changed)
	if updated, ok := out.(*dynamodb.UpdateItemOutput); ok && updated.Attributes != nil {
		shown := *updated
		shown.Attributes = maps.Clone(updated.Attributes)
		shown.Attributes["until"] = numbers(number(updated.Attributes, "until") + less)
		return &shown, err
	}
	return out, err
}

// countsHints raises the lapses of a task whose claim is refused.
func countsHints(w *world, p *process, in any) (any, error) {
	out, err := w.do(p, in)
	no := (*types.ConditionalCheckFailedException)(nil)
	if u, ok := in.(*dynamodb.UpdateItemInput); ok && strings.HasPrefix(describe(in), "claim") && errors.As(err, &no) && text(no.Item, "lease") != "" {
		_, _ = w.do(p, &dynamodb.UpdateItemInput{
			Key: u.Key, UpdateExpression: aws.String("SET #lapses = if_not_exists(#lapses, :none) + :one"),
			ExpressionAttributeNames: map[string]string{"#lapses": "lapses"}, ExpressionAttributeValues: table.Row{":none": numbers(0), ":one": numbers(1)},
		})
	}
	return out, err
}

func lapsesNotCounted(w *world, p *process, in any) (any, error) {
	if u, ok := in.(*dynamodb.UpdateItemInput); ok && strings.HasPrefix(describe(in), "claim lapsed") {
		changed := *u
		changed.UpdateExpression = aws.String(strings.Replace(*u.UpdateExpression, ", #lapses = if_not_exists(#lapses, :none) + :one", "", 1))
		return w.do(p, &changed)
	}
	return w.do(p, in)
}

// inTwo writes a transaction's own row first, and what is described so a moment later, if its process still lives.
func inTwo(what string) func(*world, *process, any) (any, error) {
	return func(w *world, p *process, in any) (any, error) {
		t, ok := in.(*dynamodb.TransactWriteItemsInput)
		if !ok || !strings.HasPrefix(describe(in), "[settle") {
			return w.do(p, in)
		}
		first, second := *t, *t
		first.TransactItems, second.TransactItems = nil, nil
		second.ClientRequestToken = nil
		for _, item := range t.TransactItems {
			if strings.HasPrefix(describe(&dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{item}}), "["+what) {
				second.TransactItems = append(second.TransactItems, item)
			} else {
				first.TransactItems = append(first.TransactItems, item)
			}
		}
		out, err := w.do(p, &first)
		if err == nil && len(second.TransactItems) > 0 {
			w.schedule.in(100*time.Millisecond, p.name+" second half", func() {
				if w.running[p] {
					_, _ = w.do(p, &second)
				}
			})
		}
		return out, err
	}
}

// cancelCuts has a member that is cancelled while it waits end at once.
func cancelCuts(w *world, p *process, in any) (any, error) {
	if put, ok := in.(*dynamodb.PutItemInput); ok && number(put.Item, "flag") == 1 && text(put.Item, "state") == "blocked" {
		changed := *put
		changed.Item = maps.Clone(put.Item)
		changed.Item["state"], changed.Item["reason"], changed.Item["ttl"] = texts("cancelled"), texts("cancelled by hand"), numbers(time.Now().Unix()+100000)
		return w.do(p, &changed)
	}
	return w.do(p, in)
}

func ttlInMillis(w *world, p *process, in any) (any, error) {
	return w.do(p, withTTL(in, func(row table.Row, name string) {
		row[name] = numbers(number(row, name) * 1000)
	}))
}

func ttlOnMembers(w *world, p *process, in any) (any, error) {
	if t, ok := in.(*dynamodb.TransactWriteItemsInput); ok {
		return w.do(p, eachItem(t, func(item *types.TransactWriteItem) {
			if item.Put != nil && item.Put.Item["group"] != nil && item.Put.Item["ttl"] == nil && item.Put.Item["expireAt"] != nil {
				put := *item.Put
				put.Item = maps.Clone(put.Item)
				put.Item["ttl"] = numbers(number(put.Item, "expireAt") / 1000)
				item.Put = &put
			}
		}))
	}
	return w.do(p, in)
}

// withTTL changes the ttl of what a request writes.
func withTTL(in any, change func(row table.Row, name string)) any {
	values := func(row table.Row, name string) table.Row {
		if row[name] == nil {
			return row
		}
		row = maps.Clone(row)
		change(row, name)
		return row
	}
	switch in := in.(type) {
	case *dynamodb.PutItemInput:
		changed := *in
		changed.Item = values(in.Item, "ttl")
		return &changed
	case *dynamodb.UpdateItemInput:
		changed := *in
		changed.ExpressionAttributeValues = values(in.ExpressionAttributeValues, ":ttl")
		return &changed
	case *dynamodb.TransactWriteItemsInput:
		return eachItem(in, func(item *types.TransactWriteItem) {
			if item.Put != nil {
				put := *item.Put
				put.Item = values(put.Item, "ttl")
				item.Put = &put
			}
			if item.Update != nil {
				u := *item.Update
				u.ExpressionAttributeValues = values(u.ExpressionAttributeValues, ":ttl")
				item.Update = &u
			}
		})
	}
	return in
}

// forgetsEdits has edits leave no mark by which they could be recognised.
func forgetsEdits(w *world, p *process, in any) (any, error) {
	switch in := in.(type) {
	case *dynamodb.PutItemInput:
		changed := *in
		changed.Item = maps.Clone(in.Item)
		delete(changed.Item, "edit")
		return w.do(p, &changed)
	case *dynamodb.TransactWriteItemsInput:
		return w.do(p, eachItem(in, func(item *types.TransactWriteItem) {
			if item.Put != nil {
				put := *item.Put
				put.Item = maps.Clone(put.Item)
				delete(put.Item, "edit")
				item.Put = &put
			}
		}))
	}
	return w.do(p, in)
}

// leftInLane leaves failures where tasks are due.
func leftInLane(w *world, p *process, in any) (any, error) {
	change := func(values table.Row) table.Row {
		values = maps.Clone(values)
		if lane := text(values, ":lane"); strings.Contains(lane, "!failed") {
			values[":lane"] = texts(strings.Replace(lane, "!failed", "", 1))
		}
		return values
	}
	switch in := in.(type) {
	case *dynamodb.UpdateItemInput:
		changed := *in
		changed.ExpressionAttributeValues = change(in.ExpressionAttributeValues)
		return w.do(p, &changed)
	case *dynamodb.TransactWriteItemsInput:
		return w.do(p, eachItem(in, func(item *types.TransactWriteItem) {
			if item.Update != nil {
				u := *item.Update
				u.ExpressionAttributeValues = change(u.ExpressionAttributeValues)
				item.Update = &u
			}
		}))
	}
	return w.do(p, in)
}
