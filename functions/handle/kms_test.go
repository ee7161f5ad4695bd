package main

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"example.com/dispatch/functions/internal/functiontest"
	"example.com/dispatch/pkg/dispatch/dynamo"
	"example.com/dispatch/pkg/dispatch/signature"
)

// Calls and claims are signed by the key in KMS; what KMS does not sign waits, without an attempt.
func TestSigningByKMS(t *testing.T) {
	const arn = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	throttled := []string{"ThrottlingException", "ThrottlingException", "ThrottlingException"}
	for _, c := range []struct {
		name   string
		refuse []string // when asked to sign
		public []string // and for the public half
		task   string   // besides its id and uri
		calls  int
		state  string // and attempts
		failed string
		error  string
	}{
		{name: "a call", calls: 1, state: "delivered 1"},
		{name: "claims", task: `,"claims":{"sub":"1"},"format":"raw"`, calls: 1, state: "delivered 1"},
		{name: "throttled", refuse: throttled, state: "scheduled 0", failed: "KMS throttles"},
		{name: "throttled at the claims", refuse: throttled, task: `,"claims":{"sub":"1"},"format":"raw"`, state: "scheduled 0", failed: "KMS throttles"},
		{name: "denied", refuse: []string{"AccessDeniedException"}, state: "scheduled 0", failed: "KMS does not allow it"},
		{name: "out of reach", refuse: []string{"500", "500", "500"}, state: "scheduled 0", failed: "KMS is out of reach"},
		{name: "no public half", public: []string{"AccessDeniedException"}, state: "scheduled 0", error: noSigningKey},
	} {
		t.Run(c.name, func(t *testing.T) {
			service := functiontest.NewKMS(t, arn)
			service.Refuse("Sign", c.refuse...)
			service.Refuse("GetPublicKey", c.public...)
			key, err := signature.NewRemoteKey(&service.Private(arn).PublicKey, nil)
			if err != nil {
				t.Fatal(err)
			}
			v, calls := signature.Verifier{Keys: signature.JWKS{Keys: []signature.JWK{key.Public()}}, Issuer: "issuer"}, 0
			receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				calls++
				body, err := io.ReadAll(r.Body)
				if err == nil {
					v.Origin = "http://" + r.Host
					_, err = v.VerifyRequest(r, body)
				}
				if err != nil {
					t.Error(err)
				}
				if r.Header.Get("Content-Type") == "application/jwt" && !signedBy(&service.Private(arn).PublicKey, string(body)) {
					t.Errorf("claims %s", body)
				}
			}))
			defer receiver.Close()
			variables := functiontest.Variables{
				"TABLE": server.Table(t), "AWS_ENDPOINT_URL_DYNAMODB": server.Endpoint(t), "ALLOWED_NETWORKS": "127.0.0.0/8", "ISSUER": "issuer",
				"SIGNING_KMS_KEY": arn, "AWS_ENDPOINT_URL_KMS": service.Serve(t),
			}
			store := dynamo.Store{Client: server.Client(t, nil), Table: variables["TABLE"]}
			enqueue(t, store, receiver.URL, `{"id":"a","uri":"$/"`+c.task+`}`)
			var log strings.Builder
			f, err := build(variables.Read(t), slog.New(slog.NewJSONHandler(&log, nil)))
			if err != nil {
				t.Fatal(err)
			}
			if a := functiontest.Invoke(t, f, `{"hints":[{"id":"a"}]}`); a.ErrorType != c.error {
				t.Errorf("answer %+v", a)
			}
			task := store.Get(t.Context(), []string{"a"})[0].Task
			attempts, failed := 0, ""
			if len(task.Progress) > 0 {
				attempts, failed = task.Progress[0].Attempts, task.Progress[0].Error
			}
			if got := string(task.State) + " " + string(rune('0'+attempts)); got != c.state || calls != c.calls || !strings.HasSuffix(failed, c.failed) {
				t.Errorf("%s after %d calls, failed with %q; want %s, %d, %q", got, calls, failed, c.state, c.calls, c.failed)
			}
			if strings.Contains(failed+log.String(), "canary") {
				t.Errorf("what KMS says is shown: %q %s", failed, &log)
			}
		})
	}
}

// signedBy reports whether an ES256 token has the key's signature.
func signedBy(key *ecdsa.PublicKey, token string) bool {
	i := strings.LastIndex(token, ".")
	both, err := base64.RawURLEncoding.DecodeString(token[i+1:])
	if err != nil || len(both) != 64 {
		return false
	}
	digest := sha256.Sum256([]byte(token[:i]))
	return ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(both[:32]), new(big.Int).SetBytes(both[32:]))
}
