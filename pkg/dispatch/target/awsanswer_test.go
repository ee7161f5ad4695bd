package target

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

func codes(from, to int) dispatch.Codes { return dispatch.Codes{{From: from, To: to}} }

// What the services answer, and what becomes of the task.
func TestAnswersOfAWS(t *testing.T) {
	seconds := func(n int) *time.Duration { d := time.Duration(n) * time.Second; return &d }
	const standard = `{"type":"STANDARD"}`
	type headers map[string]string
	stopped := func(d *dispatch.Doc) { d.StopCodes = codes(400, 499) }
	waits := func(d *dispatch.Doc) { d.StopCodes, d.WaitCodes = codes(400, 499), codes(429, 429) }
	for _, c := range []struct {
		name     string
		uri      string
		describe string // what DescribeStateMachine answers; an error begins with its status
		status   int
		header   headers
		body     string
		doc      func(*dispatch.Doc)
		want     dispatch.Answer
		outcome  dispatch.Outcome
	}{
		{name: "nothing", uri: function, status: 200, want: dispatch.Answer{Status: 200}, outcome: dispatch.OutcomeDelivered},
		{name: "null", uri: function, status: 200, body: `null`, want: dispatch.Answer{Status: 200}, outcome: dispatch.OutcomeDelivered},
		{name: "a list", uri: function, status: 200, body: `[{"Dispatch-Outcome":"stop"}]`, want: dispatch.Answer{Status: 200}, outcome: dispatch.OutcomeDelivered},
		{name: "a status of its own", uri: function, status: 200, body: `{"statusCode":404}`, want: dispatch.Answer{Status: 200}, outcome: dispatch.OutcomeDelivered},
		{name: "an outcome", uri: function, status: 200, body: `{"Dispatch-Outcome":"wait;after=30;reason=\"busy\"","x":1}`,
			want: dispatch.Answer{Status: 200, Said: dispatch.OutcomeWait, After: seconds(30), Reason: "busy"}, outcome: dispatch.OutcomeWait},
		{name: "stop", uri: function, status: 200, body: `{"Dispatch-Outcome":"stop"}`, want: dispatch.Answer{Status: 200, Said: dispatch.OutcomeStopped}, outcome: dispatch.OutcomeStopped},
		{name: "an outcome of null", uri: function, status: 200, body: `{"Dispatch-Outcome":null}`, want: dispatch.Answer{Status: 200}, outcome: dispatch.OutcomeDelivered},
		{name: "one that cannot be read", uri: function, status: 200, body: `{"Dispatch-Outcome":"later"}`, want: dispatch.Answer{Status: 200, Note: malformed}, outcome: dispatch.OutcomeDelivered},
		{name: "one that is no text", uri: function, status: 200, body: `{"Dispatch-Outcome":1}`, want: dispatch.Answer{Status: 200, Note: malformed}, outcome: dispatch.OutcomeDelivered},
		{name: "a long answer", uri: function, status: 200, body: `{"x":"` + strings.Repeat("x", maxPayload) + `"}`, want: dispatch.Answer{Status: 200, Note: tooLong}, outcome: dispatch.OutcomeDelivered},
		{name: "the beginning is kept", uri: function, status: 200, body: strings.Repeat("x", 2000), doc: func(d *dispatch.Doc) { d.OnFailure = &dispatch.Callback{} },
			want: dispatch.Answer{Status: 200, Body: strings.Repeat("x", 1024)}, outcome: dispatch.OutcomeDelivered},
		{name: "the function's error", uri: function, status: 200, header: headers{"X-Amz-Function-Error": "Unhandled"}, body: `{"errorType":"Busy","errorMessage":"try\nlater","Dispatch-Outcome":"stop"}`,
			want: dispatch.Answer{Status: 200, Said: dispatch.OutcomeRetry, Reason: "the function failed: Busy: try later"}, outcome: dispatch.OutcomeRetry},
		{name: "an error without words", uri: function, status: 200, header: headers{"X-Amz-Function-Error": "Unhandled"}, body: `oh`,
			want: dispatch.Answer{Status: 200, Said: dispatch.OutcomeRetry, Reason: "the function failed"}, outcome: dispatch.OutcomeRetry},
		{name: "throttled", uri: function, status: 429, header: headers{"X-Amzn-Errortype": "TooManyRequestsException:http://x/", "Retry-After": "7"}, body: `{"Message":"Rate exceeded","Type":"User"}`,
			doc:  func(d *dispatch.Doc) { d.StopCodes = codes(400, 599) },
			want: dispatch.Answer{Status: 429, Said: dispatch.OutcomeRetry, RetryAfter: 7 * time.Second, Reason: "TooManyRequestsException: Rate exceeded"}, outcome: dispatch.OutcomeRetry},
		{name: "throttled, which is to wait", uri: function, status: 429, doc: waits, want: dispatch.Answer{Status: 429, Said: dispatch.OutcomeWait}, outcome: dispatch.OutcomeWait},
		{name: "broken", uri: function, status: 500, body: `<html>`, doc: func(d *dispatch.Doc) { d.StopCodes = codes(500, 599) },
			want: dispatch.Answer{Status: 500, Said: dispatch.OutcomeRetry, Reason: "<html>"}, outcome: dispatch.OutcomeRetry},
		{name: "no such function", uri: function, status: 404, header: headers{"X-Amzn-Errortype": "ResourceNotFoundException"}, body: `{"Message":"Function not found"}`,
			want: dispatch.Answer{Status: 404, Reason: "ResourceNotFoundException: Function not found"}, outcome: dispatch.OutcomeRetry},
		{name: "no such function, which stops", uri: function, status: 404, doc: func(d *dispatch.Doc) { d.StopCodes = codes(404, 404) },
			want: dispatch.Answer{Status: 404}, outcome: dispatch.OutcomeStopped},
		{name: "not allowed", uri: function, status: 403, body: `{"Message":"no"}`, want: dispatch.Answer{Status: 403, Reason: "no"}, outcome: dispatch.OutcomeRetry},
		{name: "an error's words are no outcome", uri: function, status: 400, body: `{"Dispatch-Outcome":"delivered"}`, want: dispatch.Answer{Status: 400}, outcome: dispatch.OutcomeRetry},
		{name: "a redirect", uri: function, status: 307, header: headers{"Location": "http://127.0.0.1:1/"}, want: dispatch.Answer{Status: 307}, outcome: dispatch.OutcomeRetry},

		{name: "started", uri: machine, describe: standard, status: 200, body: `{"executionArn":"x"}`, want: dispatch.Answer{Status: 200}, outcome: dispatch.OutcomeDelivered},
		{name: "an outcome of Step Functions is none", uri: machine, describe: standard, status: 200, body: `{"Dispatch-Outcome":"stop"}`, want: dispatch.Answer{Status: 200}, outcome: dispatch.OutcomeDelivered},
		{name: "started before", uri: machine, describe: standard, status: 400, body: `{"__type":"com.amazonaws.swf.service.v2.model#ExecutionAlreadyExists","message":"x"}`,
			want: dispatch.Answer{Status: 400, Said: dispatch.OutcomeDelivered, Note: alreadyStarted}, outcome: dispatch.OutcomeDelivered},
		{name: "too many", uri: machine, describe: standard, status: 400, body: `{"__type":"com.amazonaws.swf.service.v2.model#ExecutionLimitExceeded","message":"x"}`, doc: stopped,
			want: dispatch.Answer{Status: 429, Said: dispatch.OutcomeRetry, Reason: "ExecutionLimitExceeded: x"}, outcome: dispatch.OutcomeRetry},
		{name: "too many, which is to wait", uri: machine, describe: standard, status: 400, body: `{"__type":"ExecutionLimitExceeded","message":"x"}`, doc: waits,
			want: dispatch.Answer{Status: 429, Said: dispatch.OutcomeWait, Reason: "ExecutionLimitExceeded: x"}, outcome: dispatch.OutcomeWait},
		{name: "starting is throttled", uri: machine, describe: standard, status: 400, body: `{"__type":"ThrottlingException","message":"Rate exceeded"}`, doc: stopped,
			want: dispatch.Answer{Status: 429, Said: dispatch.OutcomeRetry, Reason: "ThrottlingException: Rate exceeded"}, outcome: dispatch.OutcomeRetry},
		{name: "starting is throttled, which is to wait", uri: machine, describe: standard, status: 400, body: `{"__type":"ThrottlingException","message":"Rate exceeded"}`, doc: waits,
			want: dispatch.Answer{Status: 429, Said: dispatch.OutcomeWait, Reason: "ThrottlingException: Rate exceeded"}, outcome: dispatch.OutcomeWait},
		{name: "describing is throttled", uri: machine, describe: `400{"__type":"Throttling"}`, doc: stopped,
			want: dispatch.Answer{Status: 429, Said: dispatch.OutcomeRetry, Reason: "Throttling"}, outcome: dispatch.OutcomeRetry},
		{name: "describing is throttled, which is to wait", uri: machine, describe: `400{"__type":"TooManyRequestsException"}`, doc: waits,
			want: dispatch.Answer{Status: 429, Said: dispatch.OutcomeWait, Reason: "TooManyRequestsException"}, outcome: dispatch.OutcomeWait},
		{name: "anything else that stops", uri: machine, describe: standard, status: 400, body: `{"__type":"InvalidName"}`, doc: stopped,
			want: dispatch.Answer{Status: 400, Reason: "InvalidName"}, outcome: dispatch.OutcomeStopped},
		{name: "no such machine", uri: machine, describe: `400{"__type":"StateMachineDoesNotExist","message":"gone"}`,
			want: dispatch.Answer{Status: 400, Reason: "StateMachineDoesNotExist: gone"}, outcome: dispatch.OutcomeRetry},
		{name: "a name in an error of describing", uri: machine, describe: `400{"__type":"ExecutionAlreadyExists"}`,
			want: dispatch.Answer{Status: 400, Reason: "ExecutionAlreadyExists"}, outcome: dispatch.OutcomeRetry},
		{name: "an express one", uri: machine, describe: `{"type":"EXPRESS"}`, want: dispatch.Answer{Status: 200, Said: dispatch.OutcomeStopped, Reason: express}, outcome: dispatch.OutcomeStopped},
		{name: "of no type", uri: machine, describe: `{}`, want: dispatch.Answer{Status: 200, Said: dispatch.OutcomeRetry, Reason: unknownType}, outcome: dispatch.OutcomeRetry},
	} {
		t.Run(c.name, func(t *testing.T) {
			started := 0
			s := newStub(t, func(w http.ResponseWriter, operation string) {
				status, body := c.status, c.body
				if operation == "DescribeStateMachine" {
					status, body = 200, c.describe
					if rest, ok := strings.CutPrefix(body, "400"); ok {
						status, body = 400, rest
					}
				} else {
					started++
					for name, value := range c.header {
						w.Header().Set(name, value)
					}
				}
				w.WriteHeader(status)
				io.WriteString(w, body)
			})
			call := callOf("POST", c.uri, `{}`)
			call.Doc.SuccessCodes = codes(200, 299)
			if c.doc != nil {
				c.doc(&call.Doc)
			}
			got := atAWS(s.url).Send(t.Context(), call)
			after := got.After
			if want := c.want.After; (after == nil) != (want == nil) || after != nil && *after != *want {
				t.Errorf("after %v, want %v", after, want)
			}
			if got.After = c.want.After; got != c.want {
				t.Errorf("got  %.300s\nwant %.300s", fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", c.want))
			}
			if outcome := dispatch.Judge(call.Doc, got); outcome != c.outcome {
				t.Errorf("%s, want %s", outcome, c.outcome)
			}
			if want := min(c.status, 1); started != want {
				t.Errorf("called %d times, want %d", started, want)
			}
		})
	}
}
