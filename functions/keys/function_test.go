package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/functions/internal/functiontest"
	"example.com/dispatch/pkg/dispatch/signature"
	"github.com/aws/aws-lambda-go/lambda"
)

const secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:signing-AbCdEf"

// set is a set with a key of each kind and a webhook secret: its text, and the ids of those that are published.
func set(t *testing.T) (text string, published []string) {
	t.Helper()
	var s signature.KeySet
	for _, algorithm := range []string{"ES256", "EdDSA", "RS256", "HS256", "HS512"} {
		key, err := signature.NewKeyFor(algorithm)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Add(key, time.Now()); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(algorithm, "HS") {
			published = append(published, key.ID())
		}
	}
	_, failed := s.AddWebhook("https://api.example.com", time.Now())
	private, err := s.Text()
	if err := errors.Join(failed, err); err != nil {
		t.Fatal(err)
	}
	return string(private), published
}

func newFunction(t *testing.T, text string, log io.Writer) *function {
	t.Helper()
	f, err := build(functiontest.Variables{
		"TABLE": "tasks", "SIGNING_KEY": secret, "AWS_ENDPOINT_URL_SECRETS_MANAGER": functiontest.Secrets(t, text),
	}.Read(t), slog.New(slog.NewJSONHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return f.(*function)
}

// ask changes the example of a request, and returns the response.
func ask(t *testing.T, f lambda.Handler, change func(*request)) response {
	t.Helper()
	text := functiontest.Example(t, "keys.json")
	var r request
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatal(err)
	}
	change(&r)
	event, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	a := functiontest.Invoke(t, f, string(event))
	var out response
	if err := json.Unmarshal([]byte(a.Payload), &out); err != nil {
		t.Fatalf("%v: %+v", err, a)
	}
	return out
}

func TestKeys(t *testing.T) {
	text, published := set(t)
	f := newFunction(t, text, io.Discard)
	got := ask(t, f, func(*request) {})
	if got.StatusCode != 200 || got.Headers["Content-Type"] != "application/jwk-set+json" || got.Headers["Cache-Control"] != "public, max-age=300" {
		t.Errorf("response %+v", got)
	}
	keys, err := signature.ParseJWKS([]byte(got.Body))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, k := range keys.Keys {
		ids = append(ids, k.KeyID)
	}
	if strings.Join(ids, " ") != strings.Join(published, " ") {
		t.Errorf("published %q, want %q", ids, published)
	}
	var members struct{ Keys []map[string]string }
	if err := json.Unmarshal([]byte(got.Body), &members); err != nil {
		t.Fatal(err)
	}
	for _, k := range members.Keys {
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
			if _, has := k[private]; has || k["kty"] == "oct" {
				t.Errorf("%s of %s is published", private, k["kid"])
			}
		}
	}

	tag := got.Headers["ETag"]
	for _, c := range []struct {
		name, method, path, match string
		status                    int
		body                      bool
	}{
		{"HEAD", "HEAD", path, "", 200, false},
		{"what the client has", "GET", path, tag, 304, false},
		{"weakly", "GET", path, `"x", W/` + tag, 304, false},
		{"anything", "HEAD", path, "*", 304, false},
		{"another", "GET", path, `"x"`, 200, true},
		{"without quotes", "GET", path, strings.Trim(tag, `"`), 200, true},
		{"another method", "POST", path, "", 405, true},
		{"another path", "GET", "/", "", 404, true},
		{"below it", "GET", path + "/", "", 404, true},
		{"another method and path", "POST", "/tasks", "", 404, true},
	} {
		got := ask(t, f, func(r *request) {
			r.RequestContext.HTTP.Method, r.RawPath, r.Headers["if-none-match"] = c.method, c.path, c.match
		})
		if got.StatusCode != c.status || (got.Body != "") != c.body {
			t.Errorf("%s: %+v", c.name, got)
		}
		if cached := c.status < 400; cached != (got.Headers["ETag"] == tag && got.Headers["Cache-Control"] == "public, max-age=300") || !cached && got.Headers["Cache-Control"] != "no-store" {
			t.Errorf("%s: headers %v", c.name, got.Headers)
		}
	}
}

// Keys that cannot be had are not asked for at every request of whoever calls the URL, and the reason is for the log.
func TestOutOfReach(t *testing.T) {
	var log strings.Builder
	f := newFunction(t, "", &log)
	now, asked := time.Unix(1000, 0), 0
	keys := f.keys
	f.keys = func(ctx context.Context) (signature.JWKS, error) { asked++; return keys(ctx) }
	f.now = func() time.Time { return now }
	for i, want := range []int{1, 1, 2} {
		got := ask(t, f, func(*request) {})
		if got.StatusCode != 503 || got.Headers["Cache-Control"] != "no-store" || got.Headers["Retry-After"] != "10" || strings.Contains(got.Body, "authorized") {
			t.Errorf("response %+v", got)
		}
		if asked != want {
			t.Errorf("after request %d asked %d times, want %d", i+1, asked, want)
		}
		now = now.Add(pause / 2)
	}
	if !strings.Contains(log.String(), "not authorized") {
		t.Errorf("the log has no reason: %s", &log)
	}
}

func TestNoRequest(t *testing.T) {
	text, _ := set(t)
	f := newFunction(t, text, io.Discard)
	for _, event := range []string{`{}`, `[]`, `{"version":"1.0","path":"/.well-known/jwks.json","httpMethod":"GET"}`, ``} {
		if a := functiontest.Invoke(t, f, event); a.ErrorType != invalidInput {
			t.Errorf("%s: %+v", event, a)
		}
	}
}
