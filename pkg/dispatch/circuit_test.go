package dispatch_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// withCircuits gives a handle circuits of its own, as another process would have them.
func withCircuits(h *dispatch.Handle) *dispatch.Handle {
	h.Circuits = &dispatch.Circuits{Store: h.Store, Now: h.Now, Age: time.Second, Token: rand.Text, Chance: mathrand.Float64, Log: slog.New(slog.DiscardHandler)}
	return h
}

func (w *world) circuits() map[string]dispatch.Circuit {
	w.Helper()
	open, err := dispatch.LoadCircuits(w.Context(), w.store)
	if err != nil {
		w.Fatal(err)
	}
	return open
}

// fail lets n tasks fail, each of its own.
func (w *world) fail(n int) {
	w.Helper()
	for i := range n {
		w.run(w.put(fmt.Sprintf("failing-%d-%d", time.Now().UnixNano(), i), ""))
	}
}

func TestCircuitOpens(t *testing.T) {
	bad, timeout, fine := dispatch.Answer{Status: 503}, dispatch.Answer{Error: "timeout"}, dispatch.Answer{Status: 204}
	for _, c := range []struct {
		name     string
		settings string
		fields   string
		answers  []dispatch.Answer // the last one for ever
		calls    int               // to the receiver, each by another task
		open     bool
	}{
		{"after ten failures in a row", `{}`, "", []dispatch.Answer{bad}, 10, true},
		{"not after nine", `{}`, "", []dispatch.Answer{bad}, 9, false},
		{"by calls without an answer", `{}`, "", []dispatch.Answer{timeout}, 10, true},
		{"not by ten with another answer between them", `{}`, "", []dispatch.Answer{bad, bad, bad, bad, fine, bad}, 12, false},
		{"not by a 4xx", `{}`, "", []dispatch.Answer{{Status: 429}}, 20, false},
		{"not by a success code", `{}`, `,"successCodes":[503]`, []dispatch.Answer{bad}, 20, false},
		{"not by a wait code", `{}`, `,"waitCodes":[503]`, []dispatch.Answer{bad}, 20, false},
		{"not by what the receiver says itself", `{}`, "", []dispatch.Answer{{Status: 204, Said: dispatch.OutcomeRetry}}, 20, false},
		{"not by what could not be sent", `{}`, "", []dispatch.Answer{{Error: "no key", Unsent: true}}, 20, false},
		{"after as many as are set", `{"circuit":{"failures":2}}`, "", []dispatch.Answer{bad}, 2, true},
		{"not if it is off", `{"circuit":{"failures":0}}`, "", []dispatch.Answer{bad}, 50, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				withCircuits(w.handle)
				w.settings(c.settings)
				w.answers = c.answers
				for i := range c.calls {
					w.run(w.put(fmt.Sprint("task-", i), c.fields))
				}
				w.wantCalls(c.calls)
				circuit, open := w.circuits()["https://example.com"]
				if open != c.open || open && (!circuit.Since.Equal(time.Now()) || circuit.ProbeAt.Sub(circuit.Since) != 5*time.Second || circuit.Error == "") {
					t.Errorf("open %v, want %v: %+v", open, c.open, circuit)
				}
			})
		})
	}
}

// Failures that lie far apart are not in a row.
func TestCircuitForgetsOldFailures(t *testing.T) {
	inWorld(t, func(w *world) {
		withCircuits(w.handle)
		w.answers = []dispatch.Answer{{Status: 503}}
		w.fail(9)
		time.Sleep(11 * time.Minute)
		w.fail(9)
		if open := w.circuits(); len(open) != 0 {
			t.Errorf("open: %v", open)
		}
	})
}

