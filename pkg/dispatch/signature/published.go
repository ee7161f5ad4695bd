package signature

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	publishedAge   = 5 * time.Minute
	publishedPause = 10 * time.Second
	fetchTime      = 5 * time.Second
	maxPublished   = 1 << 20 // bytes
)

// PublishedKeys are a service's keys where it publishes them. They are read when they are first needed, again after Age,
// and where a call names one that they do not have; where that fails, those stay that were read before. It is safe for
// concurrent use.
type PublishedKeys struct {
	Fetch func(context.Context) ([]byte, error) // reads the set; see [FetchFrom]
	Age   time.Duration                         // 0: 5 minutes
	Pause time.Duration                         // between two readings at least, whatever calls name; 0: 10 seconds
	Now   func() time.Time                      // nil: time.Now

	reading sync.Mutex // held while the keys are read
	mu      sync.Mutex
	keys    JWKS
	err     error     // why there are no keys
	tried   time.Time // when they were last read, or could not be
	read    time.Time // when keys were last read
}

var errNotRead = errors.New("the keys were not read yet")

// FetchFrom returns what reads a set from a URL, within five seconds. With client nil it is http.DefaultClient.
func FetchFrom(url string, client *http.Client) func(context.Context) ([]byte, error) {
	if client == nil {
		client = http.DefaultClient
	}
	return func(ctx context.Context) ([]byte, error) {
		ctx, cancel := context.WithTimeout(ctx, fetchTime)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return nil, fmt.Errorf("fetching the keys: %w", err)
		}
		answer, err := client.Do(request)
		if err != nil {
			return nil, fmt.Errorf("fetching the keys: %w", err)
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("fetching the keys: %s", answer.Status)
		}
		text, err := io.ReadAll(io.LimitReader(answer.Body, maxPublished))
		if err != nil {
			return nil, fmt.Errorf("fetching the keys: %w", err)
		}
		return text, nil
	}
}

// Keys returns the keys; again reads them anew, unless that was done within the pause. It is what [Middleware].Keys wants.
func (p *PublishedKeys) Keys(ctx context.Context, again bool) (JWKS, error) {
	due, keys, err := p.have(again)
	if !due {
		return keys, err
	}
	if !p.reading.TryLock() {
		if err == nil && !again {
			return keys, nil // somebody else reads them, and these will do
		}
		p.reading.Lock()
	}
	defer p.reading.Unlock()
	if due, keys, err = p.have(again); !due {
		return keys, err
	}
	// Not the caller's context alone: one caller that goes away must not have others go without keys.
	text, err := p.Fetch(context.WithoutCancel(ctx))
	if err == nil {
		keys, err = ParseJWKS(text)
	}
	return p.keep(keys, err)
}

// have returns the keys that were read, or why there are none, and whether they should be read now.
func (p *PublishedKeys) have(again bool) (due bool, keys JWKS, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	age, pause, now := p.Age, p.Pause, p.now()
	if age == 0 {
		age = publishedAge
	}
	if pause == 0 {
		pause = publishedPause
	}
	if p.tried.IsZero() {
		return true, JWKS{}, errNotRead
	}
	due = now.Sub(p.tried) >= pause && (again || p.err != nil || now.Sub(p.read) >= age)
	return due, p.keys, p.err
}

func (p *PublishedKeys) keep(keys JWKS, err error) (JWKS, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tried = p.now()
	switch {
	case err == nil:
		p.keys, p.err, p.read = keys, nil, p.tried
	case p.read.IsZero():
		p.err = err
	}
	return p.keys, p.err
}

func (p *PublishedKeys) now() time.Time {
	if p.Now == nil {
		return time.Now()
	}
	return p.Now()
}
