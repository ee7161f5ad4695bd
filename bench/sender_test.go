package main

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// TestSend: what River's and Asynq's workers send is what dispatch sends.
func TestSend(t *testing.T) {
	status := http.StatusOK
	var seen *http.Request
	var content []byte
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r
		content, _ = io.ReadAll(r.Body)
		w.WriteHeader(status)
	}))
	defer receiver.Close()
	for _, signed := range []bool{false, true} {
		s, err := newSender(1, signed)
		if err != nil {
			t.Fatal(err)
		}
		status = http.StatusNoContent
		if err := s.send(t.Context(), call{receiver.URL + "/call", body()}, "7", 2); err != nil {
			t.Fatal(err)
		}
		if len(content) != bodySize || seen.Method != http.MethodPost || seen.Header.Get("Idempotency-Key") != "7" || seen.Header.Get("Dispatch-Attempt") != "2" {
			t.Errorf("it sent %s, %d bytes, with %v", seen.Method, len(content), seen.Header)
		}
		token := seen.Header.Get("Dispatch-Signature")
		if !signed {
			if token != "" {
				t.Errorf("it signed: %q", token)
			}
			continue
		}
		var got claims
		_, err = jwt.ParseWithClaims(token, &got, func(*jwt.Token) (any, error) { return &s.key.PublicKey, nil },
			jwt.WithValidMethods([]string{"ES256"}), jwt.WithAudience(receiver.URL), jwt.WithExpirationRequired())
		sum := sha256.Sum256(content)
		if err != nil || got.SHA256 != hex.EncodeToString(sum[:]) || got.URL != receiver.URL+"/call" || got.Method != http.MethodPost || got.ID == "" {
			t.Errorf("it signed %+v: %v", got, err)
		}
		for _, status = range []int{300, 404, 500} {
			if err := s.send(t.Context(), call{receiver.URL + "/call", body()}, "7", 2); err == nil {
				t.Errorf("%d is no error", status)
			}
		}
	}
}
