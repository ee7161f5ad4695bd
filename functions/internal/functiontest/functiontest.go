// Package functiontest runs the functions in tests as Lambda does: an environment, an event in, an answer or an
// error out; and plays the services that they call.
package functiontest

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"testing"

	"example.com/dispatch/functions/internal/wiring"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

// RequestID is the id of the invocations.
const RequestID = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"

// Variables are a function's environment. The ones that all functions need are there unless given.
type Variables map[string]string

// Read returns them as a function reads them.
func (v Variables) Read(t testing.TB) wiring.Environment {
	t.Helper()
	all := Variables{
		"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
		"AWS_ENDPOINT_URL": "http://127.0.0.1:1", // nothing listens there: what a test did not expect fails
		"STACK":            "test",
	}
	maps.Copy(all, v)
	e, err := wiring.Read(func(name string) string { return all[name] })
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// Example returns one of the events in events/, such as "tick.json", to a test in the folder of a function.
func Example(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../events/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Answer is what Lambda sees of an invocation: a payload, or an error's type and message.
type Answer struct{ Payload, ErrorType, ErrorMessage string }

// Invoke invokes the function.
func Invoke(t testing.TB, f lambda.Handler, event string) Answer {
	t.Helper()
	ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: RequestID})
	payload, err := f.Invoke(ctx, []byte(event))
	if err == nil {
		return Answer{Payload: string(payload)}
	}
	failure, ok := err.(messages.InvokeResponse_Error) // Lambda itself looks for this very type
	if !ok {
		t.Fatalf("error is a %T: Lambda would see the type's name only: %v", err, err)
	}
	return Answer{ErrorType: failure.Type, ErrorMessage: failure.Message}
}

// Invocation is one that the functions made.
type Invocation struct{ Function, Type, Payload string }

// Lambda plays Lambda's API: it answers the statuses, one each, then 202, and hands each invocation to seen.
// It returns its URL.
func Lambda(t testing.TB, seen func(Invocation), statuses ...int) string {
	t.Helper()
	answers := make(chan int, len(statuses))
	for _, status := range statuses {
		answers <- status
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.Split(r.URL.Path, "/")
		if len(path) != 5 || r.Method != http.MethodPost || path[4] != "invocations" {
			t.Errorf("unexpected request %s %s", r.Method, r.URL)
			w.WriteHeader(http.StatusNotFound)
			return
		}
		seen(Invocation{Function: path[3], Type: r.Header.Get("X-Amz-Invocation-Type"), Payload: body(t, r)})
		select {
		case status := <-answers:
			w.WriteHeader(status)
		default:
			w.WriteHeader(http.StatusAccepted)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// Refusing stands before a DynamoDB and refuses one operation, such as PutItem. It returns its URL.
func Refusing(t testing.TB, endpoint, operation string) string {
	t.Helper()
	to, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.Header.Get("X-Amz-Target"), "."+operation) {
			proxy.ServeHTTP(w, r)
			return
		}
		w.WriteHeader(http.StatusBadRequest)
		writeJSON(t, w, map[string]string{"__type": "com.amazon.coral.service#AccessDeniedException", "message": "not authorized"})
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// Secrets plays Secrets Manager with this one secret; an empty text is one that cannot be read. It returns its URL.
func Secrets(t testing.TB, text string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Amz-Target") != "secretsmanager.GetSecretValue" || text == "" {
			w.WriteHeader(http.StatusBadRequest)
			writeJSON(t, w, map[string]string{"__type": "AccessDeniedException", "message": "not authorized"})
			return
		}
		writeJSON(t, w, map[string]string{"SecretString": text})
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func body(t testing.TB, r *http.Request) string {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

func writeJSON(t testing.TB, w http.ResponseWriter, v any) {
	if err := json.NewEncoder(w).Encode(v); err != nil {
		t.Error(err)
	}
}
