// Package template reads the table out of the SAM template, so that a local table is the one that is deployed.
package template

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"go.yaml.in/yaml/v3"
)

// Table is the definition of the template's one table: what of it a local DynamoDB knows.
type Table struct {
	Attributes []attribute `yaml:"AttributeDefinitions"`
	Key        []part      `yaml:"KeySchema"`
	Indexes    []index     `yaml:"GlobalSecondaryIndexes"`
	TTL        ttl         `yaml:"TimeToLiveSpecification"`
	Billing    string      `yaml:"BillingMode"`
}

type attribute struct {
	Name string `yaml:"AttributeName"`
	Type string `yaml:"AttributeType"`
}

type part struct {
	Name string `yaml:"AttributeName"`
	Type string `yaml:"KeyType"`
}

type index struct {
	Name       string `yaml:"IndexName"`
	Key        []part `yaml:"KeySchema"`
	Projection struct {
		Type string `yaml:"ProjectionType"`
	} `yaml:"Projection"`
}

type ttl struct {
	Name    string `yaml:"AttributeName"`
	Enabled bool   `yaml:"Enabled"`
}

// ErrNoTable says that a template does not have exactly one table.
var ErrNoTable = errors.New("the template must have exactly one AWS::DynamoDB::Table")

// ReadTable reads the template in the file.
func ReadTable(path string) (Table, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Table{}, fmt.Errorf("reading the template: %w", err)
	}
	// Nodes, because the other resources are none of our business, and have tags such as !Ref.
	var t struct {
		Resources map[string]struct {
			Type       string    `yaml:"Type"`
			Properties yaml.Node `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(text, &t); err != nil {
		return Table{}, fmt.Errorf("reading the template: %w", err)
	}
	var found []Table
	for name, resource := range t.Resources {
		if resource.Type != "AWS::DynamoDB::Table" {
			continue
		}
		var table Table
		if err := resource.Properties.Decode(&table); err != nil {
			return Table{}, fmt.Errorf("reading the template's table %s: %w", name, err)
		}
		found = append(found, table)
	}
	if len(found) != 1 {
		return Table{}, fmt.Errorf("%w, not %d", ErrNoTable, len(found))
	}
	return found[0], nil
}

// Input is the request that makes the table under this name.
func (t Table) Input(name string) *dynamodb.CreateTableInput {
	in := &dynamodb.CreateTableInput{TableName: &name, BillingMode: types.BillingMode(t.Billing), KeySchema: schema(t.Key)}
	for _, a := range t.Attributes {
		in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{
			AttributeName: aws.String(a.Name), AttributeType: types.ScalarAttributeType(a.Type),
		})
	}
	for _, i := range t.Indexes {
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{
			IndexName: aws.String(i.Name), KeySchema: schema(i.Key),
			Projection: &types.Projection{ProjectionType: types.ProjectionType(i.Projection.Type)},
		})
	}
	return in
}

func schema(parts []part) []types.KeySchemaElement {
	elements := make([]types.KeySchemaElement, len(parts))
	for i, p := range parts {
		elements[i] = types.KeySchemaElement{AttributeName: aws.String(p.Name), KeyType: types.KeyType(p.Type)}
	}
	return elements
}

// Create makes the table under this name, with its time to live. The table may exist already.
func (t Table) Create(ctx context.Context, client *dynamodb.Client, name string) error {
	_, err := client.CreateTable(ctx, t.Input(name))
	if exists := (*types.ResourceInUseException)(nil); errors.As(err, &exists) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("making table %s: %w", name, err)
	}
	_, err = client.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
		TableName:               &name,
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String(t.TTL.Name), Enabled: aws.Bool(t.TTL.Enabled)},
	})
	if err != nil {
		return fmt.Errorf("setting the time to live of table %s: %w", name, err)
	}
	return nil
}
