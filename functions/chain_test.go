//go:build sam

// Package functions_test runs the chain of the three functions under SAM: what only real containers, a real
// environment and real asynchronous invocations show. It needs what package samlocal needs.
package functions_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/functions/internal/samlocal"
	"example.com/dispatch/pkg/dispatch"
)

const (
	chatPath   = "/chats/c-2209/status"
	parcelID   = "parcel-00340434161094042557-delivered"
	recordID   = "call-record-4711"
	claimsPath = "/claims"
)

// TestChain enqueues the event files, lets the tick bring back what failed or was not due, and looks at what the
// receiver got and at what the table says.
func TestChain(t *testing.T) {
	r := newReceiver(t, map[string][]int{
		"/call-records/4711":                   {202},
		chatPath:                               {503, 200}, // fails first
		"/parcels/00340434161094042557/status": {410},      // a stop code
		"/invoices/1":                          {200},
		"/invoices/2":                          {200},
		"/reports/refresh?of=invoices":         {204},
		claimsPath:                             {200},
	})
	services := newServices(t)
	c := &chain{t: t, system: start(t, services.variables()), receiver: r}
	services.handsOn(t, c.system.Lambda())
	r.verifyWith(c.system.Key)
	c.configure()
	// Its lease lapses while the rest goes on.
	killing := (&chain{t: t, system: c.system, receiver: r, warm: true}).killHandle(services)

	record := c.enqueue("call-record.json")[0]
	chat := c.enqueue("chat-status.json")[0]
	parcel := c.enqueue("logistic-status.json")[0]
	batch := c.enqueue("batch.json")
	claims := c.enqueue(c.file(`{"uri":"http://host.docker.internal:8701/claims","claims":{"sub":"42"},"lifetime":600}`))[0]
	for _, receipt := range append([]dispatch.Receipt{record, chat, parcel, claims}, batch...) {
		if receipt.State != dispatch.Scheduled || receipt.Existing || receipt.Error != nil {
			t.Errorf("receipt %+v, want it scheduled and new", receipt)
		}
	}
	if record.ID != recordID || parcel.ID != parcelID || len(batch) != 3 {
		t.Fatalf("receipts of %s, %s and a batch of %d", record.ID, parcel.ID, len(batch))
	}

	// What is due is called without a tick.
	c.await("the first calls to be settled", func() bool {
		return c.state(recordID) == "delivered 1" && c.state(chat.ID) == "scheduled 1" && c.state(parcelID) == "stopped 1" &&
			c.state(batch[0].ID) == "delivered 1" && c.state(batch[1].ID) == "delivered 1" && c.state(claims.ID) == "delivered 1"
	}, func() string { return c.states(recordID, chat.ID, parcelID, batch[0].ID, batch[1].ID, claims.ID) })
	if got := c.state(batch[2].ID); got != "scheduled 0" {
		t.Errorf("the delayed task is %q before the tick, want it scheduled", got)
	}
	retryAt := c.task(chat.ID).DueAt

	// What was not is brought by a later tick.
	c.await("ticks to bring the others", func() bool {
		c.sweep()
		return c.state(chat.ID) == "delivered 2" && c.state(batch[2].ID) == "delivered 1"
	}, func() string { return c.states(chat.ID, batch[2].ID) })
	if reason := c.task(parcelID).Reason; reason != "stop code 410" {
		t.Errorf("the parcel's reason is %q", reason)
	}

	t.Run("the same event again", func(t *testing.T) {
		again := c.enqueue("call-record.json")[0]
		if again.ID != recordID || !again.Existing || again.State != dispatch.Delivered {
			t.Errorf("receipt %+v, want the delivered task", again)
		}
	})
	t.Run("a hint that is late", func(t *testing.T) {
		if answer := c.invoke(samlocal.Handle, "hint.json"); string(answer) != "{}" {
			t.Errorf("answer %s, want {}", answer)
		}
	})
	t.Run("the public keys", func(t *testing.T) {
		var answer struct {
			StatusCode int
			Body       string
		}
		text := c.invoke(samlocal.Keys, "keys.json")
		if err := json.Unmarshal(text, &answer); err != nil || answer.StatusCode != 200 || !strings.Contains(answer.Body, c.system.Key.ID()) {
			t.Errorf("answer %s, %v, want the key %s", text, err, c.system.Key.ID())
		}
	})
	t.Run("a conflict", func(t *testing.T) {
		p := c.fails(c.file(`{"id":"call-record-4711","uri":"https://example.com/"}`), "Conflict")
		if p.Status != 409 {
			t.Errorf("problem %+v, want status 409", p)
		}
	})
	t.Run("invalid input", func(t *testing.T) {
		p := c.fails(c.file(`{"tasks":[{"uri":"https://example.com/"},{"uri":"example.com","httpTimeout":0}]}`), "InvalidInput")
		var pointers []string
		for _, fault := range p.Errors {
			pointers = append(pointers, fault.Pointer)
		}
		slices.Sort(pointers)
		if p.Status != 400 || !slices.Equal(pointers, []string{"#/tasks/1/httpTimeout", "#/tasks/1/uri"}) {
			t.Errorf("problem %+v, want 400 with both faults", p)
		}
	})

	c.calls(retryAt, map[string]dispatch.Receipt{
		"PATCH /call-records/4711":                  record,
		"POST " + chatPath:                          chat,
		"POST /parcels/00340434161094042557/status": parcel,
		"POST /invoices/1":                          batch[0],
		"POST /invoices/2":                          batch[1],
		"GET /reports/refresh?of=invoices":          batch[2],
		"POST " + claimsPath:                        claims,
	})
	t.Run("what a task can ask for", func(t *testing.T) { (&chain{t: t, system: c.system, receiver: r}).parts() })
	t.Run("functions, a state machine and a bus", func(t *testing.T) {
		(&chain{t: t, system: c.system, receiver: r, warm: true}).targets(services)
	})
	t.Run("other ways to enqueue", func(t *testing.T) { (&chain{t: t, system: c.system, receiver: r, warm: true}).callers(t) })
	t.Run("handle, killed in mid-call", func(t *testing.T) {
		killing.again(&chain{t: t, system: c.system, receiver: r, warm: true})
	})
}

