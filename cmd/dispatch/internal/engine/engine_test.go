package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/dispatch/cmd/dispatch/internal/engine"
	"example.com/dispatch/pkg/dispatch"
)

func TestNoMoreIsClaimedThanThereAreWorkers(t *testing.T) {
	for _, workers := range []int{1, 3, 16} {
		t.Run(fmt.Sprint(workers), func(t *testing.T) {
			var calls gauge
			in(t, workers, func(ctx context.Context, c dispatch.Call) dispatch.Answer {
				calls.begin()
				defer calls.end()
				return slowly(ctx, 100*time.Millisecond, 204)
			}, func(t *testing.T, r rig) {
				for i := range 10 {
					r.enqueue(fmt.Sprintf("host%d", i), 10, nil)
				}
				leased := 0
				r.until(5*time.Minute, "all delivered", func() bool {
					now, n, open := time.Now(), 0, 0
					for task := range r.store.List(t.Context(), dispatch.Filter{State: dispatch.Scheduled}) {
						open++
						if task.Leased(now) {
							n++
						}
					}
					leased = max(leased, n)
					return open == 0
				})
				if leased > workers || calls.most > workers {
					t.Errorf("%d leased and %d in flight at once, with %d workers", leased, calls.most, workers)
				}
				if calls.most < workers*3/4 {
					t.Errorf("only %d in flight at once, with %d workers", calls.most, workers)
				}
			})
		})
	}
}

func TestEnqueueDelivers(t *testing.T) {
	var mu sync.Mutex
	attempts := map[string]int{}
	in(t, 4, func(_ context.Context, c dispatch.Call) dispatch.Answer {
		mu.Lock()
		defer mu.Unlock()
		attempts[c.Task.ID]++
		if attempts[c.Task.ID] < 3 && c.Task.ID == "fails-twice" {
			return dispatch.Answer{Status: 503}
		}
		return dispatch.Answer{Status: 204}
	}, func(t *testing.T, r rig) {
		synctest.Wait() // the workers are there
		began := time.Now()
		input := `{"tasks": [{"id": "now", "uri": "https://a.example/"},
			{"id": "later", "uri": "https://a.example/", "delay": 7.25},
			{"id": "fails-twice", "uri": "https://a.example/", "attempts": {"interval": 10}}]}`
		if _, err := r.engine.Enqueue.Run(t.Context(), []byte(input), nil); err != nil {
			t.Fatal(err)
		}
		state := func(id string) dispatch.State { return r.store.Get(t.Context(), []string{id})[0].Task.State }
		for _, want := range []struct {
			id    string
			after time.Duration
		}{{"now", 0}, {"later", 7250 * time.Millisecond}, {"fails-twice", 20 * time.Second}} {
			r.until(time.Minute, want.id+" delivered", func() bool { return state(want.id) == dispatch.Delivered })
			if got := time.Since(began); got < want.after || got > want.after+100*time.Millisecond {
				t.Errorf("%s was delivered after %v, want %v", want.id, got, want.after)
			}
		}
	})
}

func TestOfferDropsWhatThereIsNoRoomFor(t *testing.T) {
	release := make(chan struct{})
	in(t, 2, func(context.Context, dispatch.Call) dispatch.Answer {
		<-release
		return dispatch.Answer{Status: 204}
	}, func(t *testing.T, r rig) {
		release = make(chan struct{}) // of the bubble
		const n = 1500                // more than may wait
		for i := range n {
			input := fmt.Sprintf(`{"id": "h-%d", "uri": "https://h%d.example/"}`, i, i)
			if _, err := r.engine.Enqueue.Run(t.Context(), []byte(input), nil); err != nil { // it does not block
				t.Fatal(err)
			}
		}
		close(release)
		r.until(time.Minute, "all delivered, by the sweep", func() bool { return r.in(dispatch.Delivered, "h") == n })
	})
}

func TestABurstIsNotLeftToTheSweep(t *testing.T) {
	in(t, 2, func(ctx context.Context, _ dispatch.Call) dispatch.Answer {
		return slowly(ctx, 10*time.Millisecond, 204)
	}, func(t *testing.T, r rig) {
		r.until(2*time.Second, "just after a look", func() bool { return time.Now().Nanosecond() == int(2*time.Millisecond) })
		for i := range 40 {
			input := fmt.Sprintf(`{"id": "h-%d", "uri": "https://h%d.example/"}`, i, i)
			if _, err := r.engine.Enqueue.Run(t.Context(), []byte(input), nil); err != nil {
				t.Fatal(err)
			}
		}
		r.until(500*time.Millisecond, "all delivered, before the next look", func() bool { return r.in(dispatch.Delivered, "h") == 40 })
	})
}

func TestDrain(t *testing.T) {
	for _, ends := range []bool{true, false} {
		t.Run(fmt.Sprintf("ends=%v", ends), func(t *testing.T) {
			in(t, 4, func(ctx context.Context, _ dispatch.Call) dispatch.Answer {
				return slowly(ctx, 20*time.Second, 204)
			}, func(t *testing.T, r rig) {
				r.enqueue("slow", 3, nil)
				r.until(5*time.Second, "in flight", func() bool {
					r.claims.mu.Lock()
					defer r.claims.mu.Unlock()
					return len(r.claims.n) == 3
				})
				grace := 5 * time.Second
				if ends {
					grace = 30 * time.Second
				}
				ctx, cancel := context.WithTimeout(t.Context(), grace)
				defer cancel()
				err := r.engine.Drain(ctx)
				if ends && (err != nil || r.in(dispatch.Delivered, "slow") != 3) {
					t.Errorf("%v, %d delivered; want all three", err, r.in(dispatch.Delivered, "slow"))
				}
				if !ends && (err == nil || !strings.Contains(err.Error(), "3 tasks")) {
					t.Errorf("%v; want it to say that 3 tasks are in flight", err)
				}
				if err := r.engine.Handle(t.Context(), []dispatch.Hint{{ID: "slow-0"}}); !errors.Is(err, engine.ErrStopping) {
					t.Errorf("after draining, Handle: %v, want %v", err, engine.ErrStopping)
				}
			})
		})
	}
}

func TestLook(t *testing.T) {
	in(t, 4, func(context.Context, dispatch.Call) dispatch.Answer { return dispatch.Answer{Status: 204} }, func(t *testing.T, r rig) {
		r.until(2*time.Second, "between two looks", func() bool { return time.Now().Nanosecond() != 0 })
		r.enqueue("h", 3, nil)
		report, err := r.engine.Look(t.Context())
		if err != nil || report.HandedOver != 3 {
			t.Errorf("handed over %d, %v; want 3", report.HandedOver, err)
		}
	})
}
