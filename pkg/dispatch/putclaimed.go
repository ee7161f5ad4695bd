package dispatch

import (
	"context"
	"slices"
	"time"
)

// PutClaimed puts tasks as [Store.Put] does, and claims some of them in the same commit: those that are due now, belong to
// no group, and may be claimed together; the first ones, as many as free says that there is room for, which is told how many
// there are. Where who puts can run what it has put, that saves a commit, and the time of one, before the call.
//
// Each of the claimed must go to [Handle.RunClaimed], whatever has become of ctx, or its lease lapses; what was not stored
// is not among them. The results are those of Put; a claimed task's has its lease.
func (h *Handle) PutClaimed(ctx context.Context, now time.Time, tasks []Task, free func(n int) int) (results []Result, claimed []Claimed) {
	settings, err := h.Settings(ctx)
	if err != nil {
		return h.Store.Put(ctx, now, tasks), nil // the sweep meets them
	}
	at, token := h.Now(), h.Token()
	var able []int
	for i, t := range tasks {
		if t.State == Scheduled && t.Group == "" && t.Hint().IsDue(at) && settings.plain(t.Queue, t.Tenant) {
			able = append(able, i)
		}
	}
	if len(able) > 0 {
		able = able[:free(len(able))]
	}
	if len(able) == 0 {
		return h.Store.Put(ctx, now, tasks), nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), claimTime)
	defer cancel()
	if h.Circuits != nil {
		h.Circuits.refresh(ctx, h.Now()) // meanwhile
	}
	rows := slices.Clone(tasks)
	for _, i := range able {
		t := &rows[i]
		t.Lease, t.Until, t.Generation = token, FromMillis(Millis(at)).Add(t.Timeout+LeaseMargin), t.Generation+1 // as Store.Claim
	}
	results = h.Store.Put(ctx, now, rows)
	claimed = make([]Claimed, 0, len(able))
	for _, i := range able {
		if r := results[i]; r.Err == nil && r.Task.Lease == token {
			claimed = append(claimed, Claimed{r.Task, settings})
		}
	}
	return results, claimed
}
