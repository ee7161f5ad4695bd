package engine_test

import (
	"context"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// outage is what a receiver that is away for a while, and the others beside it, have seen.
type outage struct {
	back  time.Time                             // when it answers again
	away  func(context.Context) dispatch.Answer // until then
	takes time.Duration                         // a call, then

	mu    sync.Mutex
	tries int             // calls while it was away, but for
	last  int             // those that were their task's last moment
	after []time.Time     // calls since
	times map[string]int  // of those, by task
	late  []time.Duration // of the others' calls, after they were due
}

func (o *outage) send(ctx context.Context, c dispatch.Call) dispatch.Answer {
	if !strings.Contains(c.Doc.URI, "away") {
		o.mu.Lock()
		o.late = append(o.late, time.Since(c.Task.DueAt))
		o.mu.Unlock()
		return slowly(ctx, 10*time.Millisecond, 204)
	}
	o.mu.Lock()
	back := !time.Now().Before(o.back)
	switch {
	case back:
		o.after = append(o.after, time.Now())
		o.times[c.Task.ID]++
	case !c.Task.ExpireAt.IsZero() && time.Until(c.Task.ExpireAt) <= c.Task.Timeout:
		o.last++
	default:
		o.tries++
	}
	o.mu.Unlock()
	if back {
		return slowly(ctx, o.takes, 204)
	}
	return o.away(ctx)
}

// busiest returns the most calls within any one second.
func busiest(at []time.Time) (most int) {
	for i, first := 0, 0; i < len(at); i++ {
		for at[i].Sub(at[first]) >= time.Second {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// waiting is how many tasks wait for a receiver that is away.
func waiting(t *testing.T) int {
	t.Helper()
	text, ok := os.LookupEnv("OVERLOAD_WAITING")
	if !ok {
		return 300
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A receiver that is away for an hour, while thousands of tasks wait for it, is called by single tries, and once it is
// back its tasks come spread over five minutes. Those for others are late at no time.
func TestAReceiverBackAfterAnHour(t *testing.T) {
	const (
		workers  = 16
		spread   = 5 * time.Minute
		expiring = 20 // tasks that end before it is back
	)
	for _, c := range []struct {
		name  string
		away  func(context.Context) dispatch.Answer
		takes time.Duration // by the receiver once it is back
	}{
		{"it refuses connections", func(ctx context.Context) dispatch.Answer {
			return slowly(ctx, time.Millisecond, 0)
		}, 100 * time.Millisecond},
		{"it hangs", func(ctx context.Context) dispatch.Answer { return slowly(ctx, time.Hour, 0) }, 100 * time.Millisecond},
		{"it answers 503, and is slow once it is back", func(ctx context.Context) dispatch.Answer {
			return slowly(ctx, time.Second, 503)
		}, time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := waiting(t)
			o := &outage{away: c.away, takes: c.takes, times: map[string]int{}}
			in(t, workers, o.send, func(t *testing.T, r rig) {
				began := time.Now()
				o.back = began.Add(time.Hour)
				r.enqueue("away", n, nil)
				r.enqueue("away", expiring, func(task *dispatch.Task) {
					task.ID = "expiring-" + task.ID
					task.ExpireAt = began.Add(40 * time.Minute)
					task.TTL = task.ExpireAt.Add(dispatch.DefaultRetention)
				})
				fresh := 0
				for time.Since(began) < time.Hour+2*spread {
					<-time.After(17*time.Second + 130*time.Millisecond)
					r.enqueue("other"+strconv.Itoa(fresh), 1, nil)
					fresh++
				}
				<-time.After(5 * time.Second)

				o.mu.Lock()
				defer o.mu.Unlock()
				slices.SortFunc(o.after, time.Time.Compare)
				delivered := r.in(dispatch.Delivered, "away")
				attempts := 0
				for task, err := range r.store.List(t.Context(), dispatch.Filter{}) {
					if err != nil {
						t.Fatal(err)
					}
					if strings.Contains(task.ID, "away-") && len(task.Progress) > 0 {
						attempts += task.Progress[0].Attempts
					}
				}
				most := busiest(o.after)
				end := o.after[len(o.after)-1].Sub(o.back)
				t.Logf("overload: %d tasks waited an hour, %s: %d calls tried it and %d were last moments; %d calls in the busiest second after its return, the last after %v; the latest of %d for others was %v late",
					n, c.name, o.tries, o.last, most, end.Round(time.Second), fresh, slices.Max(o.late))

				if delivered != n {
					t.Errorf("%d of %d were delivered", delivered, n)
				}
				for id, times := range o.times {
					if times != 1 {
						t.Errorf("%s was called %d times after the return", id, times)
					}
				}
				if bound := 10 + workers + int(time.Hour/time.Minute) + 5; o.tries > bound {
					t.Errorf("%d calls tried it within the hour, want %d at most", o.tries, bound)
				}
				if attempts != o.tries+o.last+n {
					t.Errorf("%d attempts were counted for %d calls", attempts, o.tries+o.last+n)
				}
				if o.last == 0 || o.last > expiring { // together they are more than the receiver's share of the workers
					t.Errorf("%d last moments of %d tasks that expired", o.last, expiring)
				}
				if even := n / int(spread/time.Second); most > 3*even+10 {
					t.Errorf("%d calls in one second after the return; %d if they were even", most, even)
				}
				if end > 2*time.Minute+spread+30*time.Second { // behind the next try but one
					t.Errorf("the last came %v after the return", end)
				}
				if len(o.late) != fresh {
					t.Errorf("%d of %d for others were called", len(o.late), fresh)
				}
				if latest := slices.Max(o.late); latest > 1500*time.Millisecond { // the sweep looks once a second
					t.Errorf("one for others was %v late", latest)
				}
			})
		})
	}
}