func TestTasksWaitForACircuit(t *testing.T) {
	inWorld(t, func(w *world) {
		withCircuits(w.handle)
		w.answers = []dispatch.Answer{{Status: 503}}
		w.fail(10)
		opened := time.Now()
		got := w.run(w.put("a", ""))
		w.wantCalls(10)
		p := got.Progress[0]
		if got.State != dispatch.Scheduled || p.Attempts != 0 || len(p.Last) != 0 || !dispatch.HeldBack(p) || !strings.HasPrefix(p.Error, "circuit open since ") || !strings.HasSuffix(p.Error, ": status 503") {
			t.Errorf("%s, %+v", got.State, p)
		}
		if wait := got.DueAt.Sub(opened); wait < 5*time.Second || wait > 10*time.Second {
			t.Errorf("it waits for %v; want it behind the next try", wait)
		}
		elsewhere := w.enqueue("b", `,"uri":"https://other.example/"`)
		w.answers = []dispatch.Answer{{Status: 200}}
		if got := w.run(elsewhere); got.State != dispatch.Delivered {
			t.Errorf("a task for another receiver: %s", got.State)
		}
		time.Sleep(time.Until(got.DueAt))
		if got := w.run(got.Hint()); got.State != dispatch.Delivered || got.Progress[0].Attempts != 1 || !got.Progress[0].WaitingSince.IsZero() {
			t.Errorf("it answers again: %s %+v", got.State, got.Progress)
		}
		if open := w.circuits(); len(open) != 0 {
			t.Errorf("still open: %v", open)
		}
	})
}

// Of many that are due only one tries, whatever process it is in, and less and less often.
func TestOneCallTriesTheReceiver(t *testing.T) {
	inWorld(t, func(w *world) {
		slow := &documents{Store: w.store, takes: 20 * time.Millisecond}
		handles := []*dispatch.Handle{withCircuits(w.handle), withCircuits(w.newHandle(slow)), withCircuits(w.newHandle(slow))}
		w.answers = []dispatch.Answer{{Error: "timeout"}}
		w.fail(10)
		began := time.Now()
		hints := map[string]dispatch.Hint{}
		for i := range 60 {
			id := fmt.Sprint("waits-", i)
			hints[id] = w.put(id, "")
		}
		before := len(w.calls)
		for time.Since(began) < 10*time.Minute {
			var wg sync.WaitGroup
			i := 1 // the first one reads faster
			for id := range hints {
				if task := w.get(id); !task.DueAt.After(time.Now()) {
					h := handles[i%len(handles)]
					wg.Go(func() {
						if err := h.Run(w.Context(), []dispatch.Hint{task.Hint()}); err != nil {
							t.Error(err)
						}
					})
				}
				i++
			}
			wg.Wait()
			time.Sleep(time.Second)
		}
		tries := w.sentAt[before:]
		if len(tries) < 8 || len(tries) > 13 { // 5, 10, 20, 40 s after one another, then every minute
			t.Errorf("%d tries in ten minutes", len(tries))
		}
		last := began
		for i, at := range tries {
			if least := min(5*time.Second<<i, time.Minute); at.Sub(last) < least {
				t.Errorf("try %d came %v after the last, want at least %v", i, at.Sub(last), least)
			}
			last = at
		}
	})
}

// Who was to try the receiver and died is replaced.
func TestATryThatDies(t *testing.T) {
	inWorld(t, func(w *world) {
		withCircuits(w.handle)
		w.answers = []dispatch.Answer{{Error: "timeout"}}
		w.fail(10)
		time.Sleep(5 * time.Second)
		dying := withCircuits(w.newHandle(w.store))
		died := make(chan struct{})
		dying.Send = func(ctx context.Context, _ dispatch.Call) dispatch.Answer {
			close(died)
			<-w.Context().Done()
			return dispatch.Answer{}
		}
		go dying.Run(w.Context(), []dispatch.Hint{w.put("dies", "")})
		<-died
		w.answers = []dispatch.Answer{{Status: 200}}
		task, began := w.get(w.put("next", "").ID), time.Now()
		for task.State == dispatch.Scheduled {
			time.Sleep(time.Until(task.DueAt))
			task = w.run(task.Hint())
		}
		if took := time.Since(began); task.State != dispatch.Delivered || took > 2*time.Minute {
			t.Errorf("%s after %v", task.State, took)
		}
	})
}

