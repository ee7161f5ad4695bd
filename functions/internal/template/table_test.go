package template_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"example.com/dispatch/functions/internal/template"
	"example.com/dispatch/pkg/dispatch/dynamo"
	"example.com/dispatch/pkg/dispatch/dynamo/dynamotest"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// server is the DynamoDB Local of all of this package's tests.
var server dynamotest.Server

const path = "../../../template.yaml"

// TestCreate holds the deployed table against the one that the store is tested with.
func TestCreate(t *testing.T) {
	table, err := template.ReadTable(path)
	if err != nil {
		t.Fatal(err)
	}
	client := server.Client(t, nil)
	name := "from-template"
	for range 2 { // the second time it is there
		if err := table.Create(t.Context(), client, name); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := describe(t, client, name), describe(t, client, server.Table(t)); got != want {
		t.Errorf("the template's table\n%s\nthe tests' table\n%s", got, want)
	}
	ttl, err := client.DescribeTimeToLive(t.Context(), &dynamodb.DescribeTimeToLiveInput{TableName: &name})
	if err != nil {
		t.Fatal(err)
	}
	if d := ttl.TimeToLiveDescription; aws.ToString(d.AttributeName) != "ttl" || d.TimeToLiveStatus != "ENABLED" {
		t.Errorf("time to live %q is %s", aws.ToString(d.AttributeName), d.TimeToLiveStatus)
	}
}

// describe returns what both tables must have in common.
func describe(t *testing.T, client *dynamodb.Client, name string) string {
	t.Helper()
	out, err := client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &name})
	if err != nil {
		t.Fatal(err)
	}
	attributes := make(map[string]any)
	for _, a := range out.Table.AttributeDefinitions {
		attributes[aws.ToString(a.AttributeName)] = a.AttributeType
	}
	indexes := make(map[string]any)
	for _, index := range out.Table.GlobalSecondaryIndexes {
		indexes[aws.ToString(index.IndexName)] = []any{index.KeySchema, index.Projection}
	}
	if len(indexes) != 2 || indexes[dynamo.Index] == nil || indexes[dynamo.Identifiers] == nil {
		t.Fatalf("indexes %v, want %s and %s", indexes, dynamo.Index, dynamo.Identifiers)
	}
	b, err := json.Marshal([]any{attributes, out.Table.KeySchema, out.Table.BillingModeSummary.BillingMode, indexes})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestReadTableRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"none": "Resources: {Q: {Type: 'AWS::SQS::Queue'}}",
		"two":  "Resources: {A: {Type: 'AWS::DynamoDB::Table'}, B: {Type: 'AWS::DynamoDB::Table'}}",
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "template.yaml")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := template.ReadTable(file); !errors.Is(err, template.ErrNoTable) {
				t.Errorf("error %v, want %v", err, template.ErrNoTable)
			}
		})
	}
}
