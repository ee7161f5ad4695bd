package simulate

import (
	"maps"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// without removes clauses from the conditions of writes that are described so.
func without(what string, clauses ...string) func(*world, *process, any) (any, error) {
	strip := func(condition *string) *string {
		s := aws.ToString(condition)
		for _, clause := range clauses {
			s = strings.ReplaceAll(s, clause, always)
		}
		return &s
	}
	return func(w *world, p *process, in any) (any, error) {
		switch in := in.(type) {
		case *dynamodb.UpdateItemInput:
			if strings.HasPrefix(describe(in), what) {
				changed := *in
				changed.ConditionExpression, changed.ExpressionAttributeNames = strip(in.ConditionExpression), named(in.ExpressionAttributeNames)
				return w.do(p, &changed)
			}
		case *dynamodb.PutItemInput:
			if what == "put" && !strings.HasPrefix(text(in.Item, "id"), "/") || what == describe(in) {
				changed := *in
				changed.ConditionExpression, changed.ExpressionAttributeNames = strip(in.ConditionExpression), named(in.ExpressionAttributeNames)
				return w.do(p, &changed)
			}
		case *dynamodb.TransactWriteItemsInput:
			return w.do(p, eachItem(in, func(item *types.TransactWriteItem) {
				switch {
				case item.Update != nil && strings.HasPrefix(updating(aws.ToString(item.Update.UpdateExpression)), what):
					u := *item.Update
					u.ConditionExpression, u.ExpressionAttributeNames = strip(u.ConditionExpression), named(u.ExpressionAttributeNames)
					item.Update = &u
				case item.Put != nil && what == "put" && !strings.HasPrefix(text(item.Put.Item, "id"), "/"):
					u := *item.Put
					u.ConditionExpression, u.ExpressionAttributeNames = strip(u.ConditionExpression), named(u.ExpressionAttributeNames)
					item.Put = &u
				case item.Delete != nil && what == "delete":
					u := *item.Delete
					u.ConditionExpression, u.ExpressionAttributeNames = strip(u.ConditionExpression), named(u.ExpressionAttributeNames)
					item.Delete = &u
				}
			}))
		}
		return w.do(p, in)
	}
}

// always is a condition that holds.
const always = "(attribute_exists(#always) OR attribute_not_exists(#always))"

func named(names map[string]string) map[string]string {
	all := maps.Clone(names)
	all["#always"] = "id"
	return all
}

func eachItem(in *dynamodb.TransactWriteItemsInput, change func(*types.TransactWriteItem)) *dynamodb.TransactWriteItemsInput {
	changed := *in
	changed.TransactItems = append([]types.TransactWriteItem(nil), in.TransactItems...)
	for i := range changed.TransactItems {
		change(&changed.TransactItems[i])
	}
	return &changed
}
