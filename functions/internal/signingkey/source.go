// Package signingkey finds the keys that calls are signed with.
package signingkey

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"example.com/dispatch/functions/internal/kms"
	"example.com/dispatch/functions/internal/secretsmanager"
	"example.com/dispatch/functions/internal/wiring"
	"example.com/dispatch/pkg/dispatch/signature"
)

const (
	age       = 5 * time.Minute  // how long keys from Secrets Manager are used before they are asked for again
	fetchTime = 10 * time.Second // for asking
)

// Source gives the signer in use, and the keys that verify what it signs. It is safe for concurrent use.
type Source struct {
	issuer string
	mode   signature.Mode
	fetch  func(context.Context) (string, error)          // the text of a key set; nil: there is none
	kms    []func(context.Context) (signature.Key, error) // keys that are published besides
	signs  bool                                           // the first of these signs calls
	now    func() time.Time

	mu   sync.Mutex
	held *keys
	at   time.Time // when they were fetched
}

// keys are what a key set is used for.
type keys struct {
	signer *signature.Signer
	public signature.JWKS
}

// New returns the source of the environment's SIGNING_KEY: a key set, as JSON or PEM, or the ARN of a secret that holds one;
// and of its keys in KMS. The one that signs does so instead of the set's, over so many connections; a set keeps its key of
// claims, if it names one, and its webhook secrets.
func New(e wiring.Environment, connections int) *Source {
	s := &Source{issuer: e.Issuer, mode: signature.Mode(e.SigningMode), now: time.Now}
	switch key := e.SigningKey; {
	case key == "":
	case strings.HasPrefix(key, "arn:"):
		client := secretsmanager.New(e)
		s.fetch = func(ctx context.Context) (string, error) { return secret(ctx, client, key) }
	default:
		s.fetch = func(context.Context) (string, error) { return key, nil }
	}
	if s.signs = e.SigningKMSKey != ""; s.signs {
		s.kms = append(s.kms, kms.New(e, e.SigningKMSKey, connections).Key)
	}
	for _, arn := range e.PublishedKMSKeys {
		s.kms = append(s.kms, kms.New(e, arn, 1).Key)
	}
	return s
}

// Signer returns the signer, nil if calls are not signed. It asks for the keys at the first need and every five
// minutes; where that fails it goes on with those it has.
func (s *Source) Signer(ctx context.Context) (*signature.Signer, error) {
	if s.fetch == nil && !s.signs {
		return nil, nil
	}
	k, err := s.keys(ctx)
	if err != nil {
		return nil, err
	}
	return k.signer, nil
}

// Public returns the public halves of all keys, as Signer has them.
func (s *Source) Public(ctx context.Context) (signature.JWKS, error) {
	if s.fetch == nil && len(s.kms) == 0 {
		return signature.JWKS{Keys: []signature.JWK{}}, nil
	}
	k, err := s.keys(ctx)
	if err != nil {
		return signature.JWKS{}, err
	}
	return k.public, nil
}

func (s *Source) keys(ctx context.Context) (*keys, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if s.held != nil && now.Sub(s.at) < age {
		return s.held, nil
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	k, err := s.read(ctx)
	if err != nil && s.held == nil {
		return nil, fmt.Errorf("getting the signing key: %w", err)
	}
	s.at = now
	if err == nil {
		s.held = k
	}
	return s.held, nil
}

func (s *Source) read(ctx context.Context) (*keys, error) {
	var set signature.KeySet
	if s.fetch != nil {
		text, err := s.fetch(ctx)
		if err != nil {
			return nil, err
		}
		if set, err = signature.ParseKeySet([]byte(text)); err != nil {
			return nil, err
		}
	}
	k := &keys{public: set.Public()}
	var held []signature.Key
	for _, get := range s.kms {
		key, err := get(ctx)
		if err != nil {
			return nil, err
		}
		held = append(held, key)
		if !slices.Contains(k.public.Keys, key.Public()) {
			k.public.Keys = append(k.public.Keys, key.Public())
		}
	}
	var err error
	switch {
	case s.signs:
		k.signer, err = set.SignerBy(held[0], s.issuer, s.mode)
	case s.fetch != nil:
		k.signer, err = set.Signer(s.issuer, s.mode)
	}
	return k, err
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
