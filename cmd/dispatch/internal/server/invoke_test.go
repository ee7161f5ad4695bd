package server_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"example.com/dispatch/pkg/dispatch"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// sdk is the client that a caller on AWS has, but for the endpoint.
func (r rig) sdk() *lambda.Client {
	return lambda.New(lambda.Options{
		Region: "eu-west-1", BaseEndpoint: aws.String(r.URL()), Credentials: credentials.NewStaticCredentialsProvider("x", "y", ""),
		RetryMaxAttempts: 1,
	})
}

func TestInvokeWithTheSDK(t *testing.T) {
	url := target(t, always(204))
	r := start(t, nil)
	task := func(id string) string { return `{"id": "` + id + `", "uri": "` + url + `"}` }
	later := `{"id": "later", "uri": "` + url + `", "delay": 3600}`
	for _, c := range []struct {
		name, function, event string
		kind                  types.InvocationType
		status                int32
		failure, holds        string // the function's error type, and what the payload holds
	}{
		{"one", "EnqueueFunction", task("one"), "", 200, "", `"id":"one"`},
		{"again", "EnqueueFunction", task("one"), types.InvocationTypeRequestResponse, 200, "", `"existing":true`},
		{"without an id", "EnqueueFunction", `{"uri": "` + url + `"}`, "", 200, "", `-0","state":"scheduled"`},
		{"a batch", "EnqueueFunction", `{"tasks": [` + task("two") + `, ` + later + `]}`, "", 200, "", `{"tasks":[{"id":"two"`},
		{"with a qualifier", "EnqueueFunction:live", task("three"), "", 200, "", `"three"`},
		{"by ARN", "arn:aws:lambda:eu-west-1:123456789012:function:EnqueueFunction", task("four"), "", 200, "", `"four"`},
		{"by ARN with a qualifier", "arn:aws:lambda:eu-west-1:123456789012:function:EnqueueFunction:live", task("five"), "", 200, "", `"five"`},
		{"by partial ARN", "123456789012:function:EnqueueFunction", task("six"), "", 200, "", `"six"`},
		{"an event of EventBridge", "EnqueueFunction", `{"id": "17793124-05d4-b198-2fde-7ededc63b103", "detail-type": "Paid", "source": "com.example", "detail": ` + task("bridged") + `}`, "", 200, "", `"id":"bridged"`},
		{"messages of SQS", "EnqueueFunction", messages(task("queued"), `{}`), "", 200, "", `{"batchItemFailures":[{"itemIdentifier":"00000000-0000-0000-0000-000000000001"}]}`},
		{"an event", "EnqueueFunction", task("event"), types.InvocationTypeEvent, 202, "", ""},
		{"a dry run", "EnqueueFunction", task("dry"), types.InvocationTypeDryRun, 204, "", ""},
		{"faults", "EnqueueFunction", `{"uri": 7, "id": "/"}`, "", 200, "InvalidInput", `\"pointer\":\"#/uri\"`},
		{"an event with faults", "EnqueueFunction", `{"uri": 7}`, types.InvocationTypeEvent, 202, "", ""},
		{"a conflict", "EnqueueFunction", `{"id": "one", "uri": "https://other.example/"}`, "", 200, "Conflict", `\"status\":409`},
		{"too large", "EnqueueFunction", `{"id": "big", "uri": "` + url + `", "body": "` + strings.Repeat("x", 450_000) + `"}`, "", 200, "InvalidInput", "too large"},
		{"sweep", "SweepFunction", `{}`, "", 200, "", `"looks":1`},
		{"sweep without an event", "SweepFunction", ``, "", 200, "", `"looks":1`},
		{"handle", "HandleFunction", `{"hints": [{"id": "two"}, {"id": "nope"}]}`, "", 200, "", `{}`},
		{"handle without hints", "HandleFunction", `{}`, "", 200, "InvalidInput", "hints"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := r.sdk().Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &c.function, InvocationType: c.kind, Payload: []byte(c.event)})
			if err != nil {
				t.Fatal(err)
			}
			if out.StatusCode != c.status || !bytes.Contains(out.Payload, []byte(c.holds)) {
				t.Errorf("%d %s; want %d with %s", out.StatusCode, out.Payload, c.status, c.holds)
			}
			if (aws.ToString(out.FunctionError) == "Unhandled") != (c.failure != "") {
				t.Errorf("function error %q, want one: %v", aws.ToString(out.FunctionError), c.failure != "")
			}
			if c.failure != "" {
				var failure struct{ ErrorMessage, ErrorType string }
				if err := json.Unmarshal(out.Payload, &failure); err != nil || failure.ErrorType != c.failure || failure.ErrorMessage == "" {
					t.Errorf("%s, want the type %s", out.Payload, c.failure)
				}
			}
		})
	}
	for _, id := range []string{"one", "two", "three", "four", "five", "six", "bridged", "queued", "event"} {
		r.await(id, dispatch.Delivered)
	}
	if got := r.Store.Get(t.Context(), []string{"dry"})[0]; !errors.Is(got.Err, dispatch.ErrNotFound) {
		t.Errorf("a dry run stored its task: %v", got.Err)
	}
}

// messages is an event of SQS with these bodies.
func messages(bodies ...string) string {
	var records []string
	for i, body := range bodies {
		records = append(records, fmt.Sprintf(`{"messageId": "00000000-0000-0000-0000-%012d", "eventSource": "aws:sqs", "body": %q}`, i, body))
	}
	return `{"Records": [` + strings.Join(records, ",") + `]}`
}

func TestInvokeRefusesAsLambdaDoes(t *testing.T) {
	r := start(t, nil)
	invoke := func(function string) string { return "/2015-03-31/functions/" + function + "/invocations" }
	for _, c := range []struct {
		name, path, body string
		header           []string
		status           int
		kind             string // X-Amzn-Errortype
	}{
		{"unknown function", invoke("Nope"), "{}", nil, 404, "ResourceNotFoundException"},
		{"unknown function by ARN", invoke("arn:aws:lambda:eu-west-1:123456789012:function:Nope"), "{}", nil, 404, "ResourceNotFoundException"},
		{"not JSON", invoke("EnqueueFunction"), "{", nil, 400, "InvalidRequestContentException"},
		{"two JSON values", invoke("EnqueueFunction"), "{} {}", nil, 400, "InvalidRequestContentException"},
		{"an event that is not JSON", invoke("EnqueueFunction"), "{", []string{"X-Amz-Invocation-Type: Event"}, 400, "InvalidRequestContentException"},
		{"unknown type", invoke("EnqueueFunction"), "{}", []string{"X-Amz-Invocation-Type: Later"}, 400, "InvalidParameterValueException"},
		{"too large for an event", invoke("EnqueueFunction"), `"` + strings.Repeat("x", 1<<20) + `"`, []string{"X-Amz-Invocation-Type: Event"}, 413, "RequestTooLargeException"},
		{"too large", invoke("EnqueueFunction"), `"` + strings.Repeat("x", 6<<20) + `"`, nil, 413, "RequestTooLargeException"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, header, body := r.call("POST", c.path, c.body, c.header...)
			if status != c.status || header.Get("X-Amzn-Errortype") != c.kind || header.Get("X-Amzn-Requestid") == "" {
				t.Errorf("%d %v %s; want %d %s", status, header, body, c.status, c.kind)
			}
			if o := object(t, body); o["Type"] != "User" || o["Message"] == "" {
				t.Errorf("%s; want a Type and a Message", body)
			}
		})
	}
}
