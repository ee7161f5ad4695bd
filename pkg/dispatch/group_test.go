package dispatch_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/rule"
)

// order returns the ids of the calls in the order in which they were made.
func (w *world) order() string {
	var ids []string
	for _, c := range w.calls {
		ids = append(ids, c.Task.ID)
	}
	return strings.Join(ids, " ")
}

func (w *world) wantStates(want string) {
	w.Helper()
	var got []string
	for _, one := range strings.Fields(want) {
		id, _, _ := strings.Cut(one, "=")
		got = append(got, id+"="+string(w.get(id).State))
	}
	if s := strings.Join(got, " "); s != want {
		w.Errorf("states %s\nwant   %s", s, want)
	}
}

func TestGroupRunsInOrder(t *testing.T) {
	inWorld(t, func(w *world) {
		head := w.put("a", `,"group":"g"`)
		for _, id := range []string{"b", "c", "d"} {
			w.put(id, `,"group":"g"`)
		}
		w.wantStates("a=scheduled b=blocked c=blocked d=blocked")
		for _, id := range []string{"b", "c", "d"} { // a hint is no right to pass
			w.run(dispatch.Hint{ID: id, Queue: "default"})
		}
		w.wantCalls(0)
		start := time.Now()
		w.run(head)
		if got := w.order(); got != "a b c d" || time.Since(start) != 0 {
			t.Errorf("called %s in %v: each starts when the one before it ends", got, time.Since(start))
		}
		w.wantStates("a=delivered b=delivered c=delivered d=delivered")
		w.run(w.put("e", `,"group":"g"`))
		w.wantStates("e=delivered")
	})
}

func TestGroupFailures(t *testing.T) {
	for _, test := range []struct {
		name, fields string
		answers      []int
		wantCalls    string
		wantStates   string
	}{
		{"one that is retried blocks", `,"attempts":{"interval":60}`, []int{500}, "a", "a=scheduled b=blocked c=blocked"},
		{"one that ends badly lets the next one go", `,"attempts":{"limit":1}`, []int{500, 200}, "a b c", "a=exhausted b=delivered c=delivered"},
		{"stopped too", `,"stopCodes":[410]`, []int{410, 200}, "a b c", "a=stopped b=delivered c=delivered"},
		{"or holds them", `,"attempts":{"limit":1},"groupOnFailure":"hold"`, []int{500, 200}, "a", "a=held b=blocked c=blocked"},
		{"delivered, nothing is held", `,"groupOnFailure":"hold"`, []int{200}, "a b c", "a=delivered b=delivered c=delivered"},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.answers = nil
				for _, status := range test.answers {
					w.answers = append(w.answers, dispatch.Answer{Status: status})
				}
				head := w.put("a", `,"group":"g"`+test.fields)
				w.put("b", `,"group":"g"`)
				w.put("c", `,"group":"g"`)
				w.run(head)
				if got := w.order(); got != test.wantCalls {
					t.Errorf("called %s, want %s", got, test.wantCalls)
				}
				w.wantStates(test.wantStates)
			})
		})
	}
}

func TestGroupByHand(t *testing.T) {
	held := func(w *world) {
		w.answers = []dispatch.Answer{{Status: 500}, {Status: 200}}
		head := w.put("a", `,"group":"g","attempts":{"limit":1},"groupOnFailure":"hold","lifetime":600`)
		w.put("b", `,"group":"g"`)
		w.run(head)
		w.wantStates("a=held b=blocked")
		if got := w.get("a"); got.Reason == "" || !got.DueAt.IsZero() || !got.EndedAt.IsZero() || !got.TTL.IsZero() {
			w.Errorf("held: %+v", got)
		}
		time.Sleep(time.Hour)
	}
	for _, test := range []struct {
		name string
		do   func(e *dispatch.Editor, ctx context.Context) (dispatch.Task, error)
		want string
	}{
		{"retry", func(e *dispatch.Editor, ctx context.Context) (dispatch.Task, error) { return e.Retry(ctx, "a") }, "a=delivered b=delivered"},
		{"skip", func(e *dispatch.Editor, ctx context.Context) (dispatch.Task, error) { return e.Skip(ctx, "a") }, "a=skipped b=delivered"},
		{"cancel", func(e *dispatch.Editor, ctx context.Context) (dispatch.Task, error) { return e.Cancel(ctx, "a") }, "a=cancelled b=delivered"},
	} {
		inWorld(t, func(w *world) {
			held(w)
			e := w.editor()
			e.Invoke = w.handle.Run // the turn passes at once
			if _, err := test.do(e, w.Context()); err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
			w.wantStates(test.want)
		})
	}
	t.Run("a blocked one that is cancelled ends at its turn, without a call", func(t *testing.T) {
		inWorld(t, func(w *world) {
			head := w.put("a", `,"group":"g"`)
			w.put("b", `,"group":"g","delay":3600`)
			w.put("c", `,"group":"g"`)
			if got, err := w.editor().Cancel(w.Context(), "b"); err != nil || got.State != dispatch.Blocked || !got.Flag {
				t.Errorf("%+v, %v", got, err)
			}
			w.run(head)
			if got := w.order(); got != "a c" {
				t.Errorf("called %s", got)
			}
			w.wantStates("a=delivered b=cancelled c=delivered")
		})
	})
	t.Run("one that runs again joins the tail", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.run(w.put("a", `,"group":"g"`))
			head := w.put("b", `,"group":"g"`)
			if _, err := w.editor().Retry(w.Context(), "a"); err != nil {
				t.Error(err)
			}
			w.put("c", `,"group":"g"`)
			w.wantStates("a=blocked b=scheduled c=blocked")
			w.run(head)
			if got := w.order(); got != "a b a c" {
				t.Errorf("called %s", got)
			}
			if key := w.calls[2].IdempotencyKey(); key != "a/2" {
				t.Errorf("the second run's key is %s", key)
			}
		})
	})
}

