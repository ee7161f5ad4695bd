package target

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/signature"
)

func TestSigningModes(t *testing.T) {
	const text = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	secret, err := signature.ParseWebhookSecret(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		mode           signature.Mode
		known          bool // the origin has a secret
		jwt, signature bool
		fails          bool
	}{
		{signature.JWT, true, true, false, false},
		{signature.Webhooks, true, false, true, false},
		{signature.Webhooks, false, false, false, true},
		{signature.Both, true, true, true, false},
		{signature.Both, false, true, false, false},
	} {
		s := newSigner(t)
		s.Mode, s.Now = c.mode, func() time.Time { return time.Unix(1772366400, 0) }
		got, _, a := receive(t, s, func(call *dispatch.Call) {
			if c.known {
				s.Webhooks = map[string][]signature.WebhookSecret{call.Doc.URI[:len(call.Doc.URI)-len("/orders?a=1&b=%20")]: {secret}}
			}
			call.Task.Run = 2
		})
		if c.fails {
			if got.Request != nil || a.Error == "" {
				t.Errorf("%s: a call without a secret was made: %+v", c.mode, a)
			}
			continue
		}
		if signed := got.Header.Get(signature.Header) != ""; signed != c.jwt {
			t.Errorf("%s: Dispatch-Signature %v", c.mode, signed)
		}
		if !c.signature {
			if id := got.Header.Get(signature.WebhookID); id != "" {
				t.Errorf("%s: webhook-id %s", c.mode, id)
			}
			continue
		}
		v := signature.WebhookVerifier{Secrets: []signature.WebhookSecret{secret}, Now: s.Now}
		if w, err := v.VerifyRequest(got.Request, got.body); err != nil || w.ID != "order-7/2" {
			t.Errorf("%s: %v, %v", c.mode, w, err)
		}
	}
}

// What the service that holds the key does not sign is not sent, and counts as no attempt: neither a call nor its claims.
func TestUnsignedIsUnsent(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var bounded bool
	key, err := signature.NewRemoteKey(&private.PublicKey, func(ctx context.Context, _ []byte) ([]byte, error) {
		_, bounded = ctx.Deadline()
		return nil, errors.New("KMS throttles")
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &signature.Signer{Key: key, Issuer: "me"}
	for _, claims := range []string{"", `{"sub":"1"}`} {
		got, _, a := receive(t, s, func(call *dispatch.Call) { call.Doc.Claims = []byte(claims) })
		if got.Request != nil || !a.Unsent || !strings.HasSuffix(a.Error, "the service that holds the key did not sign: KMS throttles") {
			t.Errorf("claims %q: sent %t, %+v", claims, got.Request != nil, a)
		}
		if !bounded {
			t.Errorf("claims %q: signing has no deadline", claims)
		}
	}
	call := callOf("POST", "arn:aws:lambda:eu-west-1:123456789012:function:f", "")
	call.Doc.Claims = []byte(`{"sub":"1"}`)
	if a := (Sender{HTTP: HTTP{Signer: s}, AWS: &AWS{}}).Send(t.Context(), call); !a.Unsent || !strings.HasSuffix(a.Error, "KMS throttles") {
		t.Errorf("to a function: %+v", a)
	}
}
