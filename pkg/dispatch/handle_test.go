package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/rule"
	"example.com/dispatch/pkg/dispatch/storetest"
)

// world is a store in memory, a handle on it, and a receiver that keeps a journal. Its clock is that of
// the synctest bubble it is made in.
type world struct {
	*testing.T
	store  *storetest.Memory
	handle *dispatch.Handle

	mu      sync.Mutex
	calls   []dispatch.Call
	sentAt  []time.Time
	answers []dispatch.Answer // in turn; the last one for ever
	takes   time.Duration
	claims  int
}

func inWorld(t *testing.T, test func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, store: &storetest.Memory{}, answers: []dispatch.Answer{{Status: 200}}}
		w.handle = w.newHandle(w.store)
		test(w)
	})
}

// newHandle returns one more handle, on a store which leads to w's.
func (w *world) newHandle(store dispatch.Store) *dispatch.Handle {
	return &dispatch.Handle{
		Store: store, Settings: dispatch.CachedSettings(w.store, time.Now, 0), Send: w.send, Rule: rule.Allows, Retention: dispatch.DefaultRetention,
		Now: time.Now, Chance: func() float64 { return .5 }, Log: slog.New(slog.DiscardHandler),
		Token: func() string {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.claims++
			return "lease-" + strconv.Itoa(w.claims)
		},
	}
}

func (w *world) send(ctx context.Context, c dispatch.Call) dispatch.Answer {
	w.mu.Lock()
	n := len(w.calls)
	w.calls, w.sentAt = append(w.calls, c), append(w.sentAt, time.Now())
	answer, takes := w.answers[min(n, len(w.answers)-1)], w.takes
	w.mu.Unlock()
	select {
	case <-time.After(takes):
		return answer
	case <-ctx.Done():
		return dispatch.Answer{Error: "timeout"}
	}
}

// put enqueues a task: an input without its uri.
func (w *world) put(id, fields string) dispatch.Hint {
	w.Helper()
	return w.enqueue(id, `,"uri":"https://example.com/"`+fields)
}

// enqueue enqueues a task: an input without its id.
func (w *world) enqueue(id, fields string) dispatch.Hint {
	w.Helper()
	e := dispatch.Enqueue{
		Store: w.store, Settings: dispatch.CachedSettings(w.store, time.Now, 0), Retention: dispatch.DefaultRetention,
		CheckRule: rule.Check, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	}
	r, err := e.Run(w.Context(), []byte(`{"id":"`+id+`"`+fields+`}`), func(int) string { return id })
	if err != nil || r.Tasks[0].Error != nil {
		w.Fatal(err, r)
	}
	return dispatch.Hint{ID: id, Queue: "default", DueAt: r.Tasks[0].DueAt}
}

func (w *world) get(id string) dispatch.Task {
	w.Helper()
	r := w.store.Get(w.Context(), []string{id})[0]
	if r.Err != nil {
		w.Fatal(r.Err)
	}
	return r.Task
}

// run handles the hint and returns the task as it then is.
func (w *world) run(h dispatch.Hint) dispatch.Task {
	w.Helper()
	if err := w.handle.Run(w.Context(), []dispatch.Hint{h}); err != nil {
		w.Fatal(err)
	}
	return w.get(h.ID)
}

// runUntilFinal sleeps to each due time and handles the task then.
func (w *world) runUntilFinal(h dispatch.Hint) dispatch.Task {
	w.Helper()
	t := w.get(h.ID)
	for range 10000 {
		if t.State.Final() {
			return t
		}
		time.Sleep(time.Until(t.DueAt))
		t = w.run(t.Hint())
	}
	w.Fatal("never final")
	return t
}

func (w *world) wantCalls(n int) {
	w.Helper()
	if len(w.calls) != n {
		w.Errorf("%d calls, want %d", len(w.calls), n)
	}
}

func TestHandleDelivers(t *testing.T) {
	inWorld(t, func(w *world) {
		w.takes = 30 * time.Millisecond
		got := w.run(w.put("a", `,"body":1`))
		w.wantCalls(1)
		if got.State != dispatch.Delivered || got.Lease != "" || got.Lane != "" || !got.DueAt.IsZero() || got.TTL.Sub(got.EndedAt) < dispatch.DefaultRetention {
			t.Errorf("%+v", got)
		}
		if c := w.calls[0]; c.Attempt != 1 || c.IdempotencyKey() != "a" || c.Timeout != 30*time.Second || string(c.Doc.Body) != "1" {
			t.Errorf("call %+v", c)
		}
		if p := got.Progress[0]; p.Attempts != 1 || p.Last[0].Took != 30*time.Millisecond {
			t.Errorf("progress %+v", p)
		}
	})
}

