package main

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/dispatch/functions/internal/functiontest"
	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/dynamo"
)

// services stand for Lambda and Step Functions: they answer by the name in what they are asked.
type services struct {
	mu    sync.Mutex
	asked []string
}

// ServeHTTP implements [http.Handler].
func (s *services) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	what := operation
	if what == "" {
		_, what, _ = strings.Cut(r.URL.Path, ":function:")
	}
	if !r.Close {
		what += ", on a connection that would freeze with the function"
	}
	s.mu.Lock()
	s.asked = append(s.asked, what)
	s.mu.Unlock()
	switch {
	case operation == "DescribeStateMachine" && strings.Contains(string(body), ":express"):
		io.WriteString(w, `{"type":"EXPRESS"}`)
	case operation == "DescribeStateMachine":
		io.WriteString(w, `{"type":"STANDARD"}`)
	case strings.HasPrefix(what, "failing/"):
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
		io.WriteString(w, `{"errorType":"Busy","errorMessage":"later"}`)
	case strings.HasPrefix(what, "stopping:"):
		io.WriteString(w, `{"Dispatch-Outcome":"stop;reason=\"gone\""}`)
	case strings.HasPrefix(what, "forbidden/"):
		w.Header().Set("X-Amzn-Errortype", "AccessDeniedException")
		w.WriteHeader(http.StatusForbidden)
	}
}

func TestARNs(t *testing.T) {
	to := &services{}
	api := httptest.NewServer(to)
	defer api.Close()
	variables := functiontest.Variables{
		"TABLE": server.Table(t), "AWS_ENDPOINT_URL_DYNAMODB": server.Endpoint(t), "ALLOWED_NETWORKS": "10.0.0.0/8",
		"AWS_ENDPOINT_URL_LAMBDA": api.URL, "AWS_ENDPOINT_URL_SFN": api.URL,
	}
	store := dynamo.Store{Client: server.Client(t, nil), Table: variables["TABLE"]}
	f, err := build(variables.Read(t), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	const function, machine = "arn:aws:lambda:eu-west-1:123456789012:function:", "arn:aws:states:eu-west-1:123456789012:stateMachine:"
	verb := dispatch.Enqueue{
		Store: store, Settings: dispatch.CachedSettings(store, time.Now, time.Minute), Retention: dispatch.DefaultRetention,
		CheckARN: func(dispatch.ARN) error { return nil }, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	}
	for _, c := range []struct{ id, uri, state, error string }{
		{"working", function + "working", "delivered", ""},
		{"failing", function + "failing", "scheduled", "status 200: the function failed: Busy: later"},
		{"stopping", function + "stopping:live", "stopped", "status 200: gone"},
		{"forbidden", function + "forbidden", "scheduled", "status 403: AccessDeniedException"},
		{"standard", machine + "standard", "delivered", ""},
		{"another", machine + "standard", "delivered", ""},
		{"express", machine + "express", "stopped", "status 200: it is an EXPRESS state machine, which a repeated call would run again; only STANDARD ones are called"},
	} {
		if _, err := verb.Run(t.Context(), fmt.Appendf(nil, `{"id":%q,"uri":%q}`, c.id, c.uri), nil); err != nil {
			t.Fatal(err)
		}
		if a := functiontest.Invoke(t, f, `{"hints":[{"id":"`+c.id+`"}]}`); a.Payload != "{}" {
			t.Errorf("%s: %+v", c.id, a)
		}
		r := store.Get(t.Context(), []string{c.id})[0]
		if r.Err != nil || string(r.Task.State) != c.state || len(r.Task.Progress) != 1 || r.Task.Progress[0].Error != c.error {
			t.Errorf("%s: %s, %+v, %v; want %s, %q", c.id, r.Task.State, r.Task.Progress, r.Err, c.state, c.error)
		}
	}
	slices.Sort(to.asked)
	want := "DescribeStateMachine, DescribeStateMachine, StartExecution, StartExecution, " +
		"failing/invocations, forbidden/invocations, stopping:live/invocations, working/invocations"
	if got := strings.Join(to.asked, ", "); got != want {
		t.Errorf("asked %s\nwant  %s", got, want)
	}
}

// The bus is told of a failure, and of nothing else; that it cannot be told changes nothing.
func TestEvents(t *testing.T) {
	for _, status := range []int{200, 500} {
		told := make(chan string, 10)
		bus := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil || r.Header.Get("X-Amz-Target") != "AWSEvents.PutEvents" {
				t.Errorf("%v, %v", r.Header, err)
			}
			told <- string(body)
			w.WriteHeader(status)
			io.WriteString(w, `{"FailedEntryCount":0}`)
		}))
		defer bus.Close()
		receiver := httptest.NewServer(&receiver{})
		defer receiver.Close()
		variables := functiontest.Variables{
			"TABLE": server.Table(t), "AWS_ENDPOINT_URL_DYNAMODB": server.Endpoint(t), "ALLOWED_NETWORKS": "127.0.0.0/8",
			"AWS_ENDPOINT_URL_EVENTBRIDGE": bus.URL, "EVENT_BUS": "alarms",
		}
		store := dynamo.Store{Client: server.Client(t, nil), Table: variables["TABLE"]}
		f, err := build(variables.Read(t), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		before := put(t, store, receiver.URL)
		if a := functiontest.Invoke(t, f, `{"hints":[{"id":"ok"},{"id":"bad"}]}`); a.Payload != "{}" || len(told) != 0 {
			t.Errorf("%+v, told %d times", a, len(told))
		}
		verb := dispatch.Enqueue{
			Store: store, Settings: dispatch.CachedSettings(store, time.Now, time.Minute), Retention: dispatch.DefaultRetention,
			AllowHTTP: true, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		}
		if _, err := verb.Run(t.Context(), []byte(`{"id":"gone","uri":"`+receiver.URL+`/404","stopCodes":404}`), nil); err != nil {
			t.Fatal(err)
		}
		if a := functiontest.Invoke(t, f, `{"hints":[{"id":"gone"}]}`); a.Payload != "{}" || len(told) != 1 {
			t.Fatalf("%+v, told %d times", a, len(told))
		}
		const want = `{"Entries":[{"EventBusName":"alarms","Source":"dispatch","DetailType":"Task Failed",` +
			`"Detail":"{\"id\":\"gone\",\"queue\":\"default\",\"run\":1,\"state\":\"stopped\",\"reason\":\"stop code 404\",\"attempts\":1}"}]}`
		if got := <-told; got != want {
			t.Errorf("told %s\nwant %s", got, want)
		}
		if r := store.Get(t.Context(), []string{"gone"})[0]; r.Err != nil || r.Task.State != dispatch.Stopped {
			t.Errorf("%s, %v", r.Task.State, r.Err)
		}
		if got := state(t, store, before); got != "ok delivered, bad scheduled" {
			t.Errorf("%s", got)
		}
	}
}
