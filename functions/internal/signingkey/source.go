// Package signingkey finds the keys that calls are signed with.
package signingkey

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"example.com/dispatch/functions/internal/secretsmanager"
	"example.com/dispatch/functions/internal/wiring"
	"example.com/dispatch/pkg/dispatch/signature"
)

const (
	age       = 5 * time.Minute  // how long keys from Secrets Manager are used before they are asked for again
	fetchTime = 10 * time.Second // for asking
)

// Source gives the signer in use. It is safe for concurrent use.
type Source struct {
	issuer string
	mode   signature.Mode
	fetch  func(context.Context) (string, error) // the text of a key set; nil: calls are not signed
	now    func() time.Time

	mu     sync.Mutex
	signer *signature.Signer
	at     time.Time // when signer was fetched
}

// New returns the source of the environment's SIGNING_KEY: a key set, as JSON or PEM, or the ARN of a secret that holds one.
func New(e wiring.Environment) *Source {
	s := &Source{issuer: e.Issuer, mode: signature.Mode(e.SigningMode), now: time.Now}
	switch key := e.SigningKey; {
	case key == "":
	case strings.HasPrefix(key, "arn:"):
		client := secretsmanager.New(e)
		s.fetch = func(ctx context.Context) (string, error) { return secret(ctx, client, key) }
	default:
		s.fetch = func(context.Context) (string, error) { return key, nil }
	}
	return s
}

// Signer returns the signer, nil if calls are not signed. It asks for the keys at the first need and every five
// minutes; where that fails it goes on with those it has.
func (s *Source) Signer(ctx context.Context) (*signature.Signer, error) {
	if s.fetch == nil {
		return nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if s.signer != nil && now.Sub(s.at) < age {
		return s.signer, nil
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	signer, err := s.read(ctx)
	if err != nil && s.signer == nil {
		return nil, fmt.Errorf("getting the signing key: %w", err)
	}
	s.at = now
	if err == nil {
		s.signer = signer
	}
	return s.signer, nil
}

func (s *Source) read(ctx context.Context) (*signature.Signer, error) {
	text, err := s.fetch(ctx)
	if err != nil {
		return nil, err
	}
	keys, err := signature.ParseKeySet([]byte(text))
	if err != nil {
		return nil, err
	}
	return keys.Signer(s.issuer, s.mode)
}

// secret reads the text of a key set.
func secret(ctx context.Context, client secretsmanager.Client, arn string) (string, error) {
	text, err := client.Text(ctx, arn)
	if err != nil {
		return "", err
	}
	if text == nil || *text == "" {
		return "", errors.New("the secret holds no text; it must hold a key set, as JSON or PEM")
	}
	return *text, nil
}