func TestHandleFollowsThePolicy(t *testing.T) {
	for _, test := range []struct {
		name, fields string
		answers      []int
		want         dispatch.State
		calls        int
	}{
		{"fails, then delivers", `,"attempts":{"interval":10}`, []int{500, 0, 200}, dispatch.Delivered, 3},
		{"stops", `,"stopCodes":[410]`, []int{500, 410}, dispatch.Stopped, 2},
		{"exhausts its attempts", `,"attempts":{"limit":4}`, []int{500}, dispatch.Exhausted, 4},
		{"expires", `,"lifetime":300,"attempts":{"interval":100,"limit":9}`, []int{500}, dispatch.Expired, 3},
		{"tries as often as the interval fits", `,"lifetime":300,"httpTimeout":1,"attempts":{"interval":10}`, []int{500}, dispatch.Exhausted, 30},
		{"waits for 14 days", `,"attempts":{"interval":3600}`, []int{425}, dispatch.Exhausted, 14*24 + 1},
		{"a 4xx success code", `,"successCodes":[404]`, []int{404}, dispatch.Delivered, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.answers = nil
				for _, status := range test.answers {
					w.answers = append(w.answers, dispatch.Answer{Status: status, Error: "broken"})
				}
				got := w.runUntilFinal(w.put("a", test.fields))
				w.wantCalls(test.calls)
				if got.State != test.want {
					t.Errorf("%s: %s", got.State, got.Reason)
				}
				for i, at := range w.sentAt {
					if c := w.calls[i]; at.Before(c.Task.DueAt) || !c.Task.ExpireAt.IsZero() && !at.Before(c.Task.ExpireAt) {
						t.Errorf("call %d at %v: due at %v, expires at %v", i, at, c.Task.DueAt, c.Task.ExpireAt)
					}
				}
			})
		})
	}
}

// A hint is never a right to send.
func TestHandleDropsHints(t *testing.T) {
	inWorld(t, func(w *world) {
		if err := w.handle.Run(w.Context(), []dispatch.Hint{{ID: "unknown"}}); err != nil {
			t.Error(err)
		}
		h := w.put("a", `,"delay":60`)
		w.run(h)
		w.wantCalls(0)
		time.Sleep(time.Minute)
		var wg sync.WaitGroup
		for range 50 { // a message repeated
			wg.Go(func() { w.run(h) })
		}
		wg.Wait()
		w.run(h)
		w.wantCalls(1)
	})
}

func TestHandleWaitsForTheTime(t *testing.T) {
	inWorld(t, func(w *world) {
		h := w.put("a", `,"delay":1.5`)
		w.run(h)
		w.wantCalls(1)
		if w.sentAt[0] != h.DueAt.Local() && !w.sentAt[0].Equal(h.DueAt) {
			t.Errorf("sent at %v, due at %v", w.sentAt[0], h.DueAt)
		}
	})
}

func TestHandleNeverSendsTheExpired(t *testing.T) {
	inWorld(t, func(w *world) {
		h := w.put("a", `,"lifetime":10`)
		time.Sleep(10 * time.Second)
		got := w.run(h)
		w.wantCalls(0)
		if got.State != dispatch.Expired || got.Reason == "" || got.Lane != "default!failed#0" {
			t.Errorf("%+v: expiry must leave a trace", got)
		}
	})
}

func TestHandleCutsTheTimeout(t *testing.T) {
	for _, test := range []struct {
		name, fields string
		delay        time.Duration // of the hint
		want         time.Duration
	}{
		{"its own", `,"httpTimeout":7`, 0, 7 * time.Second},
		{"to its life", `,"httpTimeout":30,"lifetime":60`, 50 * time.Second, 10 * time.Second},
	} {
		inWorld(t, func(w *world) {
			h := w.put("a", test.fields)
			time.Sleep(test.delay)
			w.takes = time.Hour
			start := time.Now()
			w.run(h)
			if c := w.calls[0]; c.Timeout != test.want || time.Since(start) != test.want {
				t.Errorf("%s: %v, sent for %v, want %v", test.name, c.Timeout, time.Since(start), test.want)
			}
		})
	}
	t.Run("a function that has not the time leaves it alone", func(t *testing.T) {
		inWorld(t, func(w *world) {
			h := w.put("a", `,"httpTimeout":60`)
			ctx, cancel := context.WithTimeout(w.Context(), time.Minute)
			defer cancel()
			if err := w.handle.Run(ctx, []dispatch.Hint{h}); err != nil {
				t.Error(err)
			}
			w.wantCalls(0)
		})
	})
}

