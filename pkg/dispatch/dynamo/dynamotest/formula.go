package dynamotest

import (
	"context"
	"reflect"

	"example.com/dispatch/pkg/dispatch/dynamo"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// DynamoDB Local reports of the items of a transaction one of each kind, and counts index entries twice. So transactions
// are counted by DynamoDB's formula, for rows of up to 1 KB: each item 2 units of the table, also where the transaction
// is cancelled; and of an index, which is written after the transaction and outside of it, 1 unit for each entry that
// comes or goes, or 2 where one takes the place of another.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-capacity-handling

// tableUnits is what the transaction costs of the table.
func tableUnits(in *dynamodb.TransactWriteItemsInput) float64 {
	return float64(2 * len(in.TransactItems))
}

// entries returns what the indexes hold of each row that the transaction writes.
func entries(ctx context.Context, client *dynamodb.Client, in *dynamodb.TransactWriteItemsInput) ([]map[string][]types.AttributeValue, error) {
	var all []map[string][]types.AttributeValue
	for _, item := range in.TransactItems {
		table, id := written(item)
		if table == nil {
			continue
		}
		out, err := client.GetItem(ctx, &dynamodb.GetItemInput{
			TableName: table, Key: map[string]types.AttributeValue{"id": id}, ConsistentRead: aws.Bool(true),
		})
		if err != nil {
			return nil, err
		}
		held := make(map[string][]types.AttributeValue)
		if lane, due := out.Item["lane"], out.Item["dueAt"]; lane != nil && due != nil {
			held[dynamo.Index] = []types.AttributeValue{lane, due}
		}
		if identifier := out.Item["identifier"]; identifier != nil {
			held[dynamo.Identifiers] = []types.AttributeValue{identifier}
		}
		all = append(all, held)
	}
	return all, nil
}

// written returns the table and the key of an item, nil if it is only looked at.
func written(item types.TransactWriteItem) (*string, types.AttributeValue) {
	switch {
	case item.Put != nil:
		return item.Put.TableName, item.Put.Item["id"]
	case item.Update != nil:
		return item.Update.TableName, item.Update.Key["id"]
	case item.Delete != nil:
		return item.Delete.TableName, item.Delete.Key["id"]
	}
	return nil, nil
}

// indexUnits is what the transaction cost of the indexes.
func indexUnits(before, after []map[string][]types.AttributeValue) float64 {
	units := 0.0
	for i := range before {
		for _, index := range []string{dynamo.Index, dynamo.Identifiers} {
			was, is := before[i][index], after[i][index]
			if reflect.DeepEqual(was, is) {
				continue
			}
			for _, entry := range [][]types.AttributeValue{was, is} {
				if entry != nil {
					units++
				}
			}
		}
	}
	return units
}
