package engine

import (
	"context"
	"sync"
)

// shares keeps workers free for those who have few. Each tenant's tasks are begun only where it then has at most twice as
// many workers as are left free; those without a tenant count as one's. One tenant alone has less than two thirds of the
// workers, so that not even all of its calls fill one receiver's share; with each other that has much to do there is less
// for each, and whoever has none at work is never held back.
type shares struct {
	workers int

	mu    sync.Mutex
	busy  int
	of    map[string]int // tenant; those that have none are not in it
	freed chan struct{}  // closed when a worker is free again; nil: nobody waits for it
}

func newShares(workers int) *shares { return &shares{workers: workers, of: map[string]int{}} }

// await takes a worker for a tenant's task as soon as its share allows it. It fails once quit is closed, or with the
// context.
func (s *shares) await(ctx context.Context, quit <-chan struct{}, tenant string) error {
	for {
		freed := s.try(tenant)
		if freed == nil {
			return nil
		}
		select {
		case <-freed:
		case <-quit:
			return ErrStopping
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// try takes a worker if the tenant's share allows it, and returns nil then; otherwise what is closed when it may.
func (s *shares) try(tenant string) (freed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.of[tenant]; n > 0 && n+1 > 2*(s.workers-s.busy-1) {
		if s.freed == nil {
			s.freed = make(chan struct{})
		}
		return s.freed
	}
	s.busy++
	s.of[tenant]++
	return nil
}

// take counts a worker that has begun a task without asking.
func (s *shares) take(tenant string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy++
	s.of[tenant]++
}

// leave gives a worker back.
func (s *shares) leave(tenant string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy--
	if s.of[tenant]--; s.of[tenant] == 0 {
		delete(s.of, tenant)
	}
	if s.freed != nil {
		close(s.freed)
		s.freed = nil
	}
}
