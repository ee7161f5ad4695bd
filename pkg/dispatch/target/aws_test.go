package target

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/egress"
)

const (
	function = "arn:aws:lambda:eu-central-1:123456789012:function:invoices:live"
	machine  = "arn:aws:states:eu-central-1:123456789012:stateMachine:Onboarding:PROD"
)

// asked is a request as a service saw it.
type asked struct {
	path, operation, invocation, contentType, body string
	custom                                         map[string]string // of the client context
}

// stub stands for a service of AWS: it keeps what it was asked, and answers with what serve writes.
type stub struct {
	t     *testing.T
	url   string
	serve func(w http.ResponseWriter, operation string)
	asked []asked
}

func newStub(t *testing.T, serve func(w http.ResponseWriter, operation string)) *stub {
	s := &stub{t: t, serve: serve}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// ServeHTTP implements [http.Handler].
func (s *stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Error(err)
	}
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	a := asked{
		path: r.URL.EscapedPath(), operation: operation, body: string(body),
		invocation: r.Header.Get("X-Amz-Invocation-Type"), contentType: r.Header.Get("Content-Type"),
	}
	if text := r.Header.Get("X-Amz-Client-Context"); text != "" {
		var clientContext struct{ Custom map[string]string }
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil || json.Unmarshal(b, &clientContext) != nil {
			s.t.Errorf("client context %q", text)
		}
		a.custom = clientContext.Custom
	}
	authorization, service := r.Header.Get("Authorization"), "lambda"
	if operation != "" {
		service = "states"
	}
	_, signedHeaders, _ := strings.Cut(authorization, "SignedHeaders=")
	for _, must := range []string{"/eu-central-1/" + service + "/aws4_request"} {
		if !strings.HasPrefix(authorization, "AWS4-HMAC-SHA256 Credential=id/") || !strings.Contains(authorization, must) {
			s.t.Errorf("signed with %q, want %s", authorization, must)
		}
	}
	for _, name := range []string{"X-Amz-Target", "X-Amz-Client-Context", "X-Amz-Invocation-Type"} {
		if r.Header.Get(name) != "" && !strings.Contains(signedHeaders, strings.ToLower(name)) {
			s.t.Errorf("%s is not signed: %s", name, signedHeaders)
		}
	}
	if r.Method != http.MethodPost || r.Header.Get("User-Agent") != "dispatch" || r.Header.Get("X-Amz-Security-Token") != "token" {
		s.t.Errorf("%s with %v", r.Method, r.Header)
	}
	s.asked = append(s.asked, a)
	s.serve(w, operation)
}

// sender returns a sender that finds both services at the URL.
func sender(url string) Sender {
	config := aws.Config{
		BaseEndpoint: &url, HTTPClient: egress.New(egress.Options{AllowedNetworks: egress.Everywhere()}), Region: "us-east-1",
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "id", SecretAccessKey: "secret", SessionToken: "token"}, nil
		}),
	}
	return Sender{AWS: &AWS{Lambda: &config, StepFunctions: &config, Now: func() time.Time { return noon }}}
}