// A handler that dies loses nothing: the lease ends, the lapse is counted, the next one sends; and a task
// that kills every handler ends.
func TestHandleSurvivesCrashes(t *testing.T) {
	inWorld(t, func(w *world) {
		h := w.put("a", "")
		for lapse := range dispatch.MaxLapses {
			dead := w.store.Claim(w.Context(), []string{"a"}, dispatch.Lease{Token: fmt.Sprint("dead-", lapse), At: time.Now(), Left: time.Hour})[0]
			if dead.Err != nil || dead.Task.Lapses != lapse {
				t.Fatalf("%d lapses, want %d (%v)", dead.Task.Lapses, lapse, dead.Err)
			}
			w.run(h)
			w.wantCalls(0) // leased
			time.Sleep(time.Until(dead.Task.Until))
		}
		got := w.run(h)
		w.wantCalls(0)
		if got.State != dispatch.Stopped || got.Progress != nil {
			t.Errorf("%s: %s; no attempt is counted without a call", got.State, got.Reason)
		}
	})
	inWorld(t, func(w *world) {
		h := w.put("a", "")
		w.store.Claim(w.Context(), []string{"a"}, dispatch.Lease{Token: "dead", At: time.Now(), Left: time.Hour})
		time.Sleep(time.Minute)
		if got := w.run(h); got.State != dispatch.Delivered {
			t.Errorf("%s: a crash must not strand a task", got.State)
		}
		w.wantCalls(1)
	})
}

// slowSettle settles after a while, as a handler whose machine was frozen does.
type slowSettle struct {
	dispatch.Store
	delay time.Duration
}

func (s slowSettle) Settle(ctx context.Context, t dispatch.Task, callbacks ...dispatch.Task) (dispatch.Hint, error) {
	time.Sleep(s.delay)
	return s.Store.Settle(context.WithoutCancel(ctx), t, callbacks...)
}

func TestHandleCannotBringBackTheFinished(t *testing.T) {
	inWorld(t, func(w *world) {
		h := w.put("a", "")
		w.answers = []dispatch.Answer{{Status: 500}, {Status: 200}}
		frozen := w.newHandle(slowSettle{w.store, 2 * time.Minute})
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := frozen.Run(w.Context(), []dispatch.Hint{h}); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(61 * time.Second) // its lease is over
		if got := w.run(h); got.State != dispatch.Delivered {
			t.Errorf("%s", got.State)
		}
		wg.Wait()
		if got := w.get("a"); got.State != dispatch.Delivered || got.Progress[0].Attempts != 1 {
			t.Errorf("the late settle wrote: %+v", got)
		}
		w.wantCalls(2)
	})
}

// deaf answers a number of settles with an error, after or instead of the write.
type deaf struct {
	dispatch.Store
	left    int
	persist bool
}

func (d *deaf) Settle(ctx context.Context, t dispatch.Task, callbacks ...dispatch.Task) (dispatch.Hint, error) {
	if d.left--; d.left >= 0 {
		if d.persist {
			if _, err := d.Store.Settle(ctx, t, callbacks...); err != nil {
				return dispatch.Hint{}, err
			}
		}
		return dispatch.Hint{}, errors.New("connection reset")
	}
	return d.Store.Settle(ctx, t, callbacks...)
}

func TestHandleSettlesAgain(t *testing.T) {
	for _, persist := range []bool{false, true} {
		inWorld(t, func(w *world) {
			w.handle.Store = &deaf{w.store, 3, persist}
			if got := w.run(w.put("a", "")); got.State != dispatch.Delivered {
				t.Errorf("%s", got.State)
			}
			w.wantCalls(1)
		})
	}
	inWorld(t, func(w *world) {
		w.handle.Store = &deaf{w.store, 1 << 30, false}
		h := w.put("a", "")
		start := time.Now()
		if err := w.handle.Run(w.Context(), []dispatch.Hint{h}); err == nil {
			t.Error("no error although it never settled")
		}
		if tried := time.Since(start); tried != 60*time.Second {
			t.Errorf("tried for %v, want as long as the lease", tried)
		}
	})
}