func TestGroupWaitsForAHeadInTheFuture(t *testing.T) {
	inWorld(t, func(w *world) {
		head := w.put("a", `,"group":"g","delay":60`)
		b := w.put("b", `,"group":"g"`)
		w.run(head)
		w.run(b)
		w.wantCalls(0)
		time.Sleep(time.Minute)
		w.run(head)
		if got := w.order(); got != "a b" {
			t.Errorf("called %s", got)
		}
	})
}

func TestGroupLeavesTheRestToTheSweepInTime(t *testing.T) {
	inWorld(t, func(w *world) {
		w.takes = 20 * time.Second
		head := w.put("a", `,"group":"g"`)
		w.put("b", `,"group":"g"`)
		ctx, cancel := context.WithTimeout(w.Context(), 50*time.Second) // too short for a second one of 30 s
		defer cancel()
		if err := w.handle.Run(ctx, []dispatch.Hint{head}); err != nil {
			t.Error(err)
		}
		w.wantStates("a=delivered b=scheduled")
	})
}

func TestPausedQueue(t *testing.T) {
	inSweep(t, func(s *sweeper) {
		s.delivering()
		s.settings(`{"queues":{"mail":{}}}`)
		h := s.put("a", `,"queue":"mail"`)
		s.put("b", "")
		s.settings(`{"queues":{"mail":{"paused":true}}}`)
		for _, queue := range []string{"mail", "", "default"} { // a hint may be wrong
			if err := s.handle.Run(s.Context(), []dispatch.Hint{{ID: h.ID, Queue: queue}}); err != nil {
				t.Error(err)
			}
		}
		s.run()
		s.wantStates("a=scheduled b=delivered")
		expiring := s.put("c", `,"queue":"mail","lifetime":600`)
		time.Sleep(59 * time.Minute) // the next full hour
		s.run()
		s.wantStates("a=scheduled c=expired")
		_ = expiring
		s.settings(`{"queues":{"mail":{}}}`)
		s.run()
		s.wantStates("a=delivered")
		if got := s.order(); got != "b a" {
			t.Errorf("called %s", got)
		}
	})
}

// settings replaces the settings.
func (w *world) settings(input string) {
	w.Helper()
	s, err := dispatch.ParseSettings([]byte(input), rule.Check)
	if err != nil {
		w.Fatal(err)
	}
	if _, err := dispatch.SaveSettings(w.Context(), w.store, s); err != nil {
		w.Fatal(err)
	}
}

func TestPriorityAndSweepLimit(t *testing.T) {
	inSweep(t, func(s *sweeper) {
		s.sweep.Parallel = 1
		s.delivering()
		s.settings(`{"queues":{"a":{"priority":5},"b":{"priority":-1},"c":{"priority":5,"sweepLimit":2}}}`)
		for i := range 4 {
			for _, q := range []string{"a", "b", "c"} {
				s.put(fmt.Sprint(q, i), `,"queue":"`+q+`"`)
			}
		}
		s.put("d", "")
		s.run()
		if got, want := fmt.Sprint(s.events), "[[b0] [b1] [b2] [b3] [d] [a0] [a1] [a2] [a3] [c0] [c1]]"; got != want {
			t.Errorf("handed over %s\nwant        %s", got, want)
		}
		s.run()
		if s.times["c2"] != 1 || s.times["c3"] != 1 {
			t.Errorf("the next sweep goes on: %v", s.times)
		}
	})
}

