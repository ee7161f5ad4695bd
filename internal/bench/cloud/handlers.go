package cloud

import (
	"encoding/json"
	"sync/atomic"
	"time"
)

// Handlers stand in for the runs of handle on a backlog: each takes the time of its requests and of a receiver, and a
// place among those that run side by side, for which Lambda keeps events waiting.
type Handlers struct {
	backlog *Backlog
	time    time.Duration
	running chan struct{}

	Hints atomic.Int64 // handed over
	Twice atomic.Int64 // of them, those whose task was already claimed
	Done  atomic.Int64
}

// NewHandlers has so many runs side by side, of which each takes the time for its claims, calls and settles.
func NewHandlers(b *Backlog, took time.Duration, concurrency int) *Handlers {
	return &Handlers{backlog: b, time: took, running: make(chan struct{}, concurrency)}
}

// Handle is one run.
func (h *Handlers) Handle(payload []byte) {
	var event struct {
		Hints []struct{ ID string } `json:"hints"`
	}
	if err := json.Unmarshal(payload, &event); err != nil {
		return
	}
	h.Hints.Add(int64(len(event.Hints)))
	h.running <- struct{}{}
	defer func() { <-h.running }()
	time.Sleep(h.time / 10)
	var mine []string
	for _, hint := range event.Hints {
		if h.backlog.Claim(hint.ID) {
			mine = append(mine, hint.ID)
		} else {
			h.Twice.Add(1)
		}
	}
	if len(mine) == 0 {
		return
	}
	time.Sleep(h.time * 9 / 10)
	for _, id := range mine {
		h.backlog.Finish(id)
		h.Done.Add(1)
	}
}
