package signature

import (
	"crypto/hmac"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// WebhookTolerance is how far a timestamp may be from a receiver's clock unless it says otherwise, as in the libraries.
const WebhookTolerance = 5 * time.Minute

// WebhookVerifier checks calls that are signed by Standard Webhooks. It is safe for concurrent use. Neither method nor URL is
// signed, and whoever can verify can sign: [Verifier] is the better one where there is a choice.
type WebhookVerifier struct {
	Secrets   []WebhookSecret  // several while they change
	Tolerance time.Duration    // how far the timestamp may be from this clock; 0: [WebhookTolerance]
	Now       func() time.Time // nil: time.Now
}

// VerifyRequest checks a request whose body was read already. The id in what it returns is the same for each attempt.
func (v WebhookVerifier) VerifyRequest(r *http.Request, body []byte) (Webhook, error) {
	w, err := v.verify(r.Header, body)
	if err != nil {
		return Webhook{}, fmt.Errorf("verifying a webhook: %w", err)
	}
	return w, nil
}

func (v WebhookVerifier) verify(h http.Header, body []byte) (Webhook, error) {
	for _, name := range []string{WebhookID, WebhookTimestamp, WebhookSignature} {
		if values := h.Values(name); len(values) != 1 || values[0] == "" {
			return Webhook{}, fmt.Errorf("%w: %d headers %s", ErrMissing, len(values), name)
		}
	}
	id, timestamp, signatures := h.Get(WebhookID), h.Get(WebhookTimestamp), h.Get(WebhookSignature)
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	switch {
	case err != nil || strconv.FormatInt(seconds, 10) != timestamp:
		return Webhook{}, fmt.Errorf("%w: %s is no time in seconds", ErrMalformed, WebhookTimestamp)
	case strings.Contains(id, "."):
		return Webhook{}, fmt.Errorf("%w: a full stop in %s", ErrMalformed, WebhookID)
	case len(v.Secrets) == 0:
		return Webhook{}, ErrNoSecret
	}
	if !v.matches(id, timestamp, signatures, body) {
		return Webhook{}, ErrSignature
	}
	now, tolerance, at := time.Now(), v.tolerance(), time.Unix(seconds, 0).UTC()
	if v.Now != nil {
		now = v.Now()
	}
	switch {
	case at.Before(now.Add(-tolerance)):
		return Webhook{}, ErrExpired
	case at.After(now.Add(tolerance)):
		return Webhook{}, ErrNotYetValid
	}
	return Webhook{ID: id, At: at, Signature: signatures}, nil
}

func (v WebhookVerifier) tolerance() time.Duration {
	if v.Tolerance == 0 {
		return WebhookTolerance
	}
	return v.Tolerance
}

// matches reports whether one of the signatures is by one of the secrets.
func (v WebhookVerifier) matches(id, timestamp, signatures string, body []byte) bool {
	var wanted [][]byte
	for _, s := range v.Secrets {
		wanted = append(wanted, s.sign(id, timestamp, body))
	}
	for i, signature := range strings.Split(signatures, " ") {
		encoded, ok := strings.CutPrefix(signature, webhookV1)
		sum, err := base64.StdEncoding.Strict().DecodeString(encoded)
		if i == maxWebhookSum {
			return false
		}
		for _, want := range wanted {
			if ok && err == nil && hmac.Equal(sum, want) {
				return true
			}
		}
	}
	return false
}
