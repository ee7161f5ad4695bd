package signature

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Why a call was not accepted. Verify's errors wrap one of them.
var (
	ErrMissing     = errors.New("no signature")               // the header is absent, or there are several
	ErrMalformed   = errors.New("malformed token")            // not a JWT, or claims of other types
	ErrOversized   = errors.New("token too long")             // over 16 KB
	ErrDuplicate   = errors.New("duplicated member")          // of a token's header or claims
	ErrType        = errors.New("not a call's signature")     // another typ: a body of claims, say
	ErrAlgorithm   = errors.New("algorithm not accepted")     // neither ES256 nor EdDSA
	ErrUnknownKey  = errors.New("unknown key")                // not in Keys, or not for that algorithm
	ErrSignature   = errors.New("signature does not match")   // forged, or changed on the way
	ErrExpired     = errors.New("signature expired")          // its exp has passed
	ErrNotYetValid = errors.New("signature not valid yet")    // its nbf, or iat, is later than clocks may disagree
	ErrIssuer      = errors.New("another issuer")             // not Verifier.Issuer
	ErrAudience    = errors.New("for another receiver")       // not for Verifier.Origin
	ErrMethod      = errors.New("signed for another method")  // than the request's
	ErrURL         = errors.New("signed for another URL")     // than the request's
	ErrBody        = errors.New("signed for another body")    // than the request's
	ErrVerifier    = errors.New("verifier is not configured") // without an Issuer or a valid Origin
)

// maxToken is more than any signature takes, its url claim included, in bytes.
const maxToken = 16 << 10

// Verifier checks calls at a receiver. It is safe for concurrent use. A signature that was seen before is
// still valid: [Middleware] has a memory for those.
type Verifier struct {
	Keys   JWKS   // the service's published keys
	Issuer string // the service's issuer

	// Origin is where this receiver is called, as its callers write it: "https://api.example.com". It is
	// configured and not taken from the request, whose Host is the sender's word: a call meant for another
	// receiver would then verify here.
	Origin string

	Now    func() time.Time // nil: time.Now
	Leeway time.Duration    // how far this clock may be ahead, beyond the Margin that signatures have
}

// Received is a call as it arrived.
type Received struct {
	Signature string // the value of the Dispatch-Signature header
	Method    string
	URI       string // path and query as in the request line: "/orders?id=7"
	Body      []byte
}

// VerifyRequest checks a request of net/http whose body was read already.
func (v Verifier) VerifyRequest(r *http.Request, body []byte) (Call, error) {
	values := r.Header.Values(Header)
	if len(values) > 1 {
		return Call{}, fmt.Errorf("verifying a call: %w: %d headers", ErrMissing, len(values))
	}
	return v.Verify(Received{Signature: strings.Join(values, ""), Method: r.Method, URI: r.RequestURI, Body: body})
}

// Verify says what was signed, if all of it is true of the call. On an error the Call is zero.
func (v Verifier) Verify(got Received) (Call, error) {
	c, err := v.verify(got)
	if err != nil {
		return Call{}, fmt.Errorf("verifying a call: %w", err)
	}
	return c, nil
}

func (v Verifier) verify(got Received) (Call, error) {
	base, err := url.Parse(v.Origin)
	if err != nil || Origin(base) == "" || v.Issuer == "" {
		return Call{}, fmt.Errorf("%w: it needs an Issuer and an Origin", ErrVerifier)
	}
	switch {
	case got.Signature == "":
		return Call{}, ErrMissing
	case len(got.Signature) > maxToken:
		return Call{}, fmt.Errorf("%w: over %d bytes", ErrOversized, maxToken)
	case strings.ContainsAny(got.Signature, "\r\n"): // package base64 would skip them
		return Call{}, fmt.Errorf("%w: a line break", ErrMalformed)
	}
	if name, found := duplicate(got.Signature); found {
		return Call{}, fmt.Errorf("%w: %.64q", ErrDuplicate, name)
	}
	origin := Origin(base)
	options := []jwt.ParserOption{
		jwt.WithValidMethods(algorithms()),
		jwt.WithIssuer(v.Issuer), jwt.WithAudience(origin), jwt.WithExpirationRequired(),
		jwt.WithLeeway(v.Leeway), jwt.WithStrictDecoding(), jwt.WithTimeFunc(v.now),
	}
	var claims callClaims
	token, err := jwt.NewParser(options...).ParseWithClaims(got.Signature, &claims, v.key)
	if err != nil {
		return Call{}, reason(token, err)
	}
	switch latest := v.now().Add(Margin + v.Leeway); {
	case token.Header["typ"] != CallType:
		return Call{}, ErrType
	case time.Unix(claims.IssuedAt, 0).After(latest):
		return Call{}, fmt.Errorf("%w: signed in the future", ErrNotYetValid)
	case claims.Method != got.Method:
		return Call{}, fmt.Errorf("%w: %q", ErrMethod, claims.Method)
	case claims.URL != origin+got.URI:
		return Call{}, fmt.Errorf("%w: %q", ErrURL, claims.URL)
	case subtle.ConstantTimeCompare([]byte(claims.SHA256), []byte(digest(got.Body))) != 1:
		return Call{}, ErrBody
	}
	return Call{
		Task: claims.Subject, Attempt: claims.Attempt, Generation: claims.Generation,
		Method: claims.Method, URL: claims.URL, ID: claims.ID,
		SignedAt: time.Unix(claims.IssuedAt, 0).UTC(), ExpiresAt: time.Unix(claims.ExpiresAt, 0).UTC(),
	}, nil
}

func (v Verifier) now() time.Time {
	if v.Now == nil {
		return time.Now()
	}
	return v.Now()
}

// key finds the key that a token names. What the token says of its algorithm must agree with the key.
func (v Verifier) key(token *jwt.Token) (any, error) {
	id, _ := token.Header["kid"].(string)
	k, err := v.Keys.find(id)
	if err != nil {
		return nil, err
	}
	return k.public(token.Method.Alg())
}

func algorithms() []string {
	return []string{jwt.SigningMethodES256.Alg(), jwt.SigningMethodEdDSA.Alg()}
}

// reason maps the errors of package jwt to this package's.
func reason(token *jwt.Token, err error) error {
	if token != nil && token.Method != nil && !slices.Contains(algorithms(), token.Method.Alg()) {
		return fmt.Errorf("%w: %.16q", ErrAlgorithm, token.Method.Alg()) // to package jwt, a signature that does not match
	}
	for _, r := range []struct{ from, to error }{
		{ErrUnknownKey, ErrUnknownKey},
		{jwt.ErrTokenMalformed, ErrMalformed},
		{jwt.ErrTokenUnverifiable, ErrAlgorithm},
		{jwt.ErrTokenExpired, ErrExpired},
		{jwt.ErrTokenNotValidYet, ErrNotYetValid},
		{jwt.ErrTokenInvalidIssuer, ErrIssuer},
		{jwt.ErrTokenInvalidAudience, ErrAudience},
		{jwt.ErrTokenInvalidClaims, ErrMalformed},
		{jwt.ErrTokenSignatureInvalid, ErrSignature},
	} {
		if errors.Is(err, r.from) {
			return fmt.Errorf("%w: %w", r.to, err)
		}
	}
	return fmt.Errorf("%w: %w", ErrMalformed, err)
}
