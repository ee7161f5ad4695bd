package cloud

import (
	"bytes"
	"errors"
	"hash/crc32"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// DynamoDB is the service as its clients reach it: requests and answers are in its JSON protocol.
type DynamoDB struct {
	Do      func(in any) (out any, err error) // an input of the SDK's client, by pointer
	Latency time.Duration                     // from a request's arrival to its answer, at least
}

// inputs are the requests that are understood.
var inputs = map[string]func() any{
	"GetItem":            func() any { return &dynamodb.GetItemInput{} },
	"BatchGetItem":       func() any { return &dynamodb.BatchGetItemInput{} },
	"Query":              func() any { return &dynamodb.QueryInput{} },
	"Scan":               func() any { return &dynamodb.ScanInput{} },
	"PutItem":            func() any { return &dynamodb.PutItemInput{} },
	"UpdateItem":         func() any { return &dynamodb.UpdateItemInput{} },
	"DeleteItem":         func() any { return &dynamodb.DeleteItemInput{} },
	"TransactWriteItems": func() any { return &dynamodb.TransactWriteItemsInput{} },
}

// ServeHTTP implements [http.Handler].
func (d *DynamoDB) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := time.Now().Add(d.Latency)
	status, out := d.answer(r)
	body, err := encode(out)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(err.Error())
	}
	time.Sleep(time.Until(answer))
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10))
	w.WriteHeader(status)
	w.Write(body) // whoever hung up asks again
}

func (d *DynamoDB) answer(r *http.Request) (status int, out any) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	input, ok := inputs[operation]
	if !ok {
		return http.StatusBadRequest, fault("UnknownOperationException", operation)
	}
	in := input()
	if err := json.UnmarshalRead(r.Body, in, json.WithUnmarshalers(json.UnmarshalFromFunc(decodeValue))); err != nil {
		return http.StatusBadRequest, fault("SerializationException", err.Error())
	}
	out, err := d.Do(in)
	if err == nil {
		return http.StatusOK, out
	}
	return http.StatusBadRequest, refusal(err)
}

// refusal is an error as the protocol has it.
func refusal(err error) map[string]any {
	if no, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok {
		out := fault("ConditionalCheckFailedException", no.ErrorMessage())
		if len(no.Item) > 0 {
			out["Item"] = no.Item
		}
		return out
	}
	if cancelled, ok := errors.AsType[*types.TransactionCanceledException](err); ok {
		out := fault("TransactionCanceledException", cancelled.ErrorMessage())
		out["CancellationReasons"] = cancelled.CancellationReasons
		return out
	}
	return fault("ValidationException", err.Error())
}

func fault(name, message string) map[string]any {
	return map[string]any{"__type": "com.amazonaws.dynamodb.v20120810#" + name, "message": message}
}

func encode(out any) ([]byte, error) {
	var b bytes.Buffer
	err := json.MarshalWrite(&b, out, json.OmitZeroStructFields(true), json.WithMarshalers(json.MarshalToFunc(encodeValue)))
	return b.Bytes(), err
}

// decodeValue reads an attribute of one of the types that rows have: {"S": …}, {"N": …}, {"B": …}.
func decodeValue(d *jsontext.Decoder, v *types.AttributeValue) error {
	var one struct {
		S, N *string
		B    []byte
	}
	if err := json.UnmarshalDecode(d, &one); err != nil {
		return err
	}
	switch {
	case one.S != nil:
		*v = &types.AttributeValueMemberS{Value: *one.S}
	case one.N != nil:
		*v = &types.AttributeValueMemberN{Value: *one.N}
	default:
		*v = &types.AttributeValueMemberB{Value: one.B}
	}
	return nil
}

func encodeValue(e *jsontext.Encoder, v types.AttributeValue) error {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return json.MarshalEncode(e, map[string]string{"S": v.Value})
	case *types.AttributeValueMemberN:
		return json.MarshalEncode(e, map[string]string{"N": v.Value})
	case *types.AttributeValueMemberB:
		return json.MarshalEncode(e, map[string][]byte{"B": v.Value})
	default:
		return errors.New("an attribute of a type that rows do not have")
	}
}
