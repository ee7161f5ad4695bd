package receiver

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"example.com/dispatch/pkg/dispatch/signature"
)

// Checker verifies signatures with published keys. It is safe for concurrent use.
type Checker struct {
	Keys    func(ctx context.Context, again bool) (signature.JWKS, error) // see [Published] and [Only]
	Issuer  string                                                        // who signs
	Origins []string                                                      // where this receiver is called: "http://127.0.0.1:8701"
}

// Published are the keys at a URL or in a file: read when first needed, and again when a signature names another.
func Published(source string) func(context.Context, bool) (signature.JWKS, error) {
	fetch := func(context.Context) ([]byte, error) {
		text, err := os.ReadFile(source)
		if err != nil {
			return nil, fmt.Errorf("reading the keys: %w", err)
		}
		return text, nil
	}
	if strings.HasPrefix(source, "http:") || strings.HasPrefix(source, "https:") {
		fetch = signature.FetchFrom(source, nil)
	}
	return (&signature.PublishedKeys{Fetch: fetch, Pause: time.Second}).Keys
}

// Only is one key that signs all.
func Only(key signature.JWK) func(context.Context, bool) (signature.JWKS, error) {
	return func(context.Context, bool) (signature.JWKS, error) {
		return signature.JWKS{Keys: []signature.JWK{key}}, nil
	}
}

// Verify says what is true of a call's signature.
func (k *Checker) Verify(r *http.Request, body []byte) string {
	if r.Header.Get(signature.Header) == "" {
		return "unsigned"
	}
	keys, err := k.Keys(r.Context(), false)
	if err != nil {
		return "signature not checked: " + err.Error()
	}
	said := describe(k.verify(keys, r, body))
	if strings.Contains(said, signature.ErrUnknownKey.Error()) {
		if keys, err = k.Keys(r.Context(), true); err == nil {
			said = describe(k.verify(keys, r, body))
		}
	}
	return said
}

func (k *Checker) verify(keys signature.JWKS, r *http.Request, body []byte) error {
	origin := k.Origins[0]
	for _, o := range k.Origins {
		if u, err := url.Parse(o); err == nil && u.Host == r.Host {
			origin = o
		}
	}
	_, err := signature.Verifier{Keys: keys, Issuer: k.Issuer, Origin: origin}.VerifyRequest(r, body)
	return err
}
