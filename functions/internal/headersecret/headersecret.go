// Package headersecret finds the secrets that headers of calls say, in Secrets Manager.
package headersecret

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"example.com/dispatch/functions/internal/secretsmanager"
	"example.com/dispatch/functions/internal/wiring"
	"example.com/dispatch/internal/signed"
	"example.com/dispatch/pkg/dispatch"
)

const (
	age       = 5 * time.Minute  // how long a secret is used before it is asked for again
	fetchTime = 10 * time.Second // for asking
)

// What keeps a header from its secret. Whoever may read the task reads these, so they tell nothing of the account.
var (
	errMissing   = errors.New("there is no such secret")
	errForbidden = errors.New("may not be read")
	errUnread    = errors.New("could not be read")
	errBinary    = errors.New("holds no text")
)

// Source gives the values of the secrets whose names it allows. It is safe for concurrent use.
type Source struct {
	check func(name string) error
	fetch func(ctx context.Context, name string) (string, error)
	now   func() time.Time

	mu    sync.Mutex
	known map[string]value
}

type value struct {
	text string
	at   time.Time // when it was fetched
}

// New returns the source of the secrets under the environment's prefix, nil if it has none.
func New(e wiring.Environment) *Source {
	check := dispatch.SecretsUnder(e.HeaderSecretsPrefix)
	if check == nil {
		return nil
	}
	client := secretsmanager.New(e)
	fetch := func(ctx context.Context, name string) (string, error) { return get(ctx, client, name) }
	return &Source{check: check, fetch: fetch, now: time.Now, known: map[string]value{}}
}

// Value returns what a secret holds. It asks at the first need and every five minutes; where that fails it goes on with
// the value it has, unless the answer was that there is no such secret any more, or that it may not be read.
func (s *Source) Value(ctx context.Context, name string) (string, error) {
	if err := s.check(name); err != nil { // what was enqueued under another prefix
		return "", err
	}
	s.mu.Lock()
	have, ok := s.known[name]
	s.mu.Unlock()
	now := s.now()
	if ok && now.Sub(have.at) < age {
		return have.text, nil
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	text, err := s.fetch(ctx, name)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		s.known[name] = value{text, now}
	case errors.Is(err, errUnread) && ok:
		s.known[name] = value{have.text, now}
		return have.text, nil
	default:
		delete(s.known, name)
	}
	return text, err
}

// get reads the text of a secret.
func get(ctx context.Context, client secretsmanager.Client, name string) (string, error) {
	text, err := client.Text(ctx, name)
	if refused, ok := errors.AsType[*signed.Error](err); ok {
		switch {
		case strings.Contains(refused.Body, "ResourceNotFoundException"):
			return "", errMissing
		case strings.Contains(refused.Body, "AccessDeniedException"):
			return "", errForbidden
		}
	}
	if err != nil {
		return "", errUnread
	}
	if text == nil {
		return "", errBinary
	}
	return *text, nil
}
