package dynamo

import (
	"bytes"
	"context"
	"fmt"

	"example.com/dispatch/pkg/dispatch"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// A document is a row whose doc is its body and whose generation is its version; version is the row format's, as of
// all rows.
func documentID(name string) string { return internal + "doc/" + name }

// Load implements [dispatch.Store].
func (s Store) Load(ctx context.Context, name string) (dispatch.Document, error) {
	r, err := s.read(ctx, documentID(name))
	if err == nil && r == nil {
		err = dispatch.ErrNotFound
	}
	var d dispatch.Document
	if err == nil {
		d, err = document(name, r)
	}
	if err != nil {
		return dispatch.Document{}, fmt.Errorf("loading document %q: %w", name, err)
	}
	return d, nil
}

// Save implements [dispatch.Store].
func (s Store) Save(ctx context.Context, d dispatch.Document) error {
	if err := s.save(ctx, d); err != nil {
		return fmt.Errorf("saving document %q: %w", d.Name, err)
	}
	return nil
}

func (s Store) save(ctx context.Context, d dispatch.Document) error {
	item := key(documentID(d.Name))
	item["generation"] = number(d.Version)
	item["version"] = number(dispatch.FormatVersion)
	setBytes(item, "doc", d.Body)
	if err := fits(item, 0); err != nil {
		return err
	}
	in := &dynamodb.PutItemInput{
		TableName:                           &s.Table,
		Item:                                item,
		ConditionExpression:                 aws.String("#generation = :before"),
		ExpressionAttributeNames:            aliases("generation"),
		ExpressionAttributeValues:           row{":before": number(d.Version - 1)},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
	if d.Version == 1 {
		in.ConditionExpression = aws.String("attribute_not_exists(#id)")
		in.ExpressionAttributeNames = aliases("id")
		in.ExpressionAttributeValues = nil
	}
	_, err := s.Client.PutItem(ctx, in, s.untilDone)
	old, no := refused(err)
	if !no {
		return failure(ctx, err)
	}
	there, err := document(d.Name, old)
	if err != nil {
		return err
	}
	if there.Version == d.Version && bytes.Equal(there.Body, d.Body) {
		return nil
	}
	return dispatch.ErrConflict
}

func document(name string, r row) (dispatch.Document, error) {
	d := decoder{row: r}
	return dispatch.Document{Name: name, Version: d.number("generation"), Body: d.bytes("doc")}, d.err
}
