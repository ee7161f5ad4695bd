package target

import (
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
