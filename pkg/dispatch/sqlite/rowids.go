package sqlite

import "sync"

// rowids remembers where the rows are that are about to be claimed and settled: found by its id, a row takes a walk
// through an index of its own. What it says is a guess, because another process may have deleted a row and put
// another in its place: whoever uses it asks for the id as well.
type rowids struct {
	mu sync.Mutex
	of map[string]int64
}

// rememberedRows is how many rows are remembered at most.
const rememberedRows = 100_000

func (r *rowids) remember(id string, rowid int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of == nil || len(r.of) >= rememberedRows {
		r.of = map[string]int64{}
	}
	r.of[id] = rowid
}

// recall returns 0 for what is not remembered.
func (r *rowids) recall(id string) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.of[id]
}

// recallAll returns what it remembers of the ids.
func (r *rowids) recallAll(ids []string) []int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := make([]int64, 0, len(ids))
	for _, id := range ids {
		if rowid := r.of[id]; rowid != 0 {
			known = append(known, rowid)
		}
	}
	return known
}

// forget is for a row that is not to be claimed again.
func (r *rowids) forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.of, id)
}
