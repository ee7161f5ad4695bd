package engine

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// newTenants is how often it is looked whether the settings name tenants that have no sweep yet.
const newTenants = time.Second

// apart reports whether tenants are kept apart: whether the settings name any. Each then has a sweep and offers of its
// own, which wait for workers beside each other's, and a share of the workers; so have the tasks of all others together.
// Where none is named nothing of this is in the way.
func (e *Engine) apart(ctx context.Context) (dispatch.Settings, bool) {
	s, err := e.settings.load(ctx)
	named := len(s.Tenants)
	if _, ok := s.Tenants[dispatch.AnyTenant]; ok {
		named--
	}
	return s, err == nil && named > 0
}

// sweeps sweeps the lanes that all share, and those of each tenant by itself: one whose tasks wait for their share of
// the workers keeps no other's from being found. It returns when the context has ended, and all of them have.
func (e *Engine) sweeps(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() { e.sweepFor(ctx, "") })
	begun := map[string]bool{}
	for ctx.Err() == nil {
		if settings, apart := e.apart(ctx); apart {
			for _, name := range settings.TenantNames() {
				if !begun[name] {
					begun[name] = true
					all.Go(func() { e.sweepFor(ctx, name) })
				}
			}
		}
		select {
		case <-time.After(newTenants):
		case <-ctx.Done():
		}
	}
}

// sweepFor sweeps a tenant's lanes until the context ends.
func (e *Engine) sweepFor(ctx context.Context, tenant string) {
	sweep := e.sweep
	sweep.Tenant = &tenant
	for ctx.Err() == nil {
		if _, err := sweep.Run(ctx); err != nil && ctx.Err() == nil {
			e.log.LogAttrs(ctx, slog.LevelError, "sweep failed; it goes on", slog.Any("error", err))
			select {
			case <-time.After(afterFailure):
			case <-ctx.Done():
			}
		}
	}
}

// tenantOffers are the offered hints of each tenant, so that one's burst takes no other's room.
type tenantOffers struct {
	mu sync.Mutex
	of map[string]chan dispatch.Hint
}

// sharer returns the tenant of a hint if the settings name it, "" for all others.
func sharer(settings dispatch.Settings, h dispatch.Hint) string {
	if _, named := settings.Tenants[h.Tenant]; named {
		return h.Tenant
	}
	return ""
}

// offersFor returns where a hint waits for a worker.
func (e *Engine) offersFor(settings dispatch.Settings, h dispatch.Hint) chan<- dispatch.Hint {
	tenant := sharer(settings, h)
	t := &e.tenantOffers
	t.mu.Lock()
	defer t.mu.Unlock()
	offers, ok := t.of[tenant]
	if !ok {
		if t.of == nil {
			t.of = map[string]chan dispatch.Hint{}
		}
		offers = make(chan dispatch.Hint, burst)
		t.of[tenant] = offers
		go e.feed(offers)
	}
	return offers
}

// feed brings a tenant's offered hints to workers, one after another.
func (e *Engine) feed(offers <-chan dispatch.Hint) {
	for {
		select {
		case h := <-offers:
			if e.giveOne(context.Background(), job{hint: h}) != nil {
				return // stopping
			}
		case <-e.quit:
			return
		}
	}
}