func TestRate(t *testing.T) {
	inSweep(t, func(s *sweeper) {
		s.delivering()
		s.settings(`{"queues":{"slow":{"rate":2}}}`)
		for i := range 20 {
			s.put(fmt.Sprint("t", i), `,"queue":"slow"`)
		}
		s.put("other", "")
		s.run()
		s.wantCalls(21)
		perSecond := map[int64]int{}
		for i, at := range s.sentAt {
			if s.calls[i].Task.ID != "other" {
				perSecond[at.Unix()]++
			}
		}
		for second, n := range perSecond {
			if n > 2 {
				t.Errorf("%d calls in second %d", n, second)
			}
		}
		if len(perSecond) > 12 {
			t.Errorf("spread over %d seconds", len(perSecond))
		}
	})
}

func TestInFlight(t *testing.T) {
	inSweep(t, func(s *sweeper) {
		s.delivering()
		s.takes = 3500 * time.Millisecond
		s.settings(`{"queues":{"few":{"inFlight":3}}}`)
		var mu sync.Mutex
		under, most := 0, 0
		s.handle.Send = func(ctx context.Context, c dispatch.Call) dispatch.Answer {
			mu.Lock()
			under++
			most = max(most, under)
			mu.Unlock()
			a := s.send(ctx, c)
			mu.Lock()
			under--
			mu.Unlock()
			return a
		}
		invoke := s.sweep.Invoke
		s.sweep.Invoke = func(ctx context.Context, hints []dispatch.Hint) error { go invoke(ctx, hints); return nil }
		for i := range 12 {
			s.put(fmt.Sprint("t", i), `,"queue":"few","attempts":{"limit":1}`)
		}
		go s.run()
		s.run()
		time.Sleep(time.Minute)
		s.wantCalls(12)
		if most != 3 {
			t.Errorf("%d under way at once, want 3", most)
		}
		for i := range 12 {
			if got := s.get(fmt.Sprint("t", i)); got.State != dispatch.Delivered || got.Progress[0].Attempts != 1 {
				t.Errorf("%s is %s after %d attempts", got.ID, got.State, got.Progress[0].Attempts)
			}
		}
	})
}

func TestRules(t *testing.T) {
	for _, test := range []struct {
		rule  string
		want  dispatch.State
		calls int
	}{
		{`body.total > 10`, dispatch.Delivered, 1},
		{`body.total > 100`, dispatch.Skipped, 0},
		{`body.name > 3`, dispatch.Stopped, 0},
	} {
		inWorld(t, func(w *world) {
			got := w.run(w.put("a", `,"body":{"total":12,"name":"x"},"when":"`+test.rule+`"`))
			w.wantCalls(test.calls)
			if got.State != test.want || got.State != dispatch.Delivered && !strings.Contains(got.Reason, "rule") {
				t.Errorf("%s: %s because %q", test.rule, got.State, got.Reason)
			}
		})
	}
}

func TestCallbacks(t *testing.T) {
	for _, test := range []struct {
		name   string
		fields string
		status int
		want   string // the callback's kind
	}{
		{"failure", `,"onFailure":{"uri":"https://example.com/failed"},"onSuccess":{"uri":"https://example.com/done"}`, 500, "failure"},
		{"success", `,"onFailure":{"uri":"https://example.com/failed"},"onSuccess":{"uri":"https://example.com/done"}`, 200, "success"},
		{"nobody asked", `,"onFailure":{"uri":"https://example.com/failed"}`, 200, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.answers = []dispatch.Answer{{Status: test.status, Body: strings.Repeat("é", 1000)}, {Status: 200}}
				got := w.run(w.put("a", `,"body":{"x":1},"attempts":{"limit":1},"identifier":"seven"`+test.fields))
				var told []dispatch.Task
				for task := range w.store.List(w.Context(), dispatch.Filter{}) {
					if task.ID != "a" {
						told = append(told, task)
					}
				}
				if test.want == "" {
					if len(told) != 0 {
						t.Errorf("told %v", told)
					}
					return
				}
				if len(told) != 1 || told[0].ID != fmt.Sprintf("a/%d/%s", got.Generation, test.want) {
					t.Fatalf("told %v", told)
				}
				w.run(told[0].Hint())
				w.wantCalls(2)
				var body struct {
					ID, State, Identifier string
					Attempts              int
					Request               struct{ Body json.RawMessage }
					Answer                struct {
						Status int
						Body   string
					}
				}
				if err := json.Unmarshal(w.calls[1].Doc.Body, &body); err != nil {
					t.Fatal(err)
				}
				if body.ID != "a" || body.State != string(got.State) || body.Identifier != "seven" || body.Attempts != 1 || string(body.Request.Body) != `{"x":1}` ||
					body.Answer.Status != test.status || body.Answer.Body != strings.Repeat("é", 512) {
					t.Errorf("it carries %+v", body)
				}
				if got := w.get(told[0].ID); got.State != dispatch.Delivered {
					t.Errorf("the callback is %s", got.State)
				}
			})
		})
	}
}