// A task that would expire waiting is sent once, at its last moment.
func TestTheLastMomentBeforeExpiry(t *testing.T) {
	inWorld(t, func(w *world) {
		withCircuits(w.handle)
		w.answers = []dispatch.Answer{{Status: 503}}
		w.fail(10)
		time.Sleep(5 * time.Second)
		w.run(w.put("try", "")) // in vain: the next one is in ten seconds
		before := len(w.calls)
		h := w.put("short", `,"lifetime":38,"httpTimeout":30,"attempts":{"interval":5}`)
		created := time.Now()
		task := w.run(h)
		if got := task.DueAt.Sub(created); got != 8*time.Second {
			t.Errorf("it waits for %v; its last moment is after 8 s", got)
		}
		time.Sleep(8 * time.Second)
		task = w.run(task.Hint())
		if len(w.calls) != before+1 || task.State != dispatch.Expired {
			t.Errorf("%d calls, %s: %s", len(w.calls)-before, task.State, task.Reason)
		}
	})
}

func TestATaskWaitsForACircuitNoLongerThan14Days(t *testing.T) {
	inWorld(t, func(w *world) {
		withCircuits(w.handle)
		w.answers = []dispatch.Answer{{Error: "timeout"}}
		w.fail(10)
		task := w.get(w.put("a", "").ID)
		began := time.Now()
		for !task.State.Final() && time.Since(began) < 20*24*time.Hour {
			time.Sleep(time.Until(task.DueAt))
			w.run(w.put(fmt.Sprint("try-", time.Now().UnixNano()), "")) // always another one tries
			task = w.run(task.Hint())
		}
		if task.State != dispatch.Exhausted || task.Reason != "waited 14 days" || task.Progress[0].Attempts != 0 {
			t.Errorf("%s after %v: %s, %+v", task.State, time.Since(began), task.Reason, task.Progress)
		}
	})
}

// What waits comes back spread over minutes, not all at once.
func TestNoStampede(t *testing.T) {
	inWorld(t, func(w *world) {
		withCircuits(w.handle)
		n := 0
		w.handle.Chance = func() float64 { n++; return float64(n%100) / 100 }
		w.answers = []dispatch.Answer{{Status: 503}}
		w.fail(10)
		time.Sleep(time.Hour)
		w.run(w.put("try", "")) // fails as well
		due := map[time.Duration]int{}
		for i := range 1000 {
			wait := time.Until(w.run(w.put(fmt.Sprint("waits-", i), "")).DueAt)
			due[wait.Truncate(time.Minute)]++
		}
		for minute, n := range due {
			if n > 250 || minute > 6*time.Minute {
				t.Errorf("%d come in the minute after %v", n, minute)
			}
		}
	})
}

// Circuits are no part of the promise: where their document cannot be had, calls are made.
func TestCircuitsFailOpen(t *testing.T) {
	broken := errors.New("no answer")
	for _, c := range []struct {
		name       string
		load, save error
		after      int // failures before the document fails
		calls      int // in all
	}{
		{"it is never read", broken, nil, 0, 16},
		{"it is never written", nil, broken, 0, 16},
		{"it cannot be written when the receiver is to be tried", nil, broken, 10, 11},
		{"it cannot be read when the receiver is to be tried", broken, nil, 10, 11},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				store := &documents{Store: w.store}
				w.handle.Store = store
				withCircuits(w.handle)
				w.answers = []dispatch.Answer{{Status: 503}}
				w.fail(c.after)
				store.load, store.save = c.load, c.save
				if c.after == 0 {
					w.fail(15)
				}
				time.Sleep(5 * time.Second)
				w.answers = []dispatch.Answer{{Status: 200}}
				if got := w.run(w.put("a", "")); got.State != dispatch.Delivered {
					t.Errorf("%s", got.State)
				}
				w.wantCalls(c.calls)
			})
		})
	}
}

// A circuit that could not be written is opened by the next failure, and not after as many again.
func TestACircuitThatWasNotWritten(t *testing.T) {
	inWorld(t, func(w *world) {
		store := &documents{Store: w.store, save: errors.New("no answer")}
		w.handle.Store = store
		withCircuits(w.handle)
		w.answers = []dispatch.Answer{{Status: 503}}
		w.fail(10)
		store.save = nil
		time.Sleep(time.Second)
		w.fail(1)
		if open := w.circuits(); len(open) != 1 {
			t.Errorf("open: %v", open)
		}
	})
}

