package receiver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"example.com/dispatch/pkg/dispatch/signature"
)

// Checker verifies signatures with published keys, which it reads when it first needs them and again when a
// signature names a key that it has not seen. It is safe for concurrent use.
type Checker struct {
	Source  string         // URL or path of a JWK set
	Only    *signature.JWK // the one key that signs, instead of a source
	Issuer  string         // who signs
	Origins []string       // where this receiver is called: "http://127.0.0.1:8701"

	mu   sync.Mutex
	keys signature.JWKS
	read time.Time // when keys were last read
	err  error     // why they could not be
}

const (
	readAgain = time.Second     // how often the keys are read at most
	fetchTime = 2 * time.Second // for one reading
	maxKeys   = 1 << 20         // bytes
)

// Verify says what is true of a call's signature.
func (k *Checker) Verify(r *http.Request, body []byte) string {
	if r.Header.Get(signature.Header) == "" {
		return "unsigned"
	}
	keys, err := k.have(r.Context(), false)
	if err != nil {
		return "signature not checked: " + err.Error()
	}
	said := describe(k.verify(keys, r, body))
	if strings.Contains(said, signature.ErrUnknownKey.Error()) {
		if keys, err = k.have(r.Context(), true); err == nil {
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

// have returns the keys; again reads them once more, if the last reading was not just now.
func (k *Checker) have(ctx context.Context, again bool) (signature.JWKS, error) {
	if k.Only != nil {
		return signature.JWKS{Keys: []signature.JWK{*k.Only}}, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if (k.err == nil && !k.read.IsZero() && !again) || time.Since(k.read) < readAgain {
		return k.keys, k.err
	}
	text, err := k.fetch(ctx)
	k.read = time.Now()
	if err == nil {
		k.keys, err = signature.ParseJWKS(text)
	}
	k.err = err
	return k.keys, k.err
}

func (k *Checker) fetch(ctx context.Context) ([]byte, error) {
	if !strings.HasPrefix(k.Source, "http:") && !strings.HasPrefix(k.Source, "https:") {
		text, err := os.ReadFile(k.Source)
		if err != nil {
			return nil, fmt.Errorf("reading the keys: %w", err)
		}
		return text, nil
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, k.Source, nil)
	if err != nil {
		return nil, fmt.Errorf("fetching the keys: %w", err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("fetching the keys: %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxKeys))
	if err == nil && answer.StatusCode != http.StatusOK {
		err = errors.New(answer.Status)
	}
	if err != nil {
		return nil, fmt.Errorf("fetching the keys: %w", err)
	}
	return text, nil
}
