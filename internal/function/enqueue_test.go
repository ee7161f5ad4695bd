package function_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/dispatch/internal/function"
	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/rule"
	"example.com/dispatch/pkg/dispatch/storetest"
)

const (
	first  = "059f36b4-87a3-44ab-83d2-661975830a7d"
	second = "2e1424d4-f796-459a-8184-9c92662be6da"
	third  = "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa"
)

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// newEnqueue returns the function on a store, and its log.
func newEnqueue(store dispatch.Store) (function.Enqueue, *bytes.Buffer) {
	log := &bytes.Buffer{}
	logger := slog.New(slog.NewJSONHandler(log, nil))
	return function.Enqueue{Log: logger, Verb: &dispatch.Enqueue{
		Store: store, Settings: dispatch.CachedSettings(store, func() time.Time { return noon }, time.Minute),
		Retention: dispatch.DefaultRetention, Now: func() time.Time { return noon }, Log: logger, CheckRule: rule.Check,
	}}, log
}

// sqs is an event with messages, each an id and a body.
func sqs(queue string, messages ...string) string {
	var records []map[string]string
	for i := 0; i < len(messages); i += 2 {
		records = append(records, map[string]string{
			"messageId": messages[i], "body": messages[i+1], "eventSource": "aws:sqs",
			"eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:" + queue,
		})
	}
	event, err := json.Marshal(map[string]any{"Records": records})
	if err != nil {
		panic(err)
	}
	return string(event)
}

func bridged(id, detail string) string {
	return `{"id":"` + id + `","detail-type":"Paid","source":"com.example","detail":` + detail + `}`
}

// failing is a store that cannot put some tasks.
type failing struct {
	dispatch.Store
	ids map[string]bool
}

func (f failing) Put(ctx context.Context, now time.Time, tasks []dispatch.Task) []dispatch.Result {
	results := f.Store.Put(ctx, now, tasks)
	for i, t := range tasks {
		if f.ids[t.ID] {
			results[i] = dispatch.Result{Err: errors.New("throttled")}
		}
	}
	return results
}

func TestInvoke(t *testing.T) {
	const a, other = `{"id":"a","uri":"https://example.com/"}`, `{"id":"a","uri":"https://example.com/other"}`
	const plain, secret = `{"uri":"https://example.com/"}`, `{"uri":7,"body":"a secret"}`
	const quoted = `{"uri":"https://example.com/","when":"body == 'a secret","stopCodes":"a secret"}`
	list := func(tasks ...string) string { return `{"tasks":[` + strings.Join(tasks, ",") + `]}` }
	again := func(ids ...string) string {
		s := `{"batchItemFailures":[`
		for i, id := range ids {
			s += strings.Repeat(",", min(i, 1)) + `{"itemIdentifier":"` + id + `"}`
		}
		return s + `]}`
	}
	for _, c := range []struct {
		name, before, event string
		answer              string // or the error's type, status and pointers
		stored              string // ids, in order
		logged              string
	}{
		{name: "a task", event: plain, answer: `"id":"request-0"`, stored: "request-0"},
		{name: "messages", event: sqs("q", first, plain, second, list(a, plain)), answer: again(), stored: first + "-0 " + second + "-1 a"},
		{name: "messages again", before: sqs("q", first, plain), event: sqs("q", first, plain), answer: again(), stored: first + "-0"},
		{name: "one with faults", event: sqs("q", first, secret, second, plain), answer: again(first), stored: second + "-0",
			logged: `"messageId":"` + first + `","errorType":"InvalidInput","pointers":["#/uri"]`},
		{name: "one whose faults' details quote it", event: sqs("q", first, quoted), answer: again(first),
			logged: `"pointers":["#/stopCodes","#/when"]`},
		{name: "one of a list with faults", event: sqs("q", first, list(plain, secret)), answer: again(first), logged: `"pointers":["#/tasks/1/uri"]`},
		{name: "one that is no JSON", event: sqs("q", first, "hello", second, plain), answer: again(first), stored: second + "-0", logged: `"pointers":["#"]`},
		{name: "one without a body", event: sqs("q", first, ""), answer: again(first), logged: `"pointers":["#"]`},
		{name: "one in conflict", before: a, event: sqs("q", first, other, second, a), answer: again(first), stored: "a", logged: `"errorType":"Conflict","pointers":[]`},
		{name: "one of a list in conflict", before: a, event: sqs("q", first, list(plain, other)), answer: again(first), stored: first + "-0 a",
			logged: `"errorType":"Conflict","pointers":["#/tasks/1"]`},
		{name: "one that is not stored", event: sqs("q", first, `{"id":"lost","uri":"https://example.com/"}`, second, plain), answer: again(first), stored: second + "-0",
			logged: `"error":"not all tasks could be stored`},
		{name: "in order", event: sqs("q.fifo", first, plain, second, plain), answer: again(), stored: first + "-0 " + second + "-0"},
		{name: "in order, after one that failed", event: sqs("q.fifo", first, plain, second, secret, third, plain), answer: again(second, third), stored: first + "-0",
			logged: second},
		{name: "a message with an event", event: sqs("q", first, bridged(third, plain)), answer: again(), stored: third + "-0"},
		{name: "a message with an event with faults", event: sqs("q", first, bridged(third, secret)), answer: again(first), logged: `"pointers":["#/detail/uri"]`},
		{name: "a message within a message", event: sqs("q", first, sqs("q", second, plain)), answer: again(first), logged: `"pointers":["#/Records"`},
		{name: "messages without names", event: sqs("q", "a", plain, second, plain), answer: "InvalidInput 400 #/Records/0/messageId"},
		{name: "an event", event: bridged(first, plain), answer: `"id":"` + first + `-0"`, stored: first + "-0"},
		{name: "an event again", before: bridged(first, plain), event: bridged(first, plain), answer: `"id":"` + first + `-0"`, stored: first + "-0"},
		{name: "an event with a list", event: bridged(first, list(plain, a)), answer: `{"tasks":[{"id":"` + first + `-0"`, stored: first + "-0 a"},
		{name: "an event with faults", event: bridged(first, list(plain, `{}`)), answer: "InvalidInput 400 #/detail/tasks/1/uri"},
		{name: "an event whose detail is no task", event: bridged(first, `"text"`), answer: "InvalidInput 400 #/detail"},
		{name: "an event in conflict", before: a, event: bridged(first, other), answer: "Conflict 409", stored: "a"},
		{name: "one of an event's list in conflict", before: a, event: bridged(first, list(plain, other)), answer: "Conflict 409 #/detail/tasks/1", stored: first + "-0 a"},
		{name: "a list in conflict, whose receipts are read", before: a, event: list(plain, other), answer: `"status":409`, stored: "a request-0"},
		{name: "an event that is not stored", event: bridged(first, list(plain, `{"id":"lost","uri":"https://example.com/"}`)),
			answer: "NotStored 503 #/detail/tasks/1", stored: first + "-0", logged: "not stored"},
	} {
		t.Run(c.name, func(t *testing.T) {
			store := &storetest.Memory{}
			f, log := newEnqueue(failing{store, map[string]bool{"lost": true}})
			if c.before != "" {
				if _, err := f.Invoke(t.Context(), "before", []byte(c.before)); err != nil {
					t.Fatal(err)
				}
			}
			answer, err := f.Invoke(t.Context(), "request", []byte(c.event))
			got := string(answer)
			if own, ok := errors.AsType[*function.Error](err); ok {
				got = brief(t, own)
			} else if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(got, c.answer) || strings.HasPrefix(c.answer, `{"batch`) && got != c.answer {
				t.Errorf("answer %s, want %s", got, c.answer)
			}
			if got := ids(t, store); got != c.stored {
				t.Errorf("stored %q, want %q", got, c.stored)
			}
			if got := log.String(); !strings.Contains(got, c.logged) || c.logged == "" && got != "" || strings.Contains(got, "secret") {
				t.Errorf("logged %s, want it to hold %s", got, c.logged)
			}
			if c.logged != "" && !strings.Contains(log.String(), `"level":"ERROR"`) {
				t.Errorf("logged %s, want an error", log)
			}
		})
	}
}