// documents is a store whose circuits cannot be read or written, or are read slowly.
type documents struct {
	dispatch.Store
	load, save error
	takes      time.Duration
}

func (d *documents) Load(ctx context.Context, name string) (dispatch.Document, error) {
	if name == dispatch.CircuitsName && d.load != nil {
		return dispatch.Document{}, d.load
	}
	found, err := d.Store.Load(ctx, name)
	time.Sleep(d.takes)
	return found, err
}

func (d *documents) Save(ctx context.Context, one dispatch.Document) error {
	if d.save != nil {
		return d.save
	}
	return d.Store.Save(ctx, one)
}

// One failure opens no circuit that another process has closed meanwhile.
func TestClosedMeanwhile(t *testing.T) {
	inWorld(t, func(w *world) {
		withCircuits(w.handle)
		other := withCircuits(w.newHandle(w.store))
		w.answers, w.takes = []dispatch.Answer{{Status: 503}}, 20*time.Second
		var wg sync.WaitGroup
		wg.Go(func() { other.Run(w.Context(), []dispatch.Hint{w.put("long", "")}) })
		time.Sleep(time.Second)
		w.takes = 0
		w.fail(10)
		time.Sleep(2 * time.Second)
		other.Run(w.Context(), []dispatch.Hint{w.put("learns", "")})
		w.wantCalls(11)
		time.Sleep(5 * time.Second)
		w.answers = []dispatch.Answer{{Status: 200}}
		w.run(w.put("closes", ""))
		if open := w.circuits(); len(open) != 0 {
			t.Fatalf("open: %v", open)
		}
		wg.Wait()
		if open := w.circuits(); len(open) != 0 {
			t.Errorf("opened by one failure: %v", open)
		}
	})
}

// Calls that were under way when the circuit opened have not tried the receiver, and what was not sent neither.
func TestWhatIsNoTry(t *testing.T) {
	inWorld(t, func(w *world) {
		withCircuits(w.handle)
		w.answers, w.takes = []dispatch.Answer{{Status: 503}}, time.Second
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() { w.run(w.put(fmt.Sprint("together-", i), "")) })
		}
		wg.Wait()
		w.wantCalls(20)
		circuit := w.circuits()["https://example.com"]
		if circuit.Tries != 0 || circuit.ProbeAt.Sub(circuit.Since) != 5*time.Second {
			t.Errorf("%+v", circuit)
		}
		time.Sleep(5 * time.Second)
		w.answers = []dispatch.Answer{{Error: "no key", Unsent: true}}
		w.run(w.put("unsent", ""))
		w.wantCalls(21)
		if circuit := w.circuits()["https://example.com"]; circuit.Tries != 0 || !circuit.ProbeAt.After(time.Now()) {
			t.Errorf("after a call that was not sent: %+v", circuit)
		}
	})
}

// What one tenant has a receiver answer holds back none of another's calls, and its circuits leave others room.
func TestCircuitsOfTenants(t *testing.T) {
	inWorld(t, func(w *world) {
		w.settings(`{"circuit":{"failures":1}}`)
		withCircuits(w.handle)
		w.answers = []dispatch.Answer{{Status: 503}}
		for i := range 30 {
			w.run(w.enqueue(fmt.Sprint("bad-", i), fmt.Sprintf(`,"tenant":"a","uri":"https://dead-%d.example/"`, i)))
		}
		if n := len(w.circuits()); n != 20 {
			t.Errorf("one tenant has %d circuits open, want 20", n)
		}
		if _, open := w.circuits()["a https://dead-0.example"]; !open {
			t.Errorf("open: %v", w.circuits())
		}
		w.answers = []dispatch.Answer{{Status: 200}}
		for tenant, want := range map[string]dispatch.State{"a": dispatch.Scheduled, "b": dispatch.Delivered, "": dispatch.Delivered} {
			fields := `,"uri":"https://dead-0.example/"`
			if tenant != "" {
				fields += `,"tenant":"` + tenant + `"`
			}
			if got := w.run(w.enqueue("of-"+tenant, fields)); got.State != want {
				t.Errorf("tenant %q: %s, want %s", tenant, got.State, want)
			}
		}
	})
}

