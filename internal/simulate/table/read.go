package table

import (
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func (t *Table) batch(in *dynamodb.BatchGetItemInput) *dynamodb.BatchGetItemOutput {
	out := &dynamodb.BatchGetItemOutput{Responses: map[string][]Row{}}
	for name, keys := range in.RequestItems {
		for _, key := range keys.Keys {
			if r := t.rows[idOf(key)]; r != nil {
				out.Responses[name] = append(out.Responses[name], r)
			}
		}
	}
	return out
}

func (t *Table) query(in *dynamodb.QueryInput) (*dynamodb.QueryOutput, error) {
	index := aws.ToString(in.IndexName)
	var found []Row
	for _, r := range t.indexes[index] {
		e := expression{row: r, names: in.ExpressionAttributeNames, values: in.ExpressionAttributeValues}
		if e.holds(aws.ToString(in.KeyConditionExpression)) {
			found = append(found, r)
		}
		if e.err != nil {
			return nil, e.err
		}
	}
	order := byKey(index)
	if in.ScanIndexForward != nil && !*in.ScanIndexForward {
		forward := order
		order = func(a, b Row) int { return forward(b, a) }
	}
	slices.SortFunc(found, order)
	items, end := t.page(found, in.ExclusiveStartKey, aws.ToInt32(in.Limit), order)
	return &dynamodb.QueryOutput{Items: items, LastEvaluatedKey: end, Count: int32(len(items))}, nil
}

func (t *Table) scan(in *dynamodb.ScanInput) *dynamodb.ScanOutput {
	rows := t.rows
	if in.IndexName != nil {
		rows = t.indexes[*in.IndexName]
	}
	items, end := t.page(t.sorted(rows), in.ExclusiveStartKey, aws.ToInt32(in.Limit), byKey(dynamoTable))
	return &dynamodb.ScanOutput{Items: items, LastEvaluatedKey: end, Count: int32(len(items))}
}

// dynamoTable is no index: its rows are in the order of their ids.
const dynamoTable = "identifiers"

// page returns the rows behind from, as many as the limits allow, and where the next page begins, nil for nowhere.
func (t *Table) page(rows []Row, from Row, limit int32, order func(a, b Row) int) ([]Row, map[string]types.AttributeValue) {
	if from != nil {
		for len(rows) > 0 && order(rows[0], from) <= 0 {
			rows = rows[1:]
		}
	}
	most := len(rows)
	if limit > 0 {
		most = min(most, int(limit))
	}
	if t.Page > 0 {
		most = min(most, t.Page)
	}
	if most == len(rows) {
		return rows, nil
	}
	last := rows[most-1]
	end := Row{}
	for _, name := range []string{"id", "lane", "dueAt", "identifier"} {
		if last[name] != nil {
			end[name] = last[name]
		}
	}
	return rows[:most], end
}