// brief is an error as the table has it.
func brief(t *testing.T, e *function.Error) string {
	t.Helper()
	var p dispatch.Problem
	if err := json.Unmarshal([]byte(e.Message), &p); err != nil {
		t.Fatalf("the error's message is no problem details: %v: %s", err, e.Message)
	}
	s := fmt.Sprintf("%s %d", e.Type, p.Status)
	for _, f := range p.Errors {
		s += " " + f.Pointer
	}
	return s
}

// ids are those of the tasks in the store but those that failing hides.
func ids(t *testing.T, store dispatch.Store) string {
	t.Helper()
	var all []string
	for task, err := range store.List(t.Context(), dispatch.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if task.ID != "lost" {
			all = append(all, task.ID)
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// counting is a store that counts its puts under way.
type counting struct {
	dispatch.Store
	now, most *atomic.Int64
}

func (c counting) Put(ctx context.Context, now time.Time, tasks []dispatch.Task) []dispatch.Result {
	n := c.now.Add(1)
	defer c.now.Add(-1)
	for most := c.most.Load(); n > most && !c.most.CompareAndSwap(most, n); most = c.most.Load() {
	}
	return c.Store.Put(ctx, now, tasks)
}

// TestInOrder holds a queue that keeps the order to one message at a time.
func TestInOrder(t *testing.T) {
	store := counting{&storetest.Memory{}, new(atomic.Int64), new(atomic.Int64)}
	f, _ := newEnqueue(store)
	var messages []string
	for i := range 50 {
		messages = append(messages, fmt.Sprintf("%08d-0000-0000-0000-000000000000", i), `{"uri":"https://example.com/","group":"g"}`)
	}
	answer, err := f.Invoke(t.Context(), "request", []byte(sqs("q.fifo", messages...)))
	if err != nil || string(answer) != `{"batchItemFailures":[]}` || store.most.Load() != 1 {
		t.Fatalf("%s, %v, %d side by side", answer, err, store.most.Load())
	}
	for i := range 49 {
		id := messages[2*i] + "-0"
		task := store.Get(t.Context(), []string{id})[0].Task
		if want := messages[2*i+2] + "-0"; task.Next != want {
			t.Fatalf("behind %s comes %q, want %s", id, task.Next, want)
		}
	}
}