// Of several targets only the one whose receiver fails waits.
func TestCircuitOfOneOfSeveralTargets(t *testing.T) {
	inWorld(t, func(w *world) {
		w.settings(`{"routes":{"order":{"targets":[{"name":"bad","uri":"https://example.com/x"},{"name":"good","uri":"https://good.example/"}]}}}`)
		withCircuits(w.handle)
		w.answers = []dispatch.Answer{{Status: 503}}
		w.fail(10)
		w.answers = []dispatch.Answer{{Status: 200}}
		task := w.run(w.enqueue("several", `,"type":"order"`))
		w.wantCalls(11)
		if task.State != dispatch.Scheduled || task.Progress[0].Attempts != 0 || task.Progress[1].State != dispatch.Delivered {
			t.Errorf("%s %+v", task.State, task.Progress)
		}
		time.Sleep(time.Until(task.DueAt))
		if task = w.run(task.Hint()); task.State != dispatch.Delivered {
			t.Errorf("%s %+v", task.State, task.Progress)
		}
	})
}

// A call that a circuit holds back uses none of its queue's limits.
func TestHeldBackCallsUseNoLimit(t *testing.T) {
	inWorld(t, func(w *world) {
		w.settings(`{"queues":{"default":{"rate":1}}}`)
		withCircuits(w.handle)
		w.answers = []dispatch.Answer{{Status: 503}}
		for i := range 10 {
			w.run(w.put(fmt.Sprint("fails-", i), ""))
			time.Sleep(time.Second)
		}
		time.Sleep(time.Second)
		for i := range 5 {
			w.run(w.put(fmt.Sprint("waits-", i), `,"attempts":{"interval":1}`))
		}
		w.answers = []dispatch.Answer{{Status: 200}}
		if got := w.run(w.enqueue("other", `,"uri":"https://other.example/"`)); got.State != dispatch.Delivered {
			t.Errorf("a task for another receiver: %s", got.State)
		}
	})
}

// What asking for a circuit takes is part of a task's time: nothing is sent after its expiry.
func TestCircuitsThatAreReadSlowly(t *testing.T) {
	inWorld(t, func(w *world) {
		w.handle.Store = &documents{Store: w.store, takes: 3 * time.Second}
		withCircuits(w.handle)
		if got := w.run(w.put("short", `,"lifetime":2,"httpTimeout":1`)); got.State != dispatch.Expired {
			t.Errorf("%s: %s", got.State, got.Reason)
		}
		w.wantCalls(0)
	})
}

