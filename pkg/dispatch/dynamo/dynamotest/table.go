package dynamotest

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"example.com/dispatch/pkg/dispatch/dynamo"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// CreateTable makes a table as the template does, but without a time to live: the rows of tests whose clock stands
// still would vanish.
func CreateTable(ctx context.Context, client *dynamodb.Client, name string) error {
	attribute := func(name string, kind types.ScalarAttributeType) types.AttributeDefinition {
		return types.AttributeDefinition{AttributeName: &name, AttributeType: kind}
	}
	part := func(name string, kind types.KeyType) types.KeySchemaElement {
		return types.KeySchemaElement{AttributeName: &name, KeyType: kind}
	}
	index := func(name string, parts ...types.KeySchemaElement) types.GlobalSecondaryIndex {
		return types.GlobalSecondaryIndex{
			IndexName:  &name,
			KeySchema:  parts,
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly},
		}
	}
	_, err := client.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName:   &name,
		BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			attribute("id", types.ScalarAttributeTypeS),
			attribute("lane", types.ScalarAttributeTypeS),
			attribute("dueAt", types.ScalarAttributeTypeN),
			attribute("identifier", types.ScalarAttributeTypeS),
		},
		KeySchema: []types.KeySchemaElement{part("id", types.KeyTypeHash)},
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{
			index(dynamo.Index, part("lane", types.KeyTypeHash), part("dueAt", types.KeyTypeRange)),
			index(dynamo.Identifiers, part("identifier", types.KeyTypeHash)),
		},
	})
	if err != nil {
		return fmt.Errorf("creating table %s: %w", name, err)
	}
	return nil
}

// tableName makes a name of at most 255 letters, digits and dashes, that no other n has.
func tableName(test string, n int) string {
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, test)
	return clean[:min(len(clean), 200)] + "-" + strconv.Itoa(n)
}
