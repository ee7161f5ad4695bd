package main

import (
	"errors"
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
	"example.com/dispatch/pkg/dispatch/dynamo/dynamotest"
	"example.com/dispatch/pkg/dispatch/signature"
)

// server is the DynamoDB Local of all of this package's tests.
var server dynamotest.Server

// receiver keeps what arrives, as "id attempt signature", and answers /<status> with that status.
type receiver struct {
	verifier signature.Verifier

	mu    sync.Mutex
	calls []string
}

// ServeHTTP implements [http.Handler].
func (v *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	signed := "unsigned"
	if r.Header.Get(signature.Header) != "" {
		signed = "signed"
		if _, err := v.verifier.VerifyRequest(r, body); err != nil {
			signed = err.Error()
		}
	}
	if !r.Close {
		signed += ", on a connection that would freeze with the function"
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.calls = append(v.calls, r.Header.Get("Idempotency-Key")+" "+r.Header.Get("Dispatch-Attempt")+" "+signed)
	var status int
	if _, err := fmt.Sscanf(r.URL.Path, "/%d", &status); err != nil {
		status = http.StatusNotFound
	}
	w.WriteHeader(status)
}

func TestInvoke(t *testing.T) {
	key, pem := newKey(t)
	set := keySet(t, key)
	const hints = `{"hints":[{"id":"ok","queue":"default","dueAt":"2026-01-31T12:00:00Z"},{"id":"bad"},{"id":"absent"}]}`
	for _, c := range []struct {
		name      string
		variables functiontest.Variables
		secret    string // what Secrets Manager has
		event     string
		calls     string // sorted by task
		tasks     string // how the tasks ok (answered 204) and bad (answered 500) are then
		errorType string
	}{
		{name: "unsigned", event: hints, calls: "bad 1 unsigned, ok 1 unsigned", tasks: "ok delivered, bad scheduled"},
		{name: "one hint", event: `{"hints":[{"id":"ok"}]}`, calls: "ok 1 unsigned", tasks: "ok delivered, bad scheduled unclaimed"},
		{name: "a key from the environment", variables: functiontest.Variables{"SIGNING_KEY": pem}, event: hints,
			calls: "bad 1 signed, ok 1 signed", tasks: "ok delivered, bad scheduled"},
		{name: "a key from Secrets Manager", variables: functiontest.Variables{"SIGNING_KEY": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:key"},
			secret: pem, event: hints, calls: "bad 1 signed, ok 1 signed", tasks: "ok delivered, bad scheduled"},
		{name: "a key set from Secrets Manager", variables: functiontest.Variables{"SIGNING_KEY": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:key"},
			secret: set, event: hints, calls: "bad 1 signed, ok 1 signed", tasks: "ok delivered, bad scheduled"},
		{name: "by Standard Webhooks too, where the receiver has a secret", variables: functiontest.Variables{"SIGNING_KEY": set, "SIGNING_MODE": "both"}, event: hints,
			calls: "bad 1 signed, ok 1 signed", tasks: "ok delivered, bad scheduled"},
		{name: "by Standard Webhooks without secrets", variables: functiontest.Variables{"SIGNING_KEY": pem, "SIGNING_MODE": "webhooks"}, event: hints,
			tasks: "ok scheduled unclaimed, bad scheduled unclaimed", errorType: noSigningKey},
		{name: "a secret that cannot be read", variables: functiontest.Variables{"SIGNING_KEY": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:key"},
			event: hints, tasks: "ok scheduled unclaimed, bad scheduled unclaimed", errorType: noSigningKey},
		{name: "no key", variables: functiontest.Variables{"SIGNING_KEY": "changeme"}, event: hints,
			tasks: "ok scheduled unclaimed, bad scheduled unclaimed", errorType: noSigningKey},
		{name: "an address that is not allowed", variables: functiontest.Variables{"ALLOWED_NETWORKS": "10.0.0.0/8"}, event: hints,
			tasks: "ok scheduled, bad scheduled"},
		{name: "no hints", event: `{}`, tasks: "ok scheduled unclaimed, bad scheduled unclaimed", errorType: invalidInput},
		{name: "not JSON", event: `hints`, tasks: "ok scheduled unclaimed, bad scheduled unclaimed", errorType: invalidInput},
		{name: "no table", variables: functiontest.Variables{"TABLE": "absent"}, event: hints,
			tasks: "ok scheduled unclaimed, bad scheduled unclaimed", errorType: handleFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			to := &receiver{}
			target := httptest.NewServer(to)
			defer target.Close()
			to.verifier = signature.Verifier{Keys: signature.JWKS{Keys: []signature.JWK{key.Public()}}, Issuer: "issuer", Origin: target.URL}
			variables := functiontest.Variables{
				"TABLE": server.Table(t), "AWS_ENDPOINT_URL_DYNAMODB": server.Endpoint(t), "ISSUER": "issuer",
				"AWS_ENDPOINT_URL_SECRETS_MANAGER": functiontest.Secrets(t, c.secret), "ALLOWED_NETWORKS": "127.0.0.0/8",
			}
			store := dynamo.Store{Client: server.Client(t, nil), Table: variables["TABLE"]}
			before := put(t, store, target.URL)
			for name, value := range c.variables {
				variables[name] = value
			}
			f, err := build(variables.Read(t), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			if a := functiontest.Invoke(t, f, c.event); a.ErrorType != c.errorType || c.errorType == "" && a.Payload != "{}" {
				t.Errorf("answer %+v, want error %q", a, c.errorType)
			}
			slices.Sort(to.calls)
			if got := strings.Join(to.calls, ", "); got != c.calls {
				t.Errorf("calls %q, want %q", got, c.calls)
			}
			if got := state(t, store, before); got != c.tasks {
				t.Errorf("tasks %q, want %q", got, c.tasks)
			}
		})
	}
}

// keySet is the text of a set in which the key signs, beside another that signs nothing and a secret for nobody here.
func keySet(t *testing.T, key signature.Key) string {
	t.Helper()
	other, _ := newKey(t)
	var set signature.KeySet
	_, first := set.Add(key, time.Now())
	_, second := set.Add(other, time.Now())
	_, third := set.AddWebhook("https://other.example.com", time.Now())
	text, err := set.Text()
	if err := errors.Join(first, second, third, err); err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func newKey(t *testing.T) (signature.Key, string) {
	t.Helper()
	key, err := signature.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	pem, err := key.PEM()
	if err != nil {
		t.Fatal(err)
	}
	return key, string(pem)
}

// put stores the tasks ok and bad and returns them.
func put(t *testing.T, store dispatch.Store, target string) []dispatch.Result {
	t.Helper()
	verb := dispatch.Enqueue{
		Store: store, Settings: dispatch.CachedSettings(store, time.Now, time.Minute), Retention: dispatch.DefaultRetention,
		AllowHTTP: true, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	}
	input := fmt.Sprintf(`{"tasks":[{"id":"ok","uri":"%[1]s/204"},{"id":"bad","uri":"%[1]s/500"}]}`, target)
	if _, err := verb.Run(t.Context(), []byte(input), nil); err != nil {
		t.Fatal(err)
	}
	return store.Get(t.Context(), []string{"ok", "bad"})
}

// state describes the tasks of before as they are now; "unclaimed" is one that no handler has touched.
func state(t *testing.T, store dispatch.Store, before []dispatch.Result) string {
	t.Helper()
	var parts []string
	for i, r := range store.Get(t.Context(), []string{"ok", "bad"}) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		part := r.Task.ID + " " + string(r.Task.State)
		if r.Task.Generation == before[i].Task.Generation {
			part += " unclaimed"
		}
		if r.Task.Lease != "" {
			part += " leased"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}
