package signature

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrFull is the error of a [LocalMemory] that would have to forget a call too early.
var ErrFull = errors.New("the memory of calls is full")

const defaultCalls = 1_000_000

// LocalMemory is the [Memory] of one process. A call takes about 300 bytes, and is kept for 12 minutes or so. The zero
// LocalMemory is ready; it is safe for concurrent use.
type LocalMemory struct {
	Max int              // calls; 0: a million. Where there are more, calls are refused with [ErrFull] until some can be forgotten.
	Now func() time.Time // nil: time.Now

	mu          sync.Mutex
	ids         map[string]struct{}
	generations map[target]highest
	kept        []remembered // in the order in which they came, which is about that in which they go
}

// target is what generations are compared for.
type target struct{ task, method, url string }

type highest struct {
	generation int64
	until      time.Time
}

type remembered struct {
	id     string
	target target
	until  time.Time
}

// Remember implements [Memory].
func (m *LocalMemory) Remember(_ context.Context, c Call, until time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget()
	to := target{c.Task, c.Method, c.URL}
	known := m.generations[to]
	most := m.Max
	if most == 0 {
		most = defaultCalls
	}
	if _, seen := m.ids[c.ID]; seen {
		return ErrReplayed
	}
	switch {
	case c.Generation < known.generation:
		return ErrStale
	case len(m.kept) >= most:
		return ErrFull
	}
	if m.ids == nil {
		m.ids, m.generations = map[string]struct{}{}, map[target]highest{}
	}
	m.ids[c.ID] = struct{}{}
	if known.until.After(until) {
		m.generations[to] = highest{c.Generation, known.until}
	} else {
		m.generations[to] = highest{c.Generation, until}
	}
	m.kept = append(m.kept, remembered{c.ID, to, until})
	return nil
}

// forget drops what can be forgotten from the front on.
func (m *LocalMemory) forget() {
	now := time.Now()
	if m.Now != nil {
		now = m.Now()
	}
	for len(m.kept) > 0 && !now.Before(m.kept[0].until) {
		r := m.kept[0]
		m.kept = m.kept[1:]
		delete(m.ids, r.id)
		if h := m.generations[r.target]; !now.Before(h.until) {
			delete(m.generations, r.target)
		}
	}
}
