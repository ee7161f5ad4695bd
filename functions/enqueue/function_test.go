package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"example.com/dispatch/functions/internal/functiontest"
	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/dynamo/dynamotest"
)

// server is the DynamoDB Local of all of this package's tests.
var server dynamotest.Server

type answer = functiontest.Answer

// invocations keeps what the function invoked.
type invocations struct {
	mu   sync.Mutex
	list []functiontest.Invocation
}

func (i *invocations) add(one functiontest.Invocation) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.list = append(i.list, one)
}

// String lists them as "function(ids)".
func (i *invocations) String() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	var all []string
	for _, one := range i.list {
		var event struct{ Hints []dispatch.Hint }
		if err := json.Unmarshal([]byte(one.Payload), &event); err != nil {
			return err.Error()
		}
		ids := make([]string, len(event.Hints))
		for n, h := range event.Hints {
			ids[n] = h.ID
		}
		all = append(all, fmt.Sprintf("%s %s(%s)", one.Type, one.Function, strings.Join(ids, " ")))
	}
	return strings.Join(all, ", ")
}

// brief is an answer as the tables have it: "id state", a task each, with what is remarkable.
func brief(t *testing.T, a answer) string {
	t.Helper()
	if a.ErrorType != "" {
		var p dispatch.Problem
		if err := json.Unmarshal([]byte(a.ErrorMessage), &p); err != nil {
			t.Fatalf("the error's message is no problem details: %v: %s", err, a.ErrorMessage)
		}
		parts := []string{fmt.Sprintf("%s %d", a.ErrorType, p.Status)}
		for _, f := range p.Errors {
			parts = append(parts, f.Pointer)
		}
		return strings.Join(parts, " ")
	}
	var got struct {
		dispatch.Receipt
		Tasks             []dispatch.Receipt
		BatchItemFailures []any
	}
	if err := json.Unmarshal([]byte(a.Payload), &got); err != nil {
		t.Fatalf("%v: %s", err, a.Payload)
	}
	if got.BatchItemFailures != nil {
		return fmt.Sprint("batchItemFailures ", len(got.BatchItemFailures))
	}
	if got.Tasks == nil {
		got.Tasks = []dispatch.Receipt{got.Receipt}
	} else if got.ID != "" {
		t.Fatalf("both one and many: %s", a.Payload)
	}
	var parts []string
	for _, r := range got.Tasks {
		part := r.ID + " " + string(r.State)
		if r.Existing {
			part += " existing"
		}
		if r.Error != nil {
			part += fmt.Sprintf(" %d", r.Error.Status)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

func TestInvoke(t *testing.T) {
	const a, changed = `{"id":"a","uri":"https://example.com/"}`, `{"id":"a","uri":"https://example.com/other"}`
	const anonymous = `{"uri":"https://example.com/"}`
	const request = functiontest.RequestID
	for _, c := range []struct {
		name      string
		variables functiontest.Variables
		before    string // an event that came earlier
		event     string
		answer    string
		invoked   string // by both
		statuses  []int  // of the invocations
		unordered bool   // they come in any order
	}{
		{name: "due now", event: a, answer: "a scheduled", invoked: "Event handle(a)"},
		{name: "without an id", event: anonymous, answer: request + "-0 scheduled", invoked: "Event handle(" + request + "-0)"},
		{name: "the same event again", before: anonymous, event: anonymous, answer: request + "-0 scheduled existing",
			invoked: "Event handle(" + request + "-0)"},
		{name: "many", event: `{"tasks":[` + a + `,` + anonymous + `]}`, answer: "a scheduled, " + request + "-1 scheduled",
			variables: functiontest.Variables{"TASKS_PER_HANDLE": "10"}, invoked: "Event handle(a " + request + "-1)"},
		{name: "due within the minute", event: `{"id":"a","uri":"https://example.com/","delay":30}`, answer: "a scheduled", invoked: "Event sweep()"},
		{name: "due later", event: `{"id":"a","uri":"https://example.com/","delay":300}`, answer: "a scheduled"},
		{name: "by the minute", event: `{"id":"a","uri":"https://example.com/","delay":30}`, answer: "a scheduled",
			variables: functiontest.Variables{"PRECISION": "minute"}},
		{name: "invalid", event: `{"uri":"ftp://example.com/","method":"HEAD","id":"/"}`, answer: "InvalidInput 400 #/id #/method #/uri"},
		{name: "one of many invalid", event: `{"tasks":[` + a + `,{}]}`, answer: "InvalidInput 400 #/tasks/1/uri"},
		{name: "not JSON", event: `{`, answer: "InvalidInput 400 #"},
		{name: "conflict", before: a, event: changed, answer: "Conflict 409", invoked: "Event handle(a)"},
		{name: "conflict of one of many", before: a, event: `{"tasks":[` + changed + `,{"id":"b","uri":"https://example.com/"}]}`,
			answer: "a scheduled existing 409, b scheduled", invoked: "Event handle(a), Event handle(b)"},
		{name: "plain http", event: `{"uri":"http://10.1.2.3/"}`, answer: "InvalidInput 400 #/uri"},
		{name: "plain http to networks that are allowed", event: `{"id":"a","uri":"http://10.1.2.3/"}`, answer: "a scheduled",
			variables: functiontest.Variables{"ALLOWED_NETWORKS": "10.0.0.0/8"}, invoked: "Event handle(a)"},
		{name: "claims without a key", event: `{"uri":"https://example.com/","claims":{}}`, answer: "InvalidInput 400 #/claims"},
		{name: "claims", event: `{"id":"a","uri":"https://example.com/","claims":{}}`, answer: "a scheduled",
			variables: functiontest.Variables{"SIGN": "true"}, invoked: "Event handle(a)"},
		{name: "handle throttled for a moment", event: a, answer: "a scheduled", statuses: []int{429},
			invoked: "Event handle(a), Event handle(a)"},
		{name: "handle not invoked", event: a, answer: "a scheduled", statuses: []int{500}, invoked: "Event handle(a)"},
		{name: "too large", event: `{"uri":"https://example.com/","body":"` + strings.Repeat("x", 401<<10) + `"}`, answer: "InvalidInput 400 #"},
		{name: "messages", event: functiontest.Example(t, "sqs.json"), answer: "batchItemFailures 0",
			variables: functiontest.Variables{"ALLOWED_NETWORKS": "10.0.0.0/8"}, unordered: true,
			invoked: "Event handle(059f36b4-87a3-44ab-83d2-661975830a7d-0), Event handle(2e1424d4-f796-459a-8184-9c92662be6da-1), Event handle(invoice-12)"},
		{name: "messages, some of them refused", before: `{"id":"invoice-12","uri":"https://example.com/"}`, event: functiontest.Example(t, "sqs.json"), unordered: true,
			answer: "batchItemFailures 2", invoked: "Event handle(invoice-12)"},
		{name: "messages without a table", event: functiontest.Example(t, "sqs.json"), answer: "batchItemFailures 2", variables: functiontest.Variables{"TABLE": "absent"}},
		{name: "an event of EventBridge", event: functiontest.Example(t, "eventbridge.json"), answer: "17793124-05d4-b198-2fde-7ededc63b103-0 scheduled",
			variables: functiontest.Variables{"ALLOWED_NETWORKS": "10.0.0.0/8"}, invoked: "Event handle(17793124-05d4-b198-2fde-7ededc63b103-0)"},
		{name: "an event of EventBridge that is refused", event: functiontest.Example(t, "eventbridge.json"), answer: "InvalidInput 400 #/detail/uri"},
		{name: "no table", event: a, answer: "NotStored 503", variables: functiontest.Variables{"TABLE": "absent"}},
		{name: "no table for many", event: `{"tasks":[` + a + `]}`, answer: "NotStored 503", variables: functiontest.Variables{"TABLE": "absent"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			seen := &invocations{}
			variables := functiontest.Variables{
				"TABLE": server.Table(t), "AWS_ENDPOINT_URL_DYNAMODB": server.Endpoint(t),
				"AWS_ENDPOINT_URL_LAMBDA": functiontest.Lambda(t, seen.add, c.statuses...),
				"HANDLE_FUNCTION":         "handle", "SWEEP_FUNCTION": "sweep",
			}
			for name, value := range c.variables {
				variables[name] = value
			}
			f, err := build(variables.Read(t), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			if c.before != "" {
				if a := functiontest.Invoke(t, f, c.before); a.ErrorType != "" {
					t.Fatalf("before: %+v", a)
				}
			}
			if got := brief(t, functiontest.Invoke(t, f, c.event)); got != c.answer {
				t.Errorf("answer %q, want %q", got, c.answer)
			}
			got := seen.String()
			if c.unordered {
				parts := strings.Split(got, ", ")
				slices.Sort(parts)
				got = strings.Join(parts, ", ")
			}
			if got != c.invoked {
				t.Errorf("invoked %q, want %q", got, c.invoked)
			}
		})
	}
}

// TestUnstored has the settings in reach, but not the rows.
func TestUnstored(t *testing.T) {
	seen := &invocations{}
	f, err := build(functiontest.Variables{
		"TABLE": server.Table(t), "AWS_ENDPOINT_URL_DYNAMODB": functiontest.Refusing(t, server.Endpoint(t), "PutItem"),
		"AWS_ENDPOINT_URL_LAMBDA": functiontest.Lambda(t, seen.add), "HANDLE_FUNCTION": "handle",
	}.Read(t), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for event, want := range map[string]string{
		`{"uri":"https://example.com/"}`:                                              "NotStored 503",
		`{"tasks":[{"uri":"https://example.com/1"},{"uri":"https://example.com/2"}]}`: "NotStored 503 #/tasks/0 #/tasks/1",
	} {
		if got := brief(t, functiontest.Invoke(t, f, event)); got != want {
			t.Errorf("%s: answer %q, want %q", event, got, want)
		}
	}
	if got := seen.String(); got != "" {
		t.Errorf("invoked %q", got)
	}
}

func TestBuildNeedsHandle(t *testing.T) {
	e := functiontest.Variables{"TABLE": "tasks"}.Read(t)
	if _, err := build(e, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "HANDLE_FUNCTION") {
		t.Errorf("error %v, want one that names HANDLE_FUNCTION", err)
	}
}
