package invoke

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/functions/internal/functiontest"
	"example.com/dispatch/functions/internal/wiring"
	"example.com/dispatch/pkg/dispatch"
	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// request is what Lambda's API gets that matters.
type request struct {
	method, path, invocation, token, body string
	scope                                 string // what the signature is for
	signed                                bool   // and whether it is right
}

// api keeps the last request.
type api struct {
	t    *testing.T
	last request
}

// ServeHTTP implements [http.Handler].
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		a.t.Error(err)
	}
	authorization := r.Header.Get("Authorization")
	_, scope, _ := strings.Cut(authorization, "Credential=")
	scope, _, _ = strings.Cut(scope, ",")
	_, scope, _ = strings.Cut(scope, "/") // drops the key's id
	_, scope, _ = strings.Cut(scope, "/") // and the day
	a.last = request{
		method: r.Method, path: r.URL.EscapedPath(), invocation: r.Header.Get("X-Amz-Invocation-Type"), body: string(body),
		token: r.Header.Get("X-Amz-Security-Token"), scope: scope, signed: resigned(a.t, r, body) == authorization,
	}
	w.WriteHeader(http.StatusAccepted)
}

// resigned signs what arrived as its sender should have.
func resigned(t *testing.T, r *http.Request, body []byte) string {
	t.Helper()
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		t.Error(err)
	}
	again, err := http.NewRequest(r.Method, "http://"+r.Host+r.RequestURI, strings.NewReader(string(body)))
	if err != nil {
		t.Error(err)
	}
	_, names, _ := strings.Cut(r.Header.Get("Authorization"), "SignedHeaders=")
	names, _, _ = strings.Cut(names, ",")
	for name := range strings.SplitSeq(names, ";") {
		if value := r.Header.Get(name); value != "" && name != "content-length" {
			again.Header.Set(name, value)
		}
	}
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(t.Context(), credentials(), again, hex.EncodeToString(sum[:]), "lambda", "eu-west-1", at); err != nil {
		t.Error(err)
	}
	return again.Header.Get("Authorization")
}

func credentials() aws.Credentials {
	return aws.Credentials{AccessKeyID: "id", SecretAccessKey: "secret", SessionToken: "token"}
}

// TestAsTheSDK holds the requests made by hand against those of the SDK.
func TestAsTheSDK(t *testing.T) {
	for _, function := range []string{"dispatch-HandleFunction-1A", "arn:aws:lambda:eu-west-1:123456789012:function:dispatch-HandleFunction-1A"} {
		t.Run(function, func(t *testing.T) {
			seen := &api{t: t}
			server := httptest.NewServer(seen)
			defer server.Close()
			e := functiontest.Variables{
				"TABLE": "tasks", "HANDLE_FUNCTION": function, "AWS_ENDPOINT_URL_LAMBDA": server.URL,
				"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token",
			}.Read(t)
			i, err := New(e, 1)
			if err != nil {
				t.Fatal(err)
			}
			if err := i.Handle(t.Context(), []dispatch.Hint{{ID: "a"}}); err != nil {
				t.Fatal(err)
			}
			got := seen.last
			sdk := lambda.NewFromConfig(e.AWS(wiring.Lambda, 1))
			_, err = sdk.Invoke(t.Context(), &lambda.InvokeInput{
				FunctionName: &function, InvocationType: types.InvocationTypeEvent, Payload: []byte(`{"hints":[{"id":"a"}]}`),
			})
			if err != nil {
				t.Fatal(err)
			}
			if want := seen.last; got != want || !want.signed {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

// A part of a tick goes to the function itself.
func TestPart(t *testing.T) {
	var got functiontest.Invocation
	url := functiontest.Lambda(t, func(i functiontest.Invocation) { got = i })
	i, err := New(functiontest.Variables{"TABLE": "tasks", "HANDLE_FUNCTION": "handle", "AWS_LAMBDA_FUNCTION_NAME": "sweep-1A", "AWS_ENDPOINT_URL_LAMBDA": url}.Read(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	end := time.Date(2026, 1, 31, 12, 1, 0, 0, time.UTC)
	for _, c := range []struct {
		part    dispatch.Part
		payload string
	}{
		{dispatch.Part{Number: 0, Of: 2}, `{"part":0,"of":2}`},
		{dispatch.Part{Number: 3, Of: 4, End: end}, `{"part":3,"of":4,"end":"2026-01-31T12:01:00Z"}`},
	} {
		want := functiontest.Invocation{Function: "sweep-1A", Type: "Event", Payload: c.payload}
		if err := i.Part(t.Context(), c.part); err != nil || got != want {
			t.Errorf("%+v, want %+v: %v", got, want, err)
		}
	}
}

func TestTries(t *testing.T) {
	for _, c := range []struct {
		name     string
		statuses []int
		tries    int
		fails    bool
	}{
		{"taken", nil, 1, false},
		{"throttled for a moment", []int{429, 429}, 3, false},
		{"throttled", []int{429, 429, 429}, 3, true},
		{"failed: it may have run", []int{500}, 1, true},
		{"refused", []int{403}, 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			tries := 0
			url := functiontest.Lambda(t, func(functiontest.Invocation) { tries++ }, c.statuses...)
			i, err := New(functiontest.Variables{"TABLE": "tasks", "HANDLE_FUNCTION": "handle", "SWEEP_FUNCTION": "sweep", "AWS_ENDPOINT_URL_LAMBDA": url}.Read(t), 1)
			if err != nil {
				t.Fatal(err)
			}
			if err := i.Sweep(t.Context()); (err != nil) != c.fails || tries != c.tries {
				t.Errorf("%d tries, error %v; want %d, an error: %t", tries, err, c.tries, c.fails)
			}
		})
	}
}

func TestNoTimeForAnotherTry(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	url := functiontest.Lambda(t, func(functiontest.Invocation) { cancel() }, 429, 429)
	i, err := New(functiontest.Variables{"TABLE": "tasks", "HANDLE_FUNCTION": "handle", "AWS_ENDPOINT_URL_LAMBDA": url}.Read(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Sweep(ctx); err == nil {
		t.Error("no error")
	}
}
