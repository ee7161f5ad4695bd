package simulate

import (
	"context"
	"sync"
	"time"

	"example.com/dispatch/internal/simulate/table"
	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/dynamo"
)

// store is a process's own.
func (p *process) store() dispatch.Store {
	if p.world.local != nil {
		return calls{p}
	}
	return dynamo.Store{
		Table:  "tasks",
		Client: table.Client(p.request),
		Chance: func() float64 { return 0.6 },
	}
}

// settingsCache is what dispatch.CachedSettings keeps, without its lock, which a bubble could not see through.
type settingsCache struct {
	mu   sync.Mutex
	have dispatch.Settings
	at   time.Time
}

// settings returns how a process learns of the settings, this late.
func (p *process) settings(age time.Duration, store dispatch.Store) func(context.Context) (dispatch.Settings, error) {
	c := &p.place.settings
	return func(ctx context.Context) (dispatch.Settings, error) {
		c.mu.Lock()
		have, at := c.have, c.at
		c.mu.Unlock()
		if !at.IsZero() && p.now().Sub(at) < age {
			return have, nil
		}
		s, _, err := dispatch.LoadSettings(ctx, store)
		if err != nil && at.IsZero() {
			return dispatch.Settings{}, err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if err == nil {
			c.have = s
		}
		c.at = p.now()
		return c.have, nil
	}
}

// god is a store that meets no faults, for what is done before a run.
func (w *world) god() dispatch.Store {
	if w.local != nil {
		return w.local.store
	}
	return dynamo.Store{Table: "tasks", Client: table.Client(func(_ context.Context, in any) (any, error) { return w.do(nil, in) })}
}

// settle stores the settings.
func (w *world) settle() {
	s, err := dispatch.ParseSettings(w.plan.settings(), func(string) error { return nil })
	if err == nil {
		s.Queues[limited] = w.plan.limited
		_, err = dispatch.SaveSettings(context.Background(), w.god(), s)
	}
	if err != nil {
		panic(err)
	}
}
