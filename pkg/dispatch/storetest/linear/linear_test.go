package linear

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/storetest"
	"github.com/anishathalye/porcupine"
)

func TestMemory(t *testing.T) { Run(t, new(storetest.Memory), 400) }

// Each defect is found: some history of a store that has it has no explanation.
func TestDefectsAreFound(t *testing.T) {
	const most = 2000 // histories
	for _, c := range []struct {
		name string
		with func(dispatch.Store) dispatch.Store
	}{
		{"a settle that does not look at the lease", func(s dispatch.Store) dispatch.Store { return anySettle{s} }},
		{"a settle that is acknowledged and not done", func(s dispatch.Store) dispatch.Store { return noSettle{s} }},
		{"a record that does not look at the lease", func(s dispatch.Store) dispatch.Store { return anyRecord{s} }},
		{"two claims at once", func(s dispatch.Store) dispatch.Store { return twoClaims{s} }},
		{"a claim ten seconds before its time", func(s dispatch.Store) dispatch.Store { return earlyClaim{s} }},
		{"a claim that never takes a lease that is over", func(s dispatch.Store) dispatch.Store { return noLapses{s} }},
		{"an edit of a leased task", func(s dispatch.Store) dispatch.Store { return leasedEdit{s} }},
		{"an edit that writes what it read, whatever was written meanwhile", func(s dispatch.Store) dispatch.Store { return blindEdit{s} }},
		{"a delete of whatever generation there is", func(s dispatch.Store) dispatch.Store { return anyDelete{s} }},
		{"a put that takes the place of what has ended", func(s dispatch.Store) dispatch.Store { return greedyPut{s} }},
		{"a get from before", func(s dispatch.Store) dispatch.Store { return &staleGet{Store: s, rows: map[string]dispatch.Result{}} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(most) {
				records, result := check(t, c.with(new(storetest.Memory)), seed)
				if result == porcupine.Illegal {
					t.Logf("found by history %d, of %d calls", seed+1, len(records))
					return
				}
			}
			t.Errorf("not found in %d histories", most)
		})
	}
}

type anySettle struct{ dispatch.Store }

func (s anySettle) Settle(ctx context.Context, t dispatch.Task, callbacks ...dispatch.Task) (dispatch.Hint, error) {
	row := s.Get(ctx, []string{t.ID})[0].Task
	t.Lease, t.Generation = row.Lease, row.Generation
	return s.Store.Settle(ctx, t, callbacks...)
}

type noSettle struct{ dispatch.Store }

func (s noSettle) Settle(context.Context, dispatch.Task, ...dispatch.Task) (dispatch.Hint, error) {
	return dispatch.Hint{}, nil
}

type anyRecord struct{ dispatch.Store }

func (s anyRecord) Record(ctx context.Context, t dispatch.Task) error {
	row := s.Get(ctx, []string{t.ID})[0].Task
	t.Lease, t.Generation = row.Lease, row.Generation
	return s.Store.Record(ctx, t)
}

type twoClaims struct{ dispatch.Store }

func (s twoClaims) Claim(ctx context.Context, ids []string, l dispatch.Lease) []dispatch.Result {
	if row := s.Get(ctx, ids)[0].Task; row.Leased(l.At) {
		l.Token = row.Lease
	}
	return s.Store.Claim(ctx, ids, l)
}

type earlyClaim struct{ dispatch.Store }

func (s earlyClaim) Claim(ctx context.Context, ids []string, l dispatch.Lease) []dispatch.Result {
	l.At = l.At.Add(10 * time.Second)
	return s.Store.Claim(ctx, ids, l)
}

type noLapses struct{ dispatch.Store }

func (s noLapses) Claim(ctx context.Context, ids []string, l dispatch.Lease) []dispatch.Result {
	if r := s.Get(ctx, ids)[0]; r.Err == nil && r.Task.Lease != "" && r.Task.Lease != l.Token {
		r.Err = dispatch.ErrRefused
		return []dispatch.Result{r}
	}
	return s.Store.Claim(ctx, ids, l)
}

type leasedEdit struct{ dispatch.Store }

func (s leasedEdit) Edit(ctx context.Context, id string, edit func(*dispatch.Task) error) (dispatch.Task, dispatch.Hint, error) {
	return s.Store.Edit(ctx, id, func(t *dispatch.Task) error {
		t.Lease = ""
		return edit(t)
	})
}

type blindEdit struct{ dispatch.Store }

func (s blindEdit) Edit(ctx context.Context, id string, edit func(*dispatch.Task) error) (dispatch.Task, dispatch.Hint, error) {
	r := s.Get(ctx, []string{id})[0]
	if r.Err != nil {
		return dispatch.Task{}, dispatch.Hint{}, r.Err
	}
	if err := edit(&r.Task); err != nil {
		return dispatch.Task{}, dispatch.Hint{}, err
	}
	runtime.Gosched()
	return s.Store.Edit(ctx, id, func(t *dispatch.Task) error {
		*t = r.Task
		return nil
	})
}

type anyDelete struct{ dispatch.Store }

func (s anyDelete) Delete(ctx context.Context, id string, _ int64) error {
	return s.Store.Delete(ctx, id, s.Get(ctx, []string{id})[0].Task.Generation)
}

type greedyPut struct{ dispatch.Store }

func (s greedyPut) Put(ctx context.Context, now time.Time, tasks []dispatch.Task) []dispatch.Result {
	if r := s.Get(ctx, []string{tasks[0].ID})[0]; r.Err == nil && r.Task.State.Final() {
		_ = s.Delete(ctx, tasks[0].ID, r.Task.Generation) // refused if it runs again
	}
	return s.Store.Put(ctx, now, tasks)
}

// staleGet answers with the row as the last get saw it.
type staleGet struct {
	dispatch.Store
	mu   sync.Mutex
	rows map[string]dispatch.Result
}

func (s *staleGet) Get(ctx context.Context, ids []string) []dispatch.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Store.Get(ctx, ids)[0]
	before, there := s.rows[ids[0]]
	s.rows[ids[0]] = now
	if there {
		return []dispatch.Result{before}
	}
	return []dispatch.Result{now}
}
