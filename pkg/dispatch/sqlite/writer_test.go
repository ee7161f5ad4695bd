package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

var now = time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC)

func opened(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func scheduled(id string) dispatch.Task {
	return dispatch.Task{ID: id, State: dispatch.Scheduled, Queue: "q", Doc: []byte("{}"), Timeout: time.Second,
		DueAt: now, Lane: "q#0", Generation: 1, Version: 1}
}

func (s *Store) putOne(ctx context.Context, t dispatch.Task) error {
	return s.Put(ctx, now, []dispatch.Task{t})[0].Err
}

// hold keeps the writer within a transaction until it is released.
func hold(t *testing.T, s *Store) (release func()) {
	t.Helper()
	holding, gate := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- s.writer.write(context.Background(), 1, func(*session) error { close(holding); <-gate; return nil })
	}()
	<-holding
	return func() {
		close(gate)
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// untilWaiting returns when n calls wait for the writer.
func untilWaiting(s *Store, n int) {
	for waiting := -1; waiting != n; runtime.Gosched() {
		s.writer.mu.Lock()
		waiting = len(s.writer.waiting)
		s.writer.mu.Unlock()
	}
}

func TestOneFailureFailsNoOtherOfItsTransaction(t *testing.T) {
	s := opened(t, filepath.Join(t.TempDir(), "a.db"))
	ctx := t.Context()
	for _, id := range []string{"there", "leased", "mine"} {
		if err := s.putOne(ctx, scheduled(id)); err != nil {
			t.Fatal(err)
		}
	}
	lease := dispatch.Lease{Token: "token", At: now, Left: time.Hour}
	mine := s.Claim(ctx, []string{"mine"}, lease)[0].Task
	s.Claim(ctx, []string{"leased"}, lease)
	conflicting := scheduled("there")
	conflicting.Generation = 9 // which no claim of the row makes
	big := scheduled("big")
	big.Doc = make([]byte, dispatch.MaxRow)
	calls := []struct {
		name string
		call func() error
		want error
	}{
		{"put", func() error { return s.putOne(ctx, scheduled("new")) }, nil},
		{"put of an existing", func() error {
			if r := s.Put(ctx, now, []dispatch.Task{conflicting})[0]; r.Err != nil || !r.Existing {
				return fmt.Errorf("existing %v, %w", r.Existing, r.Err)
			}
			return nil
		}, nil},
		{"put too large", func() error { return s.putOne(ctx, big) }, dispatch.ErrTooLarge},
		{"claim", func() error {
			return s.Claim(ctx, []string{"there"}, dispatch.Lease{Token: "other", At: now, Left: time.Hour})[0].Err
		}, nil},
		{"claim of a leased", func() error {
			return s.Claim(ctx, []string{"leased"}, dispatch.Lease{Token: "other", At: now, Left: time.Hour})[0].Err
		}, dispatch.ErrRefused},
		{"claim of an absent", func() error { return s.Claim(ctx, []string{"absent"}, lease)[0].Err }, dispatch.ErrNotFound},
		{"settle", func() error { _, err := s.Settle(ctx, mine); return err }, nil},
		{"settle lost", func() error {
			_, err := s.Settle(ctx, dispatch.Task{ID: "leased", Lease: "nobody's", Generation: 9})
			return err
		}, dispatch.ErrLeaseLost},
		{"delete of a scheduled", func() error { return s.Delete(ctx, "leased", 2) }, dispatch.ErrConflict},
		{"save", func() error { return s.Save(ctx, dispatch.Document{Name: "d", Version: 1}) }, nil},
		{"save of a leap", func() error { return s.Save(ctx, dispatch.Document{Name: "e", Version: 7}) }, dispatch.ErrConflict},
	}
	release := hold(t, s)
	errs := make([]error, len(calls))
	var wg sync.WaitGroup
	for i, c := range calls {
		wg.Go(func() { errs[i] = c.call() })
	}
	untilWaiting(s, len(calls))
	release()
	wg.Wait()
	for i, c := range calls {
		if !errors.Is(errs[i], c.want) {
			t.Errorf("%s: error %v, want %v", c.name, errs[i], c.want)
		}
	}
	for i, r := range s.Get(ctx, []string{"new", "there", "mine"}) {
		if r.Err != nil || (r.Task.Lease == "other") != (i == 1) {
			t.Errorf("row %d: %+v", i, r)
		}
	}
}

func TestAFailedTransactionKeepsNothingAndTheWriterGoesOn(t *testing.T) {
	s := opened(t, filepath.Join(t.TempDir(), "a.db"))
	ctx := t.Context()
	broken := errors.New("broken")
	release := hold(t, s)
	errs := make([]error, 11)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			if i == 5 {
				errs[i] = s.writer.write(ctx, 1, func(*session) error { return broken })
				return
			}
			errs[i] = s.putOne(ctx, scheduled(fmt.Sprint(i)))
		})
	}
	untilWaiting(s, len(errs))
	release()
	wg.Wait()
	for i, err := range errs {
		if !errors.Is(err, broken) {
			t.Errorf("call %d: %v, want the transaction's error", i, err)
		}
		if got := s.Get(ctx, []string{fmt.Sprint(i)})[0]; !errors.Is(got.Err, dispatch.ErrNotFound) {
			t.Errorf("row %d: %+v, want none", i, got)
		}
	}
	if err := s.putOne(ctx, scheduled("after")); err != nil {
		t.Errorf("after it: %v", err)
	}
}

