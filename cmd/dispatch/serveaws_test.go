package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// cloud stands for Step Functions and EventBridge.
type cloud struct {
	mu    sync.Mutex
	asked []string
}

// ServeHTTP implements [http.Handler].
func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, r.Header.Get("X-Amz-Target")+" "+string(body))
	io.WriteString(w, `{"type":"STANDARD","FailedEntryCount":0}`)
}

// saw reports whether it was asked for an operation with all of these in the body.
func (c *cloud) saw(operation string, holds ...string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.asked {
		found := strings.HasPrefix(a, operation+" ")
		for _, h := range holds {
			found = found && strings.Contains(a, h)
		}
		if found {
			return true
		}
	}
	return false
}

// TestARNsGoToTheConfiguredEndpoints has one server call another one's function, a state machine and a bus.
func TestARNsGoToTheConfiguredEndpoints(t *testing.T) {
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer receiver.Close()
	there := &cloud{}
	api := httptest.NewServer(there)
	defer api.Close()

	theirs, ours := t.TempDir(), t.TempDir()
	other := launch(t, theirs, "serve", "--listen", "127.0.0.1:0")
	server := launchWith(t, ours, []string{
		"AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=y",
		"AWS_ENDPOINT_URL_LAMBDA=" + other.url, "AWS_ENDPOINT_URL=" + api.URL,
	}, "serve", "--listen", "127.0.0.1:0", "--event-bus", "alarms")

	const function = "arn:aws:lambda:eu-west-1:123456789012:function:"
	for _, c := range []struct{ id, task, state string }{
		{"works", `"uri": "` + function + `EnqueueFunction:live", "format": "raw", "body": {"id": "inner", "uri": "` + receiver.URL + `"}`, "delivered"},
		{"fails", `"uri": "` + function + `EnqueueFunction", "attempts": {"limit": 1}`, "the function failed: InvalidInput"},
		{"absent", `"uri": "` + function + `nope", "stopCodes": 404`, "stop code 404"},
		{"starts", `"uri": "arn:aws:states:eu-west-1:123456789012:stateMachine:m", "body": {"n": 1}, "format": "raw"`, "delivered"},
	} {
		if status, answer := post(server.url, `{"id": "`+c.id+`", `+c.task+`}`); status != 201 {
			t.Fatal(status, answer)
		}
		until(t, c.id+" is "+c.state, func() bool {
			return strings.Contains(dispatchIn(t, ours, "", "show", c.id).out, c.state)
		})
	}
	until(t, "the other server has delivered", func() bool {
		return strings.Contains(dispatchIn(t, theirs, "", "show", "inner").out, "delivered")
	})
	if !there.saw("AWSStepFunctions.StartExecution", `"input":"{\"n\":1}"`, `"name":"starts-`) {
		t.Errorf("no execution: %v", there.asked)
	}
	until(t, "the bus was told", func() bool {
		return there.saw("AWSEvents.PutEvents", `"EventBusName":"alarms"`, `\"id\":\"fails\"`, `\"state\":\"exhausted\"`) &&
			there.saw("AWSEvents.PutEvents", `\"id\":\"absent\"`, `\"state\":\"stopped\"`)
	})
	if there.saw("AWSEvents.PutEvents", `\"id\":\"works\"`) {
		t.Errorf("told of what went well: %v", there.asked)
	}
}

// A server that was not told to call AWS does not, whatever credentials it finds.
func TestARNsAreRefused(t *testing.T) {
	folder := t.TempDir()
	variables := []string{"AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=y", "AWS_ENDPOINT_URL_SFN=http://127.0.0.1:1"}
	server := launchWith(t, folder, variables, "serve", "--listen", "127.0.0.1:0")
	const function = `{"id": "a", "uri": "arn:aws:lambda:eu-west-1:123456789012:function:f", "attempts": {"limit": 1}}`
	if status, answer := post(server.url, function); status != 400 || !strings.Contains(answer, "--aws-targets") || !strings.Contains(answer, "#/uri") {
		t.Errorf("%d %s", status, answer)
	}
	if status, answer := post(server.url, `{"id": "b", "uri": "arn:aws:states:eu-west-1:123456789012:stateMachine:m", "delay": 3600}`); status != 201 {
		t.Errorf("%d %s", status, answer)
	}
	// The command writes to the store itself: it cannot know.
	if got := dispatchIn(t, folder, function, "enqueue"); got.code != 0 {
		t.Fatal(got)
	}
	until(t, "it is not called", func() bool {
		return strings.Contains(dispatchIn(t, folder, "", "show", "a").out, "functions and state machines are not called here")
	})
}

func TestBusNeedsARegion(t *testing.T) {
	got := dispatchIn(t, t.TempDir(), "", "serve", "--listen", "127.0.0.1:0", "--event-bus", "alarms")
	if got.code != 1 || !strings.Contains(got.err, "AWS_REGION") {
		t.Errorf("%+v", got)
	}
}
