package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

func TestAHungReceiverStopsNoOther(t *testing.T) {
	var hung gauge
	in(t, 8, func(ctx context.Context, c dispatch.Call) dispatch.Answer {
		if strings.Contains(c.Doc.URI, "hung") {
			hung.begin()
			defer hung.end()
			return slowly(ctx, time.Hour, 204) // until the timeout
		}
		return slowly(ctx, 10*time.Millisecond, 204)
	}, func(t *testing.T, r rig) {
		began := time.Now()
		r.enqueue("hung", 200, nil)
		r.enqueue("well", 50, nil) // behind them in the lane
		r.until(15*time.Second, "all of the other's delivered before the first of the hung ones ends", func() bool {
			return r.in(dispatch.Delivered, "well") == 50
		})
		if hung.most != 6 {
			t.Errorf("%d in flight to the hung receiver at once, want 6 of 8 workers", hung.most)
		}
		<-time.After(20*time.Second - time.Since(began)) // the first of the hung ones ends after 30
		r.claims.mu.Lock()
		defer r.claims.mu.Unlock()
		n := 0
		for id, times := range r.claims.n {
			if strings.HasPrefix(id, "hung") {
				n += times
			}
		}
		if n > 2*200 {
			t.Errorf("%d claims of 200 tasks that wait for room; those that cannot be admitted must not be claimed each second", n)
		}
	})
}

func TestTwoHungReceiversStopNoOther(t *testing.T) {
	var hung gauge
	in(t, 16, func(ctx context.Context, c dispatch.Call) dispatch.Answer {
		if strings.Contains(c.Doc.URI, "hung") {
			hung.begin()
			defer hung.end()
			return slowly(ctx, time.Hour, 204) // until the timeout
		}
		return slowly(ctx, 10*time.Millisecond, 204)
	}, func(t *testing.T, r rig) {
		r.enqueue("hung1", 200, nil)
		r.enqueue("hung2", 200, nil)
		r.enqueue("well", 50, nil) // behind them in the lane
		r.until(15*time.Second, "all of the other's delivered before the first of the hung ones ends", func() bool {
			return r.in(dispatch.Delivered, "well") == 50
		})
		if hung.most != 15 {
			t.Errorf("%d in flight to the hung receivers at once, want 12 and 3 of 16 workers", hung.most)
		}
		r.until(time.Hour, "those that wait have their turns", func() bool {
			r.claims.mu.Lock()
			defer r.claims.mu.Unlock()
			return r.claims.n["hung1-15"] > 1 && r.claims.n["hung2-15"] > 1
		})
	})
}

// Many that wait for a receiver which answers, but slowly, are looked at now and then, a few at a time, however long that
// goes on.
func TestThoseThatWaitAreNotClaimedAllAtOnce(t *testing.T) {
	const waiting = 5000
	in(t, 8, func(ctx context.Context, c dispatch.Call) dispatch.Answer {
		return slowly(ctx, 29*time.Second, 204)
	}, func(t *testing.T, r rig) {
		r.enqueue("slow", waiting, nil)
		claimed := func() (n int) {
			r.claims.mu.Lock()
			defer r.claims.mu.Unlock()
			for _, times := range r.claims.n {
				n += times
			}
			return n
		}
		<-time.After(10 * time.Second)
		for range 20 {
			before := claimed()
			<-time.After(10 * time.Second)
			if n := claimed() - before; n > 10*100*2 {
				t.Fatalf("%d claims within ten seconds, of %d tasks of which two were delivered", n, waiting)
			}
		}
	})
}

