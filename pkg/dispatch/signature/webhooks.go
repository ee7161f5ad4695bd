package signature

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Standard Webhooks 1.0: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

// Mode is how calls are signed.
type Mode string

// The modes.
const (
	JWT      Mode = "jwt"      // Dispatch-Signature
	Webhooks Mode = "webhooks" // Standard Webhooks; a call to an origin that has no secret fails
	Both     Mode = "both"     // Dispatch-Signature, and Standard Webhooks for the origins that have a secret
)

// ParseMode reads a mode; "" is JWT.
func ParseMode(text string) (Mode, error) {
	switch m := Mode(text); m {
	case "":
		return JWT, nil
	case JWT, Webhooks, Both:
		return m, nil
	}
	return "", fmt.Errorf("the signing mode must be jwt, webhooks or both, and not %.32q", text)
}

// The headers of Standard Webhooks.
const (
	WebhookID        = "Webhook-Id"
	WebhookTimestamp = "Webhook-Timestamp"
	WebhookSignature = "Webhook-Signature"
)

const (
	webhookPrefix = "whsec_"
	webhookV1     = "v1," // before each signature by HMAC-SHA256
	minWebhook    = 24    // bytes of a secret
	maxWebhook    = 64
	maxWebhookSum = 16 // signatures that are looked at
)

// Why a webhook was not accepted, besides [ErrMissing], [ErrSignature], [ErrExpired] and [ErrNotYetValid].
var ErrNoSecret = errors.New("no webhook secret")

// WebhookSecret is what signs and verifies by Standard Webhooks.
type WebhookSecret struct{ secret []byte }

func newWebhookSecret() WebhookSecret {
	secret := make([]byte, 32)
	rand.Read(secret) // never fails
	return WebhookSecret{secret}
}

// ParseWebhookSecret reads whsec_ and 24 to 64 bytes in base64. Errors wrap [ErrKey] and show nothing of the text.
func ParseWebhookSecret(text string) (WebhookSecret, error) {
	encoded, ok := strings.CutPrefix(text, webhookPrefix)
	secret, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(secret) < minWebhook || len(secret) > maxWebhook {
		return WebhookSecret{}, fmt.Errorf("%w: a webhook secret is whsec_ and %d to %d bytes in base64", ErrKey, minWebhook, maxWebhook)
	}
	return WebhookSecret{secret}, nil
}

func (s WebhookSecret) text() string {
	return webhookPrefix + base64.StdEncoding.EncodeToString(s.secret)
}

// String shows nothing of the secret.
func (s WebhookSecret) String() string { return webhookPrefix + "…" }

// GoString does for %#v what String does for %v.
func (s WebhookSecret) GoString() string { return s.String() }

func (s WebhookSecret) sign(id, timestamp string, body []byte) []byte {
	mac := hmac.New(sha256.New, s.secret)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	return mac.Sum(nil)
}

// Webhook is a call as Standard Webhooks signs it.
type Webhook struct {
	ID        string // the same for each attempt of a call
	At        time.Time
	Signature string // v1,<base64>, by each secret, with spaces between
}

// Timestamp is the value of the webhook-timestamp header.
func (w Webhook) Timestamp() string { return strconv.FormatInt(w.At.Unix(), 10) }

// SignWebhook signs with each secret. A full stop in the id is sent as %2E: the text that is signed has full stops between
// its parts, and must have one reading only.
func SignWebhook(secrets []WebhookSecret, id string, at time.Time, body []byte) (Webhook, error) {
	if len(secrets) == 0 {
		return Webhook{}, fmt.Errorf("signing a webhook: %w", ErrNoSecret)
	}
	w := Webhook{ID: strings.ReplaceAll(id, ".", "%2E"), At: at}
	for i, s := range secrets {
		if i > 0 {
			w.Signature += " "
		}
		w.Signature += webhookV1 + base64.StdEncoding.EncodeToString(s.sign(w.ID, w.Timestamp(), body))
	}
	return w, nil
}

// SignsJWT reports whether calls carry a Dispatch-Signature.
func (s Signer) SignsJWT() bool { return s.Mode != Webhooks }

// SignWebhookTo signs a call to a URL by Standard Webhooks, with the secrets of its origin, if the mode has it so. Where it is not
// signed, ok is false.
func (s Signer) SignWebhookTo(u *url.URL, id string, body []byte) (w Webhook, ok bool, err error) {
	if s.Mode != Webhooks && s.Mode != Both {
		return Webhook{}, false, nil
	}
	secrets := s.Webhooks[Origin(u)]
	if len(secrets) == 0 && s.Mode == Both {
		return Webhook{}, false, nil
	}
	w, err = SignWebhook(secrets, id, s.now(), body)
	return w, err == nil, err
}
