//go:build sam

package functions_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"example.com/dispatch/functions/internal/samlocal"
	"example.com/dispatch/pkg/dispatch"
)

// services stand for what the chain has not got of AWS: other functions, Step Functions and EventBridge. Requests for
// the chain's own functions they hand on to Lambda's API as SAM has it.
type services struct {
	port string

	mu     sync.Mutex
	lambda *httputil.ReverseProxy
	got    []request
}

// request is one that AWS would have got.
type request struct {
	what   string // the operation, or the function that was called
	header http.Header
	body   string
}

func newServices(t *testing.T) *services {
	t.Helper()
	s := &services{}
	s.port = serve(t, "0", s)
	return s
}

// variables have the functions call here.
func (s *services) variables() map[string]string {
	here := "http://" + net.JoinHostPort(samlocal.Host, s.port)
	return map[string]string{
		"AWS_ENDPOINT_URL_LAMBDA": here, "AWS_ENDPOINT_URL_SFN": here, "AWS_ENDPOINT_URL_EVENTBRIDGE": here,
		"TARGET_FUNCTIONS": "true", "TARGET_STATE_MACHINES": "true", "EVENT_BUS": "operations",
	}
}

// handsOn hands requests for the chain's functions on to Lambda's API.
func (s *services) handsOn(t *testing.T, lambda string) {
	t.Helper()
	to, err := url.Parse(lambda)
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lambda = &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}
}

// ServeHTTP implements [http.Handler].
func (s *services) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	what := r.Header.Get("X-Amz-Target")
	if function, ok := strings.CutPrefix(r.URL.Path, "/2015-03-31/functions/"); ok {
		what = strings.TrimSuffix(function, "/invocations")
		if !strings.HasPrefix(what, "arn:") {
			s.mu.Lock()
			lambda := s.lambda
			s.mu.Unlock()
			lambda.ServeHTTP(w, r)
			return
		}
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.got = append(s.got, request{what, r.Header, string(body)})
	s.mu.Unlock()
	answer := map[string]string{
		"AWSStepFunctions.DescribeStateMachine": `{"type": "STANDARD"}`,
		"AWSStepFunctions.StartExecution":       `{"executionArn": "arn:aws:states:eu-west-1:123456789012:execution:Onboarding:x", "startDate": 1}`,
		"AWSEvents.PutEvents":                   `{"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}`,
		failingFunction:                         `{"errorType": "Broken", "errorMessage": "no invoices"}`,
		workingFunction:                         `{"Dispatch-Outcome": "wait;after=1;reason=\"warming up\""}`,
	}[what]
	if s.count(workingFunction) > 1 && what == workingFunction {
		answer = `"done"`
	}
	if what == failingFunction {
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
	}
	if _, err := io.WriteString(w, answer); err != nil {
		return // whoever asked has gone
	}
}

const (
	workingFunction = "arn:aws:lambda:eu-west-1:123456789012:function:invoices:live"
	failingFunction = "arn:aws:lambda:eu-west-1:123456789012:function:broken"
)

func (s *services) of(what string) (all []request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.got {
		if r.what == what {
			all = append(all, r)
		}
	}
	return all
}

func (s *services) count(what string) int { return len(s.of(what)) }

// targets sends tasks to functions and to a state machine; of those that fail the bus is told.
func (c *chain) targets(s *services) {
	working, machine := c.enqueue("lambda-target.json")[0], c.enqueue("state-machine-target.json")[0]
	failing := c.enqueue(c.file(`{"uri": "` + failingFunction + `", "body": "x", "attempts": {"limit": 1}, "identifier": "seven"}`))[0]
	c.command("reschedule "+machine.ID+" --delay 1s", "")
	c.await("functions and the state machine", func() bool {
		c.sweep()
		return c.state(working.ID) == "delivered 1" && c.state(machine.ID) == "delivered 1" && c.state(failing.ID) == "exhausted 1"
	}, func() string { return c.states(working.ID, machine.ID, failing.ID) })

	calls := s.of(workingFunction)
	if len(calls) != 2 || !strings.HasPrefix(calls[0].body, `{"request":{"invoice":1,"paid":true},"__task":{"id":"`+working.ID) {
		c.t.Errorf("the function got %+v", calls)
	}
	var client struct{ Custom map[string]string }
	text, err := base64.StdEncoding.DecodeString(calls[0].header.Get("X-Amz-Client-Context"))
	if err != nil || json.Unmarshal(text, &client) != nil || client.Custom["idempotencyKey"] != working.ID {
		c.t.Errorf("the client context is %s", text)
	}
	var input struct{ StateMachineArn, Name, Input string }
	started := s.of("AWSStepFunctions.StartExecution")
	if len(started) != 1 || json.Unmarshal([]byte(started[0].body), &input) != nil || normal(c.t, input.Input) != `{"customer":17}` ||
		!strings.HasPrefix(input.Name, machine.ID) || len(input.Name) > 80 {
		c.t.Errorf("executions %+v", started)
	}
	c.await("the bus to be told", func() bool { return s.count("AWSEvents.PutEvents") > 0 }, func() string { return "nothing" })
	told := false
	for _, r := range s.of("AWSEvents.PutEvents") {
		var in struct {
			Entries []struct{ Source, DetailType, Detail, EventBusName string }
		}
		if err := json.Unmarshal([]byte(r.body), &in); err != nil || len(in.Entries) != 1 {
			c.t.Fatalf("%v: %s", err, r.body)
		}
		var e dispatch.Event
		if err := json.Unmarshal([]byte(in.Entries[0].Detail), &e); err != nil {
			c.t.Fatal(err)
		}
		if e.ID == failing.ID {
			told = in.Entries[0].Source == "dispatch" && in.Entries[0].DetailType == "Task Failed" && in.Entries[0].EventBusName == "operations" &&
				e.State == dispatch.Exhausted && e.Identifier == "seven" && e.Attempts == 1
		}
		if r.header.Get("Authorization") == "" {
			c.t.Error("a request to the bus is not signed")
		}
	}
	if !told {
		c.t.Errorf("the bus was told %+v", s.of("AWSEvents.PutEvents"))
	}
	if p := c.fails(c.file(`{"uri": "arn:aws:lambda:eu-west-1:123456789012:function:HandleFunction"}`), "InvalidInput"); p.Errors[0].Pointer != "#/uri" {
		c.t.Errorf("problem %+v", p)
	}
}