// Those that end while they wait for their turn do not keep it from the others.
func TestATurnThatIsNotUsedIsPassedOn(t *testing.T) {
	in(t, 8, func(ctx context.Context, c dispatch.Call) dispatch.Answer {
		return slowly(ctx, 10*time.Second, 204)
	}, func(t *testing.T, r rig) {
		r.enqueue("busy", 6, nil) // all of the receiver's share
		<-time.After(time.Second)
		r.enqueue("slow", 60, func(task *dispatch.Task) {
			task.Doc = []byte(strings.ReplaceAll(string(task.Doc), "https://slow/", "https://busy/"))
		})
		<-time.After(3 * time.Second)
		for i := 0; i < 60; i += 2 { // as those that expire, or are cancelled, do
			if _, _, err := r.store.Edit(t.Context(), fmt.Sprint("slow-", i), func(task *dispatch.Task) error {
				task.State, task.EndedAt, task.Lane, task.DueAt = dispatch.Cancelled, time.Now(), "", time.Time{}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		r.until(60*time.Second, "the others are delivered, six at once", func() bool { return r.in(dispatch.Delivered, "slow") == 30 })
	})
}

// Functions have one endpoint, and are receivers of their own all the same.
func TestAHungFunctionStopsNoOther(t *testing.T) {
	toFunction := func(task *dispatch.Task) {
		task.Doc = []byte(strings.NewReplacer("https://", "arn:aws:lambda:eu-west-1:123456789012:function:", `/"`, `"`).Replace(string(task.Doc)))
	}
	in(t, 8, func(ctx context.Context, c dispatch.Call) dispatch.Answer {
		if strings.HasSuffix(c.Doc.URI, ":function:hung") {
			return slowly(ctx, time.Hour, 200)
		}
		return slowly(ctx, 10*time.Millisecond, 200)
	}, func(t *testing.T, r rig) {
		r.enqueue("hung", 200, toFunction)
		r.enqueue("well", 50, toFunction)
		r.until(15*time.Second, "all of the other's delivered before the first of the hung ones ends", func() bool {
			return r.in(dispatch.Delivered, "well") == 50
		})
	})
}

// A task's targets are called side by side: one that has no room for it keeps the others from nothing.
func TestAHungTargetStopsNoOther(t *testing.T) {
	failed := false
	in(t, 8, func(ctx context.Context, c dispatch.Call) dispatch.Answer {
		switch {
		case strings.Contains(c.Doc.URI, "hung"):
			return slowly(ctx, time.Hour, 204) // until the timeout
		case !failed:
			failed = true
			return dispatch.Answer{Status: 503}
		default:
			return dispatch.Answer{Status: 204}
		}
	}, func(t *testing.T, r rig) {
		r.enqueue("hung", 200, nil)
		<-time.After(2 * time.Second) // all of the receiver's share is taken
		r.enqueue("several", 1, func(task *dispatch.Task) {
			d, err := dispatch.DecodeDoc(task.Doc)
			if err != nil {
				t.Fatal(err)
			}
			to := func(name string) dispatch.Target {
				return dispatch.Target{
					Name: name, Method: d.Method, URI: "https://" + name + "/", Format: d.Format, HTTPTimeout: d.HTTPTimeout,
					SuccessCodes: d.SuccessCodes, Attempts: d.Attempts,
				}
			}
			d.Type, d.Targets, d.URI = "paid", []dispatch.Target{to("hung"), to("well")}, ""
			if task.Doc, err = json.Marshal(d); err != nil {
				t.Fatal(err)
			}
		})
		r.until(10*time.Second, "the other target is tried again, a second after it failed", func() bool {
			progress := r.store.Get(t.Context(), []string{"several-0"})[0].Task.Progress
			return len(progress) == 2 && progress[1].State == dispatch.Delivered
		})
	})
}

func TestOneFastReceiverIsPutOffNothing(t *testing.T) {
	in(t, 8, func(ctx context.Context, c dispatch.Call) dispatch.Answer {
		return slowly(ctx, 5*time.Millisecond, 204)
	}, func(t *testing.T, r rig) {
		r.enqueue("fast", 500, nil)
		r.until(time.Minute, "all delivered", func() bool { return r.in(dispatch.Delivered, "fast") == 500 })
		r.claims.mu.Lock()
		defer r.claims.mu.Unlock()
		for id, n := range r.claims.n {
			if n != 1 {
				t.Errorf("%s was claimed %d times: it was put back", id, n)
			}
		}
	})
}

func TestOneSlowReceiverIsKeptBusy(t *testing.T) {
	in(t, 8, func(ctx context.Context, c dispatch.Call) dispatch.Answer {
		return slowly(ctx, 500*time.Millisecond, 204)
	}, func(t *testing.T, r rig) {
		r.enqueue("slow", 240, nil) // 20 s of 6 calls at once, if no worker of its share is ever idle
		r.until(25*time.Second, "all delivered", func() bool { return r.in(dispatch.Delivered, "slow") == 240 })
	})
}

func TestASuspectRunsByItself(t *testing.T) {
	var calls gauge
	ran := 0
	in(t, 8, func(ctx context.Context, c dispatch.Call) dispatch.Answer {
		others := calls.begin()
		defer calls.end()
		if !strings.Contains(c.Doc.URI, "suspect") {
			return slowly(ctx, 700*time.Millisecond, 204)
		}
		ran++
		began := calls.most
		if others != 0 {
			t.Errorf("%d others in flight when a suspect began", others)
		}
		answer := slowly(ctx, 3*time.Second, 204)
		calls.mu.Lock()
		defer calls.mu.Unlock()
		if calls.now != 1 || calls.most != began {
			t.Errorf("%d in flight beside a suspect", calls.now-1)
		}
		return answer
	}, func(t *testing.T, r rig) {
		lapsed := func(task *dispatch.Task) { // with its next claim a task has lapsed twice
			task.Lapses, task.Lease, task.Until = 1, "of a killed server", time.Now()
		}
		r.enqueue("normal", 40, nil)
		r.enqueue("suspect", 2, lapsed)
		r.enqueue("other", 40, nil)
		r.until(5*time.Minute, "all delivered", func() bool {
			return r.in(dispatch.Delivered, "suspect") == 2 && r.in(dispatch.Delivered, "normal") == 40 && r.in(dispatch.Delivered, "other") == 40
		})
		if ran != 2 {
			t.Errorf("the suspects were called %d times, want 2", ran)
		}
	})
}

func TestASuspectIsNotPutOffForEver(t *testing.T) {
	in(t, 8, func(ctx context.Context, c dispatch.Call) dispatch.Answer {
		if strings.Contains(c.Doc.URI, "suspect") {
			return dispatch.Answer{Status: 204}
		}
		return slowly(ctx, time.Hour, 204)
	}, func(t *testing.T, r rig) {
		r.enqueue("hung", 100, nil) // some of them are in flight at any time
		r.enqueue("suspect", 1, func(task *dispatch.Task) {
			task.Lapses, task.Lease, task.Until = 1, "of a killed server", time.Now()
		})
		r.until(10*time.Minute, "the suspect is delivered", func() bool { return r.in(dispatch.Delivered, "suspect") == 1 })
	})
}