// SQLite's own limit on the file's pages stands for a full disk: the same error, at the same places.
func TestAFullDiskIsRefusedAndOvercome(t *testing.T) {
	s := opened(t, filepath.Join(t.TempDir(), "a.db"))
	ctx := t.Context()
	limit := func(pages int) {
		err := s.writer.session.run(fmt.Sprintf("PRAGMA max_page_count=%d", pages))
		if err != nil {
			t.Fatal(err)
		}
	}
	limit(200)
	var kept, refused []string
	for i := range 400 {
		task := scheduled(fmt.Sprint(i))
		task.Doc = make([]byte, 3000)
		switch err := s.putOne(ctx, task); {
		case err == nil:
			kept = append(kept, task.ID)
		case errors.Is(err, dispatch.ErrFull):
			refused = append(refused, task.ID)
		default:
			t.Fatal(err)
		}
	}
	if len(kept) == 0 || len(refused) == 0 {
		t.Fatalf("%d kept, %d refused", len(kept), len(refused))
	}
	for _, r := range s.Get(ctx, kept) {
		if r.Err != nil {
			t.Error(r.Err)
		}
	}
	for _, r := range s.Get(ctx, refused) {
		if !errors.Is(r.Err, dispatch.ErrNotFound) {
			t.Errorf("a refused row: %v, want it absent", r.Err)
		}
	}
	if r := s.Claim(ctx, kept[:1], dispatch.Lease{Token: "t", At: now, Left: time.Hour})[0]; r.Err != nil {
		t.Errorf("a claim on the full disk: %v", r.Err)
	}
	limit(1 << 20)
	if err := s.putOne(ctx, scheduled("after")); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

func TestWhoHasGoneIsNotWaitedFor(t *testing.T) {
	s := opened(t, filepath.Join(t.TempDir(), "a.db"))
	release := hold(t, s)
	gone, leave := context.WithCancel(t.Context())
	var left, stayed error
	var wg sync.WaitGroup
	wg.Go(func() { stayed = s.putOne(t.Context(), scheduled("stayed")) })
	done := make(chan struct{})
	go func() { left = s.putOne(gone, scheduled("gone")); close(done) }()
	untilWaiting(s, 2)
	leave()
	<-done // while the writer is still held
	release()
	wg.Wait()
	if !errors.Is(left, context.Canceled) || stayed != nil {
		t.Errorf("who left got %v, who stayed %v", left, stayed)
	}
	got := s.Get(t.Context(), []string{"stayed", "gone"})
	if got[0].Err != nil || !errors.Is(got[1].Err, dispatch.ErrNotFound) {
		t.Errorf("rows: %v, %v", got[0].Err, got[1].Err)
	}
}

// Whose context ends at the moment of the commit, and so sees the writer's answer, must not take for done what was not.
func TestWhoHasGoneIsNotToldThatItIsDone(t *testing.T) {
	s := opened(t, filepath.Join(t.TempDir(), "a.db"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	did := false
	late := &write{ctx: ctx, weight: 1, do: func(*session) error { did = true; return nil }, done: make(chan error, 1)}
	other := &write{ctx: t.Context(), weight: 1, do: func(*session) error { return nil }, done: make(chan error, 1)}
	s.writer.mu.Lock()
	s.writer.waiting = append(s.writer.waiting, late, other)
	s.writer.mu.Unlock()
	s.writer.signal()
	if err := <-late.done; did || !errors.Is(err, context.Canceled) {
		t.Errorf("done: %v, answered %v; want it not done, and said so", did, err)
	}
	if err := <-other.done; err != nil {
		t.Errorf("the other of the same transaction: %v", err)
	}
}

func TestAWaitingPutKeepsWhatItWasGiven(t *testing.T) {
	s := opened(t, filepath.Join(t.TempDir(), "a.db"))
	release := hold(t, s)
	task := scheduled("a")
	var err error
	var wg sync.WaitGroup
	wg.Go(func() { err = s.putOne(t.Context(), task) })
	untilWaiting(s, 1)
	task.Doc[0] = 'X' // as a caller may who has given up
	release()
	wg.Wait()
	if got := s.Get(t.Context(), []string{"a"})[0]; err != nil || string(got.Task.Doc) != "{}" {
		t.Errorf("doc %q, %v, %v", got.Task.Doc, got.Err, err)
	}
}

func TestCloseWhileBusy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s := opened(t, path)
	ctx := t.Context()
	kept := make([][]string, 20)
	begun := make(chan struct{}, len(kept))
	var wg sync.WaitGroup
	for w := range kept {
		wg.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%d-%d", w, i)
				err := s.putOne(ctx, scheduled(id))
				if i == 0 {
					begun <- struct{}{}
				}
				if err != nil {
					if !errors.Is(err, ErrClosed) {
						t.Errorf("error %v, want ErrClosed", err)
					}
					return
				}
				kept[w] = append(kept[w], id)
				s.Get(ctx, []string{id})
			}
		})
	}
	for range kept {
		<-begun
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if err := s.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
	if err := s.Get(ctx, []string{"x"})[0].Err; !errors.Is(err, ErrClosed) {
		t.Errorf("get after close: %v", err)
	}
	again := opened(t, path)
	n := 0
	for _, ids := range kept {
		for _, r := range again.Get(ctx, ids) {
			if n++; r.Err != nil {
				t.Error(r.Err)
			}
		}
	}
	if n == 0 {
		t.Error("nothing was acknowledged before the close")
	}
}
