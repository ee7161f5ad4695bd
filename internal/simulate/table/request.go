package table

import (
	"bytes"
	"maps"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

// write is one row's part of a request.
type write struct {
	id         string
	condition  string // "" for none
	update     string // of an update
	put        Row    // of a put
	deletes    bool
	checks     bool // it is a condition alone
	names      map[string]string
	values     Row
	returnsOld bool // where the condition refuses it
	returnsNew bool
}

// verdict is what becomes of a write.
type verdict struct {
	refused bool
	shown   Row // where it was refused
	after   Row
	err     error
}

// unacceptable is DynamoDB's ValidationException.
type unacceptable struct{ text string }

func (e *unacceptable) Error() string                 { return "ValidationException: " + e.text }
func (e *unacceptable) ErrorCode() string             { return "ValidationException" }
func (e *unacceptable) ErrorMessage() string          { return e.text }
func (e *unacceptable) ErrorFault() smithy.ErrorFault { return smithy.FaultClient }

func single(in any) (write, error) {
	switch in := in.(type) {
	case *dynamodb.PutItemInput:
		return write{
			id: idOf(in.Item), put: in.Item, condition: aws.ToString(in.ConditionExpression),
			names: in.ExpressionAttributeNames, values: in.ExpressionAttributeValues, returnsOld: in.ReturnValuesOnConditionCheckFailure != "",
		}, nil
	case *dynamodb.UpdateItemInput:
		return write{
			id: idOf(in.Key), update: aws.ToString(in.UpdateExpression), condition: aws.ToString(in.ConditionExpression),
			names: in.ExpressionAttributeNames, values: in.ExpressionAttributeValues, returnsOld: in.ReturnValuesOnConditionCheckFailure != "",
			returnsNew: in.ReturnValues == types.ReturnValueAllNew,
		}, nil
	case *dynamodb.DeleteItemInput:
		return write{
			id: idOf(in.Key), deletes: true, condition: aws.ToString(in.ConditionExpression),
			names: in.ExpressionAttributeNames, values: in.ExpressionAttributeValues, returnsOld: in.ReturnValuesOnConditionCheckFailure != "",
		}, nil
	}
	return write{}, invalid("the model has no %T", in)
}

func part(item types.TransactWriteItem) (write, error) {
	switch {
	case item.Put != nil:
		p := item.Put
		return write{
			id: idOf(p.Item), put: p.Item, condition: aws.ToString(p.ConditionExpression),
			names: p.ExpressionAttributeNames, values: p.ExpressionAttributeValues, returnsOld: p.ReturnValuesOnConditionCheckFailure != "",
		}, nil
	case item.Update != nil:
		p := item.Update
		return write{
			id: idOf(p.Key), update: aws.ToString(p.UpdateExpression), condition: aws.ToString(p.ConditionExpression),
			names: p.ExpressionAttributeNames, values: p.ExpressionAttributeValues, returnsOld: p.ReturnValuesOnConditionCheckFailure != "",
		}, nil
	case item.Delete != nil:
		p := item.Delete
		return write{
			id: idOf(p.Key), deletes: true, condition: aws.ToString(p.ConditionExpression),
			names: p.ExpressionAttributeNames, values: p.ExpressionAttributeValues, returnsOld: p.ReturnValuesOnConditionCheckFailure != "",
		}, nil
	case item.ConditionCheck != nil:
		p := item.ConditionCheck
		return write{
			id: idOf(p.Key), checks: true, condition: aws.ToString(p.ConditionExpression),
			names: p.ExpressionAttributeNames, values: p.ExpressionAttributeValues, returnsOld: p.ReturnValuesOnConditionCheckFailure != "",
		}, nil
	}
	return write{}, invalid("the model has no such item of a transaction")
}

// verdict says what the write does to the row.
func (w write) verdict(before Row) (v verdict) {
	if w.id == "" {
		return verdict{err: invalid("the key id is missing or empty")}
	}
	e := expression{row: before, names: w.names, values: w.values}
	if w.condition != "" && !e.holds(w.condition) {
		v.refused = true
		if w.returnsOld {
			v.shown = before
		}
	}
	switch {
	case e.err != nil:
		v.err = e.err
	case v.refused || w.deletes || w.checks:
	case w.put != nil:
		v.after = make(Row, len(w.put))
		for name, value := range w.put {
			v.after[name] = own(value)
		}
	default:
		v.after = maps.Clone(before)
		if v.after == nil {
			v.after = Row{"id": &types.AttributeValueMemberS{Value: w.id}}
		}
		e.apply(w.update, v.after)
		v.err = e.err
	}
	return v
}

// own returns the value in memory that no caller has.
func own(v types.AttributeValue) types.AttributeValue {
	if b, ok := v.(*types.AttributeValueMemberB); ok {
		return &types.AttributeValueMemberB{Value: bytes.Clone(b.Value)}
	}
	return v
}
