package target

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
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

// atAWS returns a sender that finds both services at the URL.
func atAWS(url string) Sender {
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
			to := atAWS(s.url)
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
	to := atAWS(s.url)
	call := callOf("POST", function, "")
	call.Doc.Claims, call.Doc.Format = []byte(`{"a":1}`), dispatch.Raw
	if a := to.Send(t.Context(), call); a != (dispatch.Answer{Error: errNoKey.Error(), Unsent: true}) {
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

func TestNoCallToAWS(t *testing.T) {
	s := newStub(t, func(http.ResponseWriter, string) {})
	onlyStates, without := atAWS(s.url), atAWS(s.url)
	onlyStates.AWS.Lambda = nil
	without.AWS.Lambda.Credentials = nil
	failing := atAWS(s.url)
	failing.AWS.Lambda.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{}, errors.New("no metadata service at 169.254.169.254")
	})
	knowing := atAWS(s.url)
	knowing.AWS.StepFunctions.Credentials = nil
	knowing.AWS.standard.Store(strings.TrimSuffix(machine, ":PROD"), true)
	for _, c := range []struct {
		name   string
		sender Sender
		uri    string
		want   string
		unsent bool
	}{
		{"not called here", Sender{}, function, "functions and state machines are not called here", true},
		{"the other service is", onlyStates, function, "functions and state machines are not called here", true},
		{"no credentials", without, function, "no AWS credentials", true},
		{"none to be had", failing, function, "no AWS credentials", true},
		{"none to ask about a state machine", failing, machine, "no AWS credentials", true},
		{"none to start an execution", knowing, machine, "no AWS credentials", true},
		{"another ARN", atAWS(s.url), "arn:aws:sqs:eu-west-1:123456789012:q", "invalid URI", false},
		{"nobody there", atAWS("http://127.0.0.1:1"), function, "connection refused", false},
	} {
		if a := c.sender.Send(t.Context(), callOf("POST", c.uri, "1")); a != (dispatch.Answer{Error: c.want, Unsent: c.unsent}) {
			t.Errorf("%s: %+v, want %s, unsent %t", c.name, a, c.want, c.unsent)
		}
	}
	if len(s.asked) != 0 {
		t.Errorf("asked %+v", s.asked)
	}
}
