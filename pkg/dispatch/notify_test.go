package dispatch_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// Somebody is told of final failures and of the n-th failed attempt, beside each ERROR line of the log and of nothing
// else, once the store has it.
func TestNotify(t *testing.T) {
	for _, test := range []struct {
		name, fields string
		answers      []dispatch.Answer
		want         string // kind: state, attempts, reason
	}{
		{"delivered", ``, []dispatch.Answer{{Status: 200}}, ""},
		{"a failed attempt", ``, []dispatch.Answer{{Status: 500}, {Status: 200}}, ""},
		{"stopped", `,"stopCodes":404`, []dispatch.Answer{{Status: 404}}, "Task Failed: stopped, 1, stop code 404"},
		{"exhausted", `,"attempts":{"limit":2}`, []dispatch.Answer{{Status: 500}}, "Task Failed: exhausted, 2, attempt 2 of 2 failed: status 500"},
		{"expired", `,"lifetime":90,"attempts":{"limit":9}`, []dispatch.Answer{{Status: 500}}, "Task Failed: expired, 2, the next attempt would come too late"},
		{"the fifth attempt, and the last", `,"attempts":{"limit":7}`, []dispatch.Answer{{Status: 500}},
			"Task Keeps Failing: scheduled, 5, status 500; Task Failed: exhausted, 7, attempt 7 of 7 failed: status 500"},
		{"as it was set", `,"notifyAttempts":2`, []dispatch.Answer{{Status: 500}, {Error: "connection refused"}, {Status: 500}, {Status: 200}},
			"Task Keeps Failing: scheduled, 2, connection refused"},
		{"waiting is no failure", `,"notifyAttempts":1`, []dispatch.Answer{{Status: 425}, {Status: 500}, {Status: 425}, {Status: 425}, {Status: 200}},
			"Task Keeps Failing: scheduled, 1, status 500"},
		{"the last one only once", `,"notifyAttempts":2,"attempts":{"limit":2}`, []dispatch.Answer{{Status: 500}}, "Task Failed: exhausted, 2, attempt 2 of 2 failed: status 500"},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				var log bytes.Buffer
				var told []string
				w.answers = test.answers
				w.handle.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))
				w.handle.Notify = func(_ context.Context, e dispatch.Event) {
					now := w.get("a")
					if now.State != e.State || now.Lease != "" {
						t.Errorf("told of %s while it is %s with lease %q", e.State, now.State, now.Lease)
					}
					if e.ID != "a" || e.Queue != "default" || e.Run != 1 || e.Identifier != "i" || e.Group != "" {
						t.Errorf("%+v", e)
					}
					told = append(told, fmt.Sprintf("%s: %s, %d, %s", e.Kind, e.State, e.Attempts, e.Reason))
				}
				w.runUntilFinal(w.put("a", `,"identifier":"i"`+test.fields))
				if got := strings.Join(told, "; "); got != test.want {
					t.Errorf("told %s\nwant %s", got, test.want)
				}
				if lines := strings.Count(log.String(), "\n"); lines != len(told) {
					t.Errorf("%d events, but in the log %s", len(told), log.String())
				}
			})
		})
	}
}

func TestNotifyOfAGroup(t *testing.T) {
	inWorld(t, func(w *world) {
		var told []string
		w.handle.Notify = func(_ context.Context, e dispatch.Event) {
			told = append(told, fmt.Sprintf("%s %s %s", e.ID, e.State, e.Group))
		}
		w.answers = []dispatch.Answer{{Status: 500}, {Status: 500}, {Status: 200}}
		head := w.put("a", `,"group":"g","attempts":{"limit":1}`)
		w.put("b", `,"group":"g","attempts":{"limit":1},"groupOnFailure":"hold"`)
		w.put("c", `,"group":"g"`)
		w.run(head)
		w.wantStates("a=exhausted b=held c=blocked")
		if got := strings.Join(told, ", "); got != "a exhausted g, b held g" {
			t.Errorf("told %s", got)
		}
	})
}

// A settle that was not written tells nobody.
func TestNotifyOfNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		w.handle.Notify = func(_ context.Context, e dispatch.Event) { t.Errorf("told of %+v", e) }
		w.answers = []dispatch.Answer{{Status: 404}}
		w.handle.Store = &deaf{w.store, 1 << 30, false}
		h := w.put("a", `,"stopCodes":404`)
		if err := w.handle.Run(w.Context(), []dispatch.Hint{h}); err == nil {
			t.Error("no error although it never settled")
		}
	})
}

// Of several targets each that keeps failing is told of, by its name.
func TestNotifyOfSeveralTargets(t *testing.T) {
	inWorld(t, func(w *world) {
		w.receivers(map[string][]int{"a": {500, 500, 500, 200}, "b": {500, 500, 418}, "c": {200}}, map[string]time.Duration{"c": time.Second})
		w.settings(`{"routes":{"t":` + route("a", "b", "c") + `}}`)
		var told []string
		w.handle.Notify = func(_ context.Context, e dispatch.Event) {
			if now := w.get("a"); now.Lease != "" || e.Type != "t" {
				t.Errorf("%+v, while it has the lease %q", e, now.Lease)
			}
			told = append(told, fmt.Sprintf("%s %s %s %d %s", e.Kind, e.Target, e.State, e.Attempts, e.Reason))
		}
		w.runUntilFinal(w.enqueue("a", `,"type":"t","notifyAttempts":2`))
		slices.Sort(told)
		want := "Task Failed  stopped 4 b: stop code 418; Task Keeps Failing a scheduled 2 status 500; Task Keeps Failing b scheduled 2 status 500"
		if got := strings.Join(told, "; "); got != want {
			t.Errorf("told %s\nwant %s", got, want)
		}
	})
}

// A bus that hangs holds up the group's next task for two seconds, and no longer.
func TestNobodyWaitsLongForABus(t *testing.T) {
	inWorld(t, func(w *world) {
		w.handle.Notify = func(ctx context.Context, _ dispatch.Event) { <-ctx.Done() }
		w.answers = []dispatch.Answer{{Status: 404}, {Status: 200}}
		began := time.Now()
		head := w.put("a", `,"group":"g","stopCodes":404`)
		w.put("b", `,"group":"g"`)
		w.run(head)
		w.wantStates("a=stopped b=delivered")
		if took := w.sentAt[1].Sub(began); took != 2*time.Second {
			t.Errorf("the next one went after %v", took)
		}
	})
}
