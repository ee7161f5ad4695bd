package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"example.com/dispatch/functions/internal/functiontest"
	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/dynamo"
	"example.com/dispatch/pkg/dispatch/dynamo/dynamotest"
)

// server is the DynamoDB Local of all of this package's tests.
var server dynamotest.Server

// hinted keeps the ids that handle was invoked with.
type hinted struct {
	mu  sync.Mutex
	ids []string
}

func (h *hinted) add(t *testing.T, i functiontest.Invocation) {
	var event struct{ Hints []dispatch.Hint }
	if err := json.Unmarshal([]byte(i.Payload), &event); err != nil || i.Function != "handle" || i.Type != "Event" {
		t.Errorf("invoked %+v: %v", i, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, hint := range event.Hints {
		h.ids = append(h.ids, hint.ID)
	}
}

func TestInvoke(t *testing.T) {
	tick := functiontest.Example(t, "tick.json")
	for _, c := range []struct {
		name      string
		event     string // a tick unless set
		variables functiontest.Variables
		statuses  []int    // of handle's invocations
		hinted    []string // of the due tasks a and b and the later one c; nil for none
		errorType string
	}{
		{name: "two are due", hinted: []string{"a", "b"}},
		{name: "throttled for a moment", variables: functiontest.Variables{"TASKS_PER_HANDLE": "10"}, statuses: []int{429},
			hinted: []string{"a", "a", "b", "b"}},
		{name: "handle not invoked", statuses: []int{500}, hinted: []string{"a", "b"}, errorType: sweepFailed},
		{name: "a limit", variables: functiontest.Variables{"SWEEP_LIMIT": "1"}, hinted: []string{"a"}},
		{name: "a part", event: `{"part":0,"of":2}`, hinted: []string{"a", "b"}}, // of one lane
		{name: "another part", event: `{"part":1,"of":2}`},
		{name: "no part", event: `{"part":2,"of":2}`, errorType: invalidInput},
		{name: "no table", variables: functiontest.Variables{"TABLE": "absent"}, errorType: sweepFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			seen := &hinted{}
			variables := functiontest.Variables{
				"TABLE": server.Table(t), "AWS_ENDPOINT_URL_DYNAMODB": server.Endpoint(t), "HANDLE_FUNCTION": "handle",
				"AWS_ENDPOINT_URL_LAMBDA": functiontest.Lambda(t, func(i functiontest.Invocation) { seen.add(t, i) }, c.statuses...),
				"PRECISION":               "minute",
			}
			put(t, dynamo.Store{Client: server.Client(t, nil), Table: variables["TABLE"]})
			for name, value := range c.variables {
				variables[name] = value
			}
			handler, err := build(variables.Read(t), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			var metrics bytes.Buffer
			handler.(*function).metrics = &metrics

			a := functiontest.Invoke(t, handler, cmp.Or(c.event, tick))
			if a.ErrorType != c.errorType {
				t.Errorf("answer %+v, want error %q", a, c.errorType)
			}
			if slices.Sort(seen.ids); !slices.Equal(seen.ids, c.hinted) {
				t.Errorf("handed over %q, want %q", seen.ids, c.hinted)
			}
			if c.errorType == invalidInput {
				return
			}
			var line struct {
				Stack      string
				HandedOver *int
			}
			if err := json.Unmarshal(metrics.Bytes(), &line); err != nil || line.Stack != "test" || line.HandedOver == nil {
				t.Errorf("metrics %q: %v", &metrics, err)
			}
			if c.errorType != "" {
				return
			}
			var report struct{ HandedOver, Looks int }
			if err := json.Unmarshal([]byte(a.Payload), &report); err != nil || report.Looks != 1 || report.HandedOver != *line.HandedOver {
				t.Errorf("answer %q, metrics %q: %v", a.Payload, &metrics, err)
			}
		})
	}
}

// put stores tasks a and, a millisecond after it, b, due now, and c, due later.
func put(t *testing.T, store dispatch.Store) {
	t.Helper()
	verb := dispatch.Enqueue{
		Store: store, Settings: dispatch.CachedSettings(store, time.Now, time.Minute), Retention: dispatch.DefaultRetention,
		Now: time.Now, Log: slog.New(slog.DiscardHandler),
	}
	input := `{"tasks":[{"id":"a","uri":"https://example.com/"},{"id":"b","uri":"https://example.com/","delay":0.001},{"id":"c","uri":"https://example.com/","delay":600}]}`
	if _, err := verb.Run(t.Context(), []byte(input), nil); err != nil {
		t.Fatal(err)
	}
}