func TestHandleAdmits(t *testing.T) {
	inWorld(t, func(w *world) {
		free, done := false, 0
		w.handle.Admit = func(context.Context, dispatch.Call) (func(), bool) { return func() { done++ }, free }
		h := w.put("a", "")
		w.store.Claim(w.Context(), []string{"a"}, dispatch.Lease{Token: "dead", At: time.Now(), Left: time.Hour})
		time.Sleep(time.Minute)
		got := w.run(h)
		w.wantCalls(0)
		if got.State != dispatch.Scheduled || time.Until(got.DueAt) != time.Second || got.Progress != nil || got.Lapses != 1 {
			t.Errorf("not admitted: %+v", got)
		}
		free = true
		time.Sleep(time.Second)
		if got := w.run(got.Hint()); got.State != dispatch.Delivered || done != 1 {
			t.Errorf("admitted: %s, done %d times", got.State, done)
		}
	})
	t.Run("too late", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.handle.Admit = func(context.Context, dispatch.Call) (func(), bool) {
				time.Sleep(41 * time.Second) // 20 s before the lease is over nothing may be sent
				return func() {}, true
			}
			got := w.run(w.put("a", ""))
			w.wantCalls(0)
			if got.State != dispatch.Scheduled || got.Lease != "" || got.Progress != nil {
				t.Errorf("%+v", got)
			}
		})
	})
	t.Run("expired meanwhile", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.handle.Admit = func(context.Context, dispatch.Call) (func(), bool) {
				time.Sleep(5 * time.Second)
				return func() {}, true
			}
			if got := w.run(w.put("a", `,"lifetime":5`)); got.State != dispatch.Expired {
				t.Errorf("%+v", got)
			}
			w.wantCalls(0)
		})
	})
}

// One task's failure or slowness is not the others'.
func TestHandleSideBySide(t *testing.T) {
	inWorld(t, func(w *world) {
		var hints []dispatch.Hint
		for i := range 20 {
			hints = append(hints, w.put(fmt.Sprint("t", i), ""))
		}
		w.handle.Send = func(ctx context.Context, c dispatch.Call) dispatch.Answer {
			if c.Task.ID == "t7" {
				<-ctx.Done()
				return dispatch.Answer{Error: "timeout"}
			}
			return w.send(ctx, c)
		}
		start := time.Now()
		if err := w.handle.Run(w.Context(), hints); err != nil {
			t.Error(err)
		}
		if time.Since(start) != 30*time.Second {
			t.Errorf("took %v", time.Since(start))
		}
		for i := range hints {
			got := w.get(fmt.Sprint("t", i))
			if want := map[bool]dispatch.State{true: dispatch.Scheduled, false: dispatch.Delivered}[i == 7]; got.State != want {
				t.Errorf("%s: %s", got.ID, got.State)
			}
			if i != 7 && !got.EndedAt.Before(start.Add(time.Second)) {
				t.Errorf("%s ended at %v", got.ID, got.EndedAt)
			}
		}
	})
}

func TestHandleLeavesNewerRowsAlone(t *testing.T) {
	inWorld(t, func(w *world) {
		h := w.put("a", "")
		row := w.get("a")
		row.ID, row.Version = "b", dispatch.FormatVersion+1
		w.store.Put(w.Context(), time.Now(), []dispatch.Task{row})
		h.ID = "b"
		if got := w.run(h); got.State != dispatch.Scheduled || got.Lease != "" {
			t.Errorf("%+v", got)
		}
		w.wantCalls(0)
	})
}

// What was sent must be known, although whoever asked for it has gone.
func TestHandleSettlesAfterItsContext(t *testing.T) {
	inWorld(t, func(w *world) {
		w.takes = time.Second
		h := w.put("a", "")
		ctx, cancel := context.WithCancel(w.Context())
		time.AfterFunc(time.Second/2, cancel)
		if err := w.handle.Run(ctx, []dispatch.Hint{h}); err != nil {
			t.Error(err)
		}
		if got := w.get("a"); got.Lease != "" || len(got.Progress) != 1 || got.Progress[0].Attempts != 1 {
			t.Errorf("%+v", got)
		}
	})
}
