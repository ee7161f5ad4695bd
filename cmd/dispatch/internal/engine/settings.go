package engine

import (
	"context"
	"sync"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// settingsAge is how long settings may be out of date that another process has changed.
const settingsAge = 100 * time.Millisecond

// settings are those in force: read once in a while, and anew as soon as this process has changed them.
type settings struct {
	store dispatch.Store
	now   func() time.Time

	mu     sync.Mutex
	cached func(context.Context) (dispatch.Settings, error)
}

func newSettings(store dispatch.Store, now func() time.Time) *settings {
	s := &settings{store: store, now: now}
	s.changed()
	return s
}

func (s *settings) load(ctx context.Context) (dispatch.Settings, error) {
	s.mu.Lock()
	cached := s.cached
	s.mu.Unlock()
	return cached(ctx)
}

func (s *settings) changed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cached = dispatch.CachedSettings(s.store, s.now, settingsAge)
}
