package signature

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"time"
)

const (
	// Header is the name of the header with a call's signature.
	Header = "Dispatch-Signature"
	// CallType is the typ of a call's signature.
	CallType = "dispatch-call+jwt"
	// ClaimsType is the typ of a body made of a task's claims.
	ClaimsType = "JWT"
	// Margin is how much longer than the call's timeout a signature is valid: for clocks that disagree.
	Margin = 60 * time.Second
)

// Signer signs. It is safe for concurrent use.
type Signer struct {
	Key    Key    // signs calls
	Claims *Key   // signs claims; nil: Key does
	Issuer string // the iss of everything it signs
	Mode   Mode   // how calls are signed; "": JWT
	// Webhooks are the secrets of Standard Webhooks, by the origin of the receivers that share them.
	Webhooks map[string][]WebhookSecret
	Now      func() time.Time // nil: time.Now

	ctx context.Context // of one call; nil: none
}

// Call is what a signature says of a call.
type Call struct {
	Task       string    // sub
	Attempt    int       // its number, from 1
	Generation int64     // a fencing token
	Method     string    // GET, POST, …
	URL        string    // when signing: the target, absolute; when verified: the url claim
	ID         string    // jti, one for each attempt; set by Verify
	SignedAt   time.Time // iat; set by Verify
	ExpiresAt  time.Time // exp; set by Verify
}

// SignCall returns the Dispatch-Signature of a call with this body, valid for the call's timeout and
// [Margin]. It reads Task, Attempt, Generation, Method and URL of c.
func (s Signer) SignCall(c Call, body []byte, timeout time.Duration) (string, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return "", fmt.Errorf("signing a call: %w", ErrURL) // err would show the URL
	}
	return s.SignCallTo(u, c, body, timeout)
}

// SignCallTo is SignCall for a URL that is parsed already; c.URL is ignored.
func (s Signer) SignCallTo(u *url.URL, c Call, body []byte, timeout time.Duration) (string, error) {
	origin := Origin(u)
	if origin == "" {
		return "", fmt.Errorf("signing a call: %w: no scheme or no host", ErrURL)
	}
	if s.Key.method != nil && !s.Key.SignsCalls() {
		return "", fmt.Errorf("signing a call: %w: %s signs claims only", ErrKey, s.Key.Algorithm())
	}
	now := s.now()
	token, err := sign(s.context(), &s.Key, CallType, callClaims{
		Issuer:     s.Issuer,
		Subject:    c.Task,
		Audience:   origin,
		IssuedAt:   now.Unix(),
		ExpiresAt:  now.Add(timeout + Margin).Unix(),
		ID:         rand.Text(),
		Method:     c.Method,
		URL:        origin + u.RequestURI(),
		Attempt:    c.Attempt,
		Generation: c.Generation,
		SHA256:     digest(body),
	})
	if err != nil {
		return "", fmt.Errorf("signing a call: %w", err)
	}
	return token, nil
}

// SignClaims returns a JWT of a task's claims, a JSON object, for one attempt. Numbers keep all
// their digits. The service adds iss, iat and jti where the caller gave none, and sets exp: to the task's
// expiry, expireAt, unless the caller's own exp comes before it. A task that never expires (the zero time)
// has the caller's exp, or else one at the end of this attempt's timeout and [Margin]: each attempt carries
// a new token. An exp that is not a number counts as none.
func (s Signer) SignClaims(claims []byte, expireAt time.Time, timeout time.Duration) (string, error) {
	var all map[string]json.RawMessage // numbers stay text: an id of 20 digits is no float64
	if err := json.Unmarshal(claims, &all); err != nil || all == nil {
		return "", fmt.Errorf("signing claims: %w: not a JSON object", ErrMalformed)
	}
	now := s.now()
	own, given := numericDate(all["exp"])
	switch {
	case expireAt.IsZero() && given:
	case expireAt.IsZero():
		all["exp"] = seconds(now.Add(timeout + Margin))
	case !given || own > float64(expireAt.Unix()):
		all["exp"] = seconds(expireAt)
	}
	for name, value := range map[string]any{"iss": s.Issuer, "iat": now.Unix(), "jti": rand.Text()} {
		if _, given := all[name]; given {
			continue
		}
		text, err := json.Marshal(value)
		if err != nil {
			return "", fmt.Errorf("signing claims: %w", err)
		}
		all[name] = text
	}
	key := &s.Key
	if s.Claims != nil {
		key = s.Claims
	}
	token, err := sign(s.context(), key, ClaimsType, all)
	if err != nil {
		return "", fmt.Errorf("signing claims: %w", err)
	}
	return token, nil
}

// sign makes a JWT. jwt.Token would do, with two maps and their reflection for the same few bytes of header.
func sign(ctx context.Context, key *Key, typ string, claims any) (string, error) {
	if key.method == nil {
		return "", fmt.Errorf("%w: there is none", ErrKey)
	}
	var payload bytes.Buffer
	e := json.NewEncoder(&payload)
	e.SetEscapeHTML(false) // a URL's & stays one byte, and the caller's text the caller's
	if err := e.Encode(claims); err != nil {
		return "", err
	}
	header := `{"alg":"` + key.method.Alg() + `","kid":"` + key.public.KeyID + `","typ":"` + typ + `"}`
	signed := base64URL([]byte(header)) + "." + base64URL(bytes.TrimRight(payload.Bytes(), "\n"))
	sum, err := key.sign(ctx, signed)
	if err != nil {
		return "", err
	}
	return signed + "." + base64URL(sum), nil
}

func (s Signer) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// numericDate reads seconds since 1970, which may have a fraction (RFC 7519, section 2).
func numericDate(text json.RawMessage) (float64, bool) {
	var n *float64
	err := json.Unmarshal(text, &n)
	if err != nil || n == nil {
		return 0, false
	}
	return *n, true
}

func seconds(t time.Time) json.RawMessage { return fmt.Append(nil, t.Unix()) }

func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
