package grants

import (
	"encoding/json"
	"slices"
	"strings"
)

// item is what a request names of DynamoDB: a table, and a row or an index of it.
type item struct {
	TableName string
	IndexName string
	Key, Item map[string]map[string]any
}

// call is what IAM is asked for it.
func (i item) call(operation string) Call {
	c := Call{Action: "dynamodb:" + operation, Resource: "arn:aws:dynamodb:" + Region + ":" + Account + ":table/" + i.TableName}
	if i.IndexName != "" {
		c.Resource += "/index/" + i.IndexName
	}
	for _, row := range []map[string]map[string]any{i.Key, i.Item} {
		if id, ok := row["id"]["S"].(string); ok {
			c.Keys = "dynamodb:LeadingKeys=" + kind(id)
		}
	}
	return c
}

// kind is an id without what differs from one test to another: that of an internal row by its first part.
func kind(id string) string {
	if rest, internal := strings.CutPrefix(id, "/"); internal {
		first, _, _ := strings.Cut(rest, "/")
		return "/" + first + "/…"
	}
	return "…"
}

// items are the calls of a request to DynamoDB. A transaction is allowed by the actions of its items.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
func items(operation string, body []byte) []Call {
	var in struct {
		item
		RequestItems  map[string]struct{ Keys []map[string]map[string]any }
		TransactItems []struct{ Put, Update, Delete, ConditionCheck *item }
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return []Call{{Action: "dynamodb:" + operation, Resource: err.Error()}}
	}
	var all []Call
	switch operation {
	case "TransactWriteItems":
		for _, one := range in.TransactItems {
			for name, i := range map[string]*item{"PutItem": one.Put, "UpdateItem": one.Update, "DeleteItem": one.Delete, "ConditionCheckItem": one.ConditionCheck} {
				if i != nil {
					all = append(all, i.call(name))
				}
			}
		}
	case "BatchGetItem":
		for table, request := range in.RequestItems {
			c := item{TableName: table}.call(operation)
			var kinds []string
			for _, key := range request.Keys {
				kinds = append(kinds, item{Key: key}.call("").Keys)
			}
			slices.Sort(kinds)
			c.Keys = strings.Join(slices.Compact(kinds), ",")
			all = append(all, c)
		}
	default:
		all = append(all, in.call(operation))
	}
	return all
}