// A read that stood still with its function tells what held then: it is made again.
func TestCircuitsThatWereReadLongAgo(t *testing.T) {
	inWorld(t, func(w *world) {
		withCircuits(w.handle)
		slow := &documents{Store: w.store, takes: time.Hour}
		other := withCircuits(w.newHandle(slow))
		if err := other.Run(w.Context(), []dispatch.Hint{{ID: "nothing", Queue: dispatch.DefaultQueue}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour - 2*time.Second)
		slow.takes, w.answers = 0, []dispatch.Answer{{Status: 503}}
		w.fail(10)
		time.Sleep(time.Second)
		if err := other.Run(w.Context(), []dispatch.Hint{w.put("waits", "")}); err != nil {
			t.Fatal(err)
		}
		w.wantCalls(10)
	})
}

// A change that stood still with its function, and then changed nothing, has read what held then: what was learned meanwhile stays.
func TestAChangeThatStoodStill(t *testing.T) {
	inWorld(t, func(w *world) {
		w.settings(`{"circuit":{"failures":1}}`)
		withCircuits(w.handle)
		slow := &documents{Store: w.store}
		here := withCircuits(w.newHandle(slow))
		here.Circuits.Age = 10 * time.Second
		run := func(h *dispatch.Handle, id, host string) {
			t.Helper()
			if err := h.Run(w.Context(), []dispatch.Hint{w.enqueue(id, `,"uri":"https://`+host+`.example/"`)}); err != nil {
				t.Error(err)
			}
		}
		w.answers = []dispatch.Answer{{Status: 503}}
		run(w.handle, "opens", "a")
		time.Sleep(4 * time.Second)
		run(here, "waits", "a")
		time.Sleep(2 * time.Second)
		w.answers = []dispatch.Answer{{Status: 200}}
		run(w.handle, "closes", "a")
		w.wantCalls(2)
		slow.takes = 2 * time.Second
		var wg sync.WaitGroup
		wg.Go(func() { run(here, "asks", "a") })
		time.Sleep(time.Second)
		slow.takes = 0
		w.answers = []dispatch.Answer{{Status: 503}}
		run(here, "fails", "b")
		w.answers = []dispatch.Answer{{Status: 200}}
		wg.Wait()
		w.wantCalls(4)
		run(here, "knows", "b")
		w.wantCalls(4)
	})
}

// Origins that nobody calls any more do not keep the circuits of others from opening.
func TestForgottenCircuits(t *testing.T) {
	inWorld(t, func(w *world) {
		w.settings(`{"circuit":{"failures":1}}`)
		withCircuits(w.handle)
		w.answers = []dispatch.Answer{{Status: 503}}
		fails := func(host string) bool {
			w.run(w.enqueue(host, `,"uri":"https://`+host+`.example/","attempts":{"limit":1}`))
			_, open := w.circuits()["https://"+host+".example"]
			return open
		}
		for i := range 100 {
			if !fails(fmt.Sprint("dead-", i)) {
				t.Fatalf("circuit %d did not open", i)
			}
		}
		if fails("one-more") {
			t.Error("there are more than 100")
		}
		time.Sleep(3 * time.Hour)
		if !fails("another") {
			t.Error("it did not open")
		}
	})
}

// Failures that opened a circuit are not counted again when another process has closed it.
func TestCircuitClosedByAnother(t *testing.T) {
	inWorld(t, func(w *world) {
		withCircuits(w.handle)
		w.answers = []dispatch.Answer{{Status: 503}}
		w.fail(10)
		time.Sleep(5 * time.Second)
		w.answers = []dispatch.Answer{{Status: 200}}
		if err := withCircuits(w.newHandle(w.store)).Run(w.Context(), []dispatch.Hint{w.put("try", "")}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		w.answers = []dispatch.Answer{{Status: 503}}
		w.fail(1)
		if open := w.circuits(); len(open) != 0 {
			t.Errorf("open after one failure: %v", open)
		}
	})
}

// Two processes that see a receiver fail at the same moment say once that its circuit has opened.
func TestCircuitOpensOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		var log strings.Builder
		slow := &documents{Store: w.store, takes: 20 * time.Millisecond}
		w.settings(`{"circuit":{"failures":1}}`)
		w.answers = []dispatch.Answer{{Status: 503}}
		lines := slog.New(slog.NewTextHandler(&log, nil))
		var wg sync.WaitGroup
		for i := range 2 {
			h := withCircuits(w.newHandle(slow))
			h.Circuits.Log = lines
			h.Circuits.Now = func() time.Time { return time.Now().Add(time.Duration(i)) } // no two write the same
			hint := w.put(fmt.Sprint("task-", i), "")
			wg.Go(func() {
				if err := h.Run(w.Context(), []dispatch.Hint{hint}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		w.wantCalls(2)
		if n := strings.Count(log.String(), "circuit opened"); n != 1 {
			t.Errorf("said %d times: %s", n, log.String())
		}
	})
}

// What a receiver says of one task is not shown with those of others, which may be another tenant's.
func TestCircuitsTellNoReasons(t *testing.T) {
	inWorld(t, func(w *world) {
		withCircuits(w.handle)
		w.answers = []dispatch.Answer{{Status: 503, Said: dispatch.OutcomeRetry, Reason: "invoice 17 is locked", Note: "a note"}}
		w.fail(10)
		got := w.run(w.put("a", ""))
		if p := got.Progress[0]; !dispatch.HeldBack(p) || !strings.HasSuffix(p.Error, ": status 503") {
			t.Errorf("%+v", p)
		}
	})
}
