package dispatch

import (
	"math"
	"sync"
)

// quota counts what a sweep hands over against a limit. Its tenants share it, those without one as one of them: one that
// has more due than the limit uses what the others leave, but cannot keep any from its part.
type quota struct {
	limit int

	mu    sync.Mutex
	taken int
	by    map[string]int // tenant
}

func newQuota(limit int) *quota {
	q := &quota{by: map[string]int{}}
	q.set(limit)
	return q
}

// set changes the limit; 0: there is none.
func (q *quota) set(limit int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.limit = limit; limit <= 0 {
		q.limit = math.MaxInt
	}
}

// left returns how many more a tenant may hand over where so many share the limit.
func (q *quota) left(tenant string, sharers int) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return max(0, q.limit-q.taken, max(1, q.limit/max(1, sharers))-q.by[tenant])
}

func (q *quota) take(tenant string, n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.taken += n
	q.by[tenant] += n
}