// What arrives of each kind of body.
func TestPayloads(t *testing.T) {
	const task = `"__task":{"id":"order-7","createdAt":"2026-03-01T12:00:00Z","attempt":{"number":2,"limit":5,"interval":60}}}`
	for _, c := range []struct {
		name, body string
		format     dispatch.Format
		want       string
	}{
		{"an envelope", `{"a": 1}`, dispatch.Envelope, `{"request":{"a": 1},` + task},
		{"an envelope of nothing", ``, dispatch.Envelope, `{"request":null,` + task},
		{"an object", `{"a": 1}`, dispatch.Raw, `{"a": 1}`},
		{"a text stays JSON", `"a\"b"`, dispatch.Raw, `"a\"b"`},
		{"nothing", ``, dispatch.Raw, `{}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStub(t, func(w http.ResponseWriter, operation string) {
				if operation == "DescribeStateMachine" {
					io.WriteString(w, `{"type":"STANDARD"}`)
				}
			})
			to := sender(s.url)
			for _, uri := range []string{function, machine} {
				call := callOf("POST", uri, c.body)
				call.Doc.Format, call.Task.Run = c.format, 3
				if a := to.Send(t.Context(), call); a != (dispatch.Answer{Status: 200}) {
					t.Errorf("%+v", a)
				}
			}
			if len(s.asked) != 3 {
				t.Fatalf("asked %+v", s.asked)
			}
			invoked, described, started := s.asked[0], s.asked[1], s.asked[2]
			if invoked.path != "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-central-1%3A123456789012%3Afunction%3Ainvoices%3Alive/invocations" ||
				invoked.invocation != "RequestResponse" || invoked.body != c.want {
				t.Errorf("invoked %+v", invoked)
			}
			if k := invoked.custom; len(k) != 3 || k["idempotencyKey"] != "order-7/3" || k["attempt"] != "2" || k["generation"] != "9" {
				t.Errorf("client context %v", k)
			}
			if described.path != "/" || described.body != `{"includedData":"METADATA_ONLY","stateMachineArn":"`+strings.TrimSuffix(machine, ":PROD")+`"}` {
				t.Errorf("described %+v", described)
			}
			var in struct{ StateMachineARN, Name, Input string }
			if err := json.Unmarshal([]byte(started.body), &in); err != nil || started.operation != "StartExecution" || started.contentType != "application/x-amz-json-1.0" {
				t.Errorf("started %+v, %v", started, err)
			}
			if in.StateMachineARN != machine || in.Input != c.want || !strings.HasPrefix(in.Name, "order-7-") || len(in.Name) > 80 {
				t.Errorf("started %+v", in)
			}
		})
	}
}

func TestClaimsForAWS(t *testing.T) {
	s := newStub(t, func(http.ResponseWriter, string) {})
	to := sender(s.url)
	call := callOf("POST", function, "")
	call.Doc.Claims, call.Doc.Format = []byte(`{"a":1}`), dispatch.Raw
	if a := to.Send(t.Context(), call); a.Error != errNoKey.Error() {
		t.Errorf("without a key: %+v", a)
	}
	to.HTTP.Signer = newSigner(t)
	if a := to.Send(t.Context(), call); a.Status != 200 {
		t.Errorf("%+v", a)
	}
	var token string
	if err := json.Unmarshal([]byte(s.asked[0].body), &token); err != nil || strings.Count(token, ".") != 2 {
		t.Errorf("%s: %v", s.asked[0].body, err)
	}
}

func codes(from, to int) dispatch.Codes { return dispatch.Codes{{From: from, To: to}} }

// What the services answer, and what becomes of the task.
func TestAnswersOfAWS(t *testing.T) {
	seconds := func(n int) *time.Duration { d := time.Duration(n) * time.Second; return &d }
	const standard = `{"type":"STANDARD"}`
	type headers map[string]string
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
		{name: "throttled, which is to wait", uri: function, status: 429, doc: func(d *dispatch.Doc) { d.WaitCodes = codes(429, 429) },
			want: dispatch.Answer{Status: 429}, outcome: dispatch.OutcomeWait},
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
		{name: "too many", uri: machine, describe: standard, status: 400, body: `{"__type":"ExecutionLimitExceeded","message":"x"}`,
			want: dispatch.Answer{Status: 400, Reason: "ExecutionLimitExceeded: x"}, outcome: dispatch.OutcomeRetry},
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
			got := sender(s.url).Send(t.Context(), call)
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

// A state machine's type is asked for once, and again as long as it was not learned.
func TestTypeIsAskedOnce(t *testing.T) {
	answers := []string{`{}`, `{"type":"STANDARD"}`}
	s := newStub(t, func(w http.ResponseWriter, operation string) {
		if operation == "DescribeStateMachine" {
			io.WriteString(w, answers[0])
			answers = answers[1:]
		}
	})
	to := sender(s.url)
	var got []string
	for _, uri := range []string{machine, machine, strings.TrimSuffix(machine, ":PROD"), machine} {
		to.Send(t.Context(), callOf("POST", uri, "1"))
	}
	for _, a := range s.asked {
		got = append(got, a.operation[:5])
	}
	if want := "Descr Descr Start Start Start"; strings.Join(got, " ") != want {
		t.Errorf("%v, want %s", got, want)
	}
}

// One name for a run, and another for whatever else may be there within the 90 days that Step Functions knows it.
func TestExecutionName(t *testing.T) {
	base := callOf("POST", machine, "1")
	name := func(change func(*dispatch.Call)) string {
		c := base
		change(&c)
		return executionName(c)
	}
	first := name(func(*dispatch.Call) {})
	for what, same := range map[string]string{
		"another attempt": name(func(c *dispatch.Call) { c.Attempt, c.Task.Generation = 3, 10 }),
		"another body":    name(func(c *dispatch.Call) { c.Doc.Body = []byte("2") }),
	} {
		if same != first {
			t.Errorf("%s: %s, want %s", what, same, first)
		}
	}
	seen := map[string]string{first: "the first"}
	for what, other := range map[string]string{
		"another run":                 name(func(c *dispatch.Call) { c.Task.Run = 2 }),
		"the id of another run":       name(func(c *dispatch.Call) { c.Task.ID = "order-7/3" }),
		"a run by hand of the first":  name(func(c *dispatch.Call) { c.Task.Run = 4 }),
		"an id that is used again":    name(func(c *dispatch.Call) { c.Doc.CreatedAt = noon.AddDate(0, 0, 8) }),
		"an id that reads the same":   name(func(c *dispatch.Call) { c.Task.ID = "order:7" }),
		"an id that begins the same":  name(func(c *dispatch.Call) { c.Task.ID = strings.Repeat("a", 128) }),
		"an id that begins the same ": name(func(c *dispatch.Call) { c.Task.ID = strings.Repeat("a", 127) + "b" }),
	} {
		if seen[other] != "" {
			t.Errorf("%s and %s: %s", what, seen[other], other)
		}
		seen[other] = what
		if len(other) > 80 || strings.Trim(strings.ToLower(other), "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
			t.Errorf("%s: %s", what, other)
		}
	}
}

// TestOneInvocationOnTheWire: a service that reads and hangs up was asked once, also on a connection that was in use.
func TestOneInvocationOnTheWire(t *testing.T) {
	for _, uri := range []string{function, machine} {
		for _, hangUp := range []string{"end", "reset"} {
			t.Run(uri+" "+hangUp, func(t *testing.T) {
				var requests, connections atomic.Int32
				url := listen(t, func(n int32, c net.Conn) {
					connections.Store(n)
					in := bufio.NewReader(c)
					for i := 0; ; i++ {
						r, err := http.ReadRequest(in)
						if err != nil {
							return
						}
						if _, err := io.Copy(io.Discard, r.Body); err != nil {
							return
						}
						if requests.Add(1); i == 0 {
							io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
							continue
						}
						if hangUp == "reset" {
							c.(*net.TCPConn).SetLinger(0)
						}
						return
					}
				})
				to := sender(url)
				to.AWS.standard.Store(strings.TrimSuffix(machine, ":PROD"), true)
				if a := to.Send(t.Context(), callOf("POST", uri, "1")); a.Status != 200 {
					t.Fatalf("first call: %+v", a)
				}
				if a := to.Send(t.Context(), callOf("POST", uri, "1")); a.Status != 0 || a.Error == "" {
					t.Errorf("second call: %+v, want an error", a)
				}
				if requests.Load() != 2 || connections.Load() != 1 {
					t.Errorf("2 calls made %d requests on %d connections, want 2 on 1", requests.Load(), connections.Load())
				}
			})
		}
	}
}

func TestNoCallToAWS(t *testing.T) {
	s := newStub(t, func(http.ResponseWriter, string) {})
	onlyStates, without := sender(s.url), sender(s.url)
	onlyStates.AWS.Lambda = nil
	without.AWS.Lambda.Credentials = nil
	failing := sender(s.url)
	failing.AWS.Lambda.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{}, errors.New("no metadata service at 169.254.169.254")
	})
	for _, c := range []struct {
		name   string
		sender Sender
		uri    string
		want   string
	}{
		{"not called here", Sender{}, function, "functions and state machines are not called here"},
		{"the other service is", onlyStates, function, "functions and state machines are not called here"},
		{"no credentials", without, function, "no AWS credentials"},
		{"none to be had", failing, function, "no AWS credentials"},
		{"another ARN", sender(s.url), "arn:aws:sqs:eu-west-1:123456789012:q", "invalid URI"},
		{"nobody there", sender("http://127.0.0.1:1"), function, "connection refused"},
	} {
		if a := c.sender.Send(t.Context(), callOf("POST", c.uri, "1")); a != (dispatch.Answer{Error: c.want}) {
			t.Errorf("%s: %+v, want %s", c.name, a, c.want)
		}
	}
	if len(s.asked) != 0 {
		t.Errorf("asked %+v", s.asked)
	}
}