// calls looks at everything that the receiver got.
func (c *chain) calls(retryAt time.Time, want map[string]dispatch.Receipt) {
	c.t.Helper()
	attempts := map[string]int{}
	for _, call := range c.receiver.all() {
		name := call.method + " " + call.path
		attempts[name]++
		receipt, known := want[name]
		switch {
		case !known:
			c.t.Errorf("unexpected call %s", name)
			continue
		case call.id != receipt.ID || call.attempt != fmt.Sprint(attempts[name]):
			c.t.Errorf("%s: task %q attempt %q, want %q attempt %d", name, call.id, call.attempt, receipt.ID, attempts[name])
		case call.signature != nil:
			c.t.Errorf("%s: %v", name, call.signature)
		case call.signed.Task != receipt.ID || call.signed.Attempt != attempts[name]:
			c.t.Errorf("%s: signed for task %q attempt %d", name, call.signed.Task, call.signed.Attempt)
		}
		if call.path == chatPath && attempts[name] == 2 && call.at.Before(retryAt) {
			c.t.Errorf("%s: tried again at %s, before %s", name, call.at, retryAt)
		}
		c.body(name, attempts[name], receipt, call)
	}
	for name := range want {
		expected := 1
		if strings.HasSuffix(name, chatPath) {
			expected = 2
		}
		if attempts[name] != expected {
			c.t.Errorf("%s: %d calls, want %d", name, attempts[name], expected)
		}
	}
}

// body looks at what a call carried.
func (c *chain) body(name string, attempt int, receipt dispatch.Receipt, call call) {
	c.t.Helper()
	want := map[string]struct {
		request         string
		limit, interval int
	}{
		"PATCH /call-records/4711":                  {c.bodyIn("call-record.json"), 1440, 60},
		"POST " + chatPath:                          {c.bodyIn("chat-status.json"), 30, 10},
		"POST /parcels/00340434161094042557/status": {c.bodyIn("logistic-status.json"), 1440, 60},
		"POST /invoices/1":                          {`{"invoice":1,"paid":true}`, 60, 60},
	}
	switch name {
	case "POST /invoices/2":
		if string(call.body) != "a text" {
			c.t.Errorf("%s: body %q, want the raw text", name, call.body)
		}
	case "GET /reports/refresh?of=invoices":
		if len(call.body) > 0 {
			c.t.Errorf("%s: body %q, want none", name, call.body)
		}
	case "POST " + claimsPath:
		c.token(name, call.body)
	default:
		w := want[name]
		expected := fmt.Sprintf(`{"request":%s,"__task":{"id":%q,"attempt":{"number":%d,"limit":%d,"interval":%d}}}`,
			w.request, receipt.ID, attempt, w.limit, w.interval)
		if got := withoutCreatedAt(c.t, call.body); got != normal(c.t, expected) {
			c.t.Errorf("%s: body\n%s\nwant\n%s", name, got, normal(c.t, expected))
		}
	}
	if name == "PATCH /call-records/4711" && call.header.Get("X-Tenant") != "acme" {
		c.t.Errorf("%s: header X-Tenant %q", name, call.header.Get("X-Tenant"))
	}
}

// bodyIn is the body in an event file.
func (c *chain) bodyIn(file string) string {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "events", file))
	if err != nil {
		c.t.Fatal(err)
	}
	var event struct{ Body json.RawMessage }
	if err := json.Unmarshal(text, &event); err != nil {
		c.t.Fatal(err)
	}
	return string(event.Body)
}
