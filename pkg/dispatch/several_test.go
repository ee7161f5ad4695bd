package dispatch_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// receivers answer by the target's name, each in turn; the last answer for ever. Without any they deliver.
func (w *world) receivers(answers map[string][]int, takes map[string]time.Duration) {
	calls := map[string]int{}
	w.handle.Send = func(ctx context.Context, c dispatch.Call) dispatch.Answer {
		w.mu.Lock()
		n := calls[c.Target]
		calls[c.Target]++
		w.calls, w.sentAt = append(w.calls, c), append(w.sentAt, time.Now())
		w.mu.Unlock()
		select {
		case <-time.After(takes[c.Target]):
		case <-ctx.Done():
			return dispatch.Answer{Error: "timeout"}
		}
		status := 200
		if all := answers[c.Target]; len(all) > 0 {
			status = all[min(n, len(all)-1)]
		}
		return dispatch.Answer{Status: status}
	}
}

// called tells which target was called when, in seconds from began: "a@0 b@0 b@60".
func (w *world) called(began time.Time) string {
	all := make([]string, len(w.calls))
	for i, c := range w.calls {
		all[i] = fmt.Sprintf("%s@%v", c.Target, w.sentAt[i].Sub(began).Seconds())
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func states(t dispatch.Task) string {
	all := make([]string, len(t.Progress))
	for i, p := range t.Progress {
		all[i] = string(p.State)
	}
	return strings.Join(all, " ")
}

func TestSeveralTargets(t *testing.T) {
	for _, test := range []struct {
		name    string
		more    map[string]string // fields of targets
		task    string            // fields of the task
		answers map[string][]int
		want    dispatch.State
		reason  string
		states  string
		called  string
	}{
		{"all deliver", nil, "", nil, dispatch.Delivered, "", "delivered delivered delivered", "a@0 b@0 c@0"},
		{"one is tried again, and nobody else", nil, "", map[string][]int{"b": {500, 503, 200}}, dispatch.Delivered, "", "delivered delivered delivered", "a@0 b@0 b@120 b@60 c@0"},
		{
			"each by its own policy", map[string]string{"a": `,"attempts":{"interval":10}`, "b": `,"attempts":{"intervals":[7,25]}`}, "",
			map[string][]int{"a": {500, 500, 200}, "b": {500, 500, 200}, "c": {425, 200}}, dispatch.Delivered, "", "delivered delivered delivered",
			"a@0 a@10 a@20 b@0 b@32 b@7 c@0 c@60",
		},
		{"one stops", nil, "", map[string][]int{"b": {418}}, dispatch.Stopped, "b: stop code 418", "delivered stopped delivered", "a@0 b@0 c@0"},
		{
			"the first that failed", map[string]string{"a": `,"attempts":{"limit":2}`, "c": `,"attempts":{"interval":10,"limit":3},"stopCodes":404`}, "",
			map[string][]int{"a": {500}, "c": {500, 404}}, dispatch.Stopped, "c: stop code 404", "exhausted delivered stopped", "a@0 a@60 b@0 c@0 c@10",
		},
		{"a failure ends nothing that is open", nil, "", map[string][]int{"a": {418}, "c": {500, 200}}, dispatch.Stopped, "a: stop code 418", "stopped delivered delivered", "a@0 b@0 c@0 c@60"},
		{"its own codes", map[string]string{"a": `,"successCodes":404`, "b": `,"stopCodes":404`}, "", map[string][]int{"a": {404}, "b": {404}, "c": {404, 200}}, dispatch.Stopped, "b: stop code 404", "delivered stopped delivered", "a@0 b@0 c@0 c@60"},
		{"a rule says no to one", map[string]string{"b": `,"when":"body.x > 1"`}, `,"body":{"x":1}`, nil, dispatch.Delivered, "", "delivered skipped delivered", "a@0 c@0"},
		{"a rule is asked again", map[string]string{"b": `,"when":"attempt < 2"`}, "", map[string][]int{"b": {500}}, dispatch.Delivered, "", "delivered skipped delivered", "a@0 b@0 c@0"},
		{"a rule cannot be evaluated", map[string]string{"b": `,"when":"body.x > 1"`}, `,"body":{"x":"1"}`, nil, dispatch.Stopped, "b: its target's rule cannot be evaluated", "delivered stopped delivered", "a@0 c@0"},
		{
			"rules say no to all", map[string]string{"a": `,"when":"false"`, "b": `,"when":"false"`, "c": `,"when":"type != \"t\""`}, "", nil,
			dispatch.Skipped, "refused by the rule of every target", "skipped skipped skipped", "",
		},
		{"the task's rule says no", nil, `,"when":"false"`, nil, dispatch.Skipped, "refused by its rule: false", "skipped skipped skipped", ""},
		{
			"the task's rule hides no failure", map[string]string{"b": `,"attempts":{"limit":9}`}, `,"when":"attempt < 2"`, map[string][]int{"a": {418}, "b": {500}},
			dispatch.Stopped, "a: stop code 418", "stopped skipped delivered", "a@0 b@0 c@0",
		},
		{
			"the task's rule leaves what is delivered", nil, `,"when":"attempt < 2"`, map[string][]int{"b": {500}},
			dispatch.Delivered, "", "delivered skipped delivered", "a@0 b@0 c@0",
		},
		{
			"it expires after another has failed", map[string]string{"b": `,"attempts":{"intervals":[1,100],"limit":9}`}, `,"lifetime":200`, map[string][]int{"a": {418}, "b": {500}},
			dispatch.Stopped, "a: stop code 418", "stopped expired delivered", "a@0 b@0 b@1 b@101 b@110 c@0",
		},
		{"it expires", map[string]string{"b": `,"attempts":{"interval":60,"limit":99}`}, `,"lifetime":150`, map[string][]int{"b": {500}}, dispatch.Expired, "b: the next attempt would come too late", "delivered expired delivered", "a@0 b@0 b@120 b@60 c@0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.handle.Chance = func() float64 { return .5 }
				w.receivers(test.answers, nil)
				var targets []string
				for _, name := range []string{"a", "b", "c"} {
					targets = append(targets, `{"name":"`+name+`","uri":"https://example.com/`+name+`"`+test.more[name]+`}`)
				}
				w.settings(`{"routes":{"t":{"targets":[` + strings.Join(targets, ",") + `]}}}`)
				began := time.Now()
				got := w.runUntilFinal(w.enqueue("one", `,"type":"t"`+test.task))
				if got.State != test.want || !strings.HasPrefix(got.Reason, test.reason) || (test.reason == "") != (got.Reason == "") {
					t.Errorf("%s because of %q, want %s: %s", got.State, got.Reason, test.want, test.reason)
				}
				if s := states(got); s != test.states {
					t.Errorf("targets %s, want %s", s, test.states)
				}
				if calls := w.called(began); calls != test.called {
					t.Errorf("called %s, want %s", calls, test.called)
				}
				for _, c := range w.calls {
					if c.IdempotencyKey() != "one/"+c.Target || c.Doc.URI != "https://example.com/"+c.Target {
						t.Errorf("target %s was called at %s under the key %s", c.Target, c.Doc.URI, c.IdempotencyKey())
					}
				}
				if slices.ContainsFunc(got.Progress, func(p dispatch.Progress) bool { return !p.NextAt.IsZero() || p.State != "" && p.EndedAt.IsZero() }) {
					t.Errorf("targets ended as %+v", got.Progress)
				}
				if got.EndedAt.IsZero() || got.TTL.IsZero() || got.Lease != "" {
					t.Errorf("ended as %+v", got)
				}
			})
		})
	}
}

// What one target has brought is kept while another is still being called: whoever dies then, it is not called again.
func TestATargetIsDoneWhenItHasAnswered(t *testing.T) {
	inWorld(t, func(w *world) {
		w.receivers(map[string][]int{"b": {503, 200}}, map[string]time.Duration{"b": 5 * time.Second, "c": time.Hour})
		w.settings(`{"routes":{"t":` + route("a", "b", "c") + `}}`)
		h := w.enqueue("one", `,"type":"t"`)
		dying, kill := context.WithCancel(context.Background())
		dead := *w.handle
		dead.Store = &deadSettle{Store: w.store}
		gone := make(chan struct{})
		go func() { defer close(gone); _ = dead.Run(dying, []dispatch.Hint{h}) }()
		time.Sleep(10 * time.Second)
		if got := w.get("one"); states(got) != "delivered  " || got.Progress[1].Attempts != 1 || got.Lease == "" || got.State != dispatch.Scheduled {
			t.Fatalf("in flight: %+v", got)
		}
		kill()
		<-gone
		if got := w.get("one"); states(got) != "delivered  " || got.Lapses != 0 {
			t.Fatalf("after the death: %+v", got)
		}
		time.Sleep(time.Until(w.get("one").Until))
		w.calls, w.sentAt = nil, nil
		w.receivers(nil, nil)
		if got := w.runUntilFinal(h); got.State != dispatch.Delivered || got.Progress[1].Attempts != 2 {
			t.Errorf("then %+v", got)
		}
		called := map[string]int{}
		for _, c := range w.calls {
			called[c.Target]++
		}
		if !maps.Equal(called, map[string]int{"b": 1, "c": 1}) {
			t.Errorf("called %v after the crash, want each that was open, once", called)
		}
	})
}

// deadSettle never settles, as a handler that is dead.
type deadSettle struct{ dispatch.Store }

var errDead = errors.New("dead")

func (s *deadSettle) Settle(context.Context, dispatch.Task, ...dispatch.Task) (dispatch.Hint, error) {
	return dispatch.Hint{}, errDead
}

// noRecord loses every record's answer; the write takes place or not.
type noRecord struct {
	dispatch.Store
	persists bool
	tried    int
}

func (s *noRecord) Record(ctx context.Context, t dispatch.Task) error {
	if s.tried++; s.persists {
		_ = s.Store.Record(ctx, t)
	}
	return errDead
}

func TestSeveralTargetsWithoutRecords(t *testing.T) {
	for _, persists := range []bool{false, true} {
		inWorld(t, func(w *world) {
			store := &noRecord{Store: w.store, persists: persists}
			w.handle.Store = store
			w.receivers(nil, map[string]time.Duration{"b": time.Second, "c": 2 * time.Second, "d": 3 * time.Second})
			w.settings(`{"routes":{"t":` + route("a", "b", "c", "d") + `}}`)
			if got := w.run(w.enqueue("one", `,"type":"t"`)); got.State != dispatch.Delivered || states(got) != "delivered delivered delivered delivered" {
				t.Errorf("%+v", got)
			}
			w.wantCalls(4)
			if store.tried != 1 {
				t.Errorf("%d records; after one whose fate is unknown there must be none that it could overwrite", store.tried)
			}
		})
	}
}

// A retry does not wait for the slowest of the others.
func TestARetryComesWhileAnotherIsCalled(t *testing.T) {
	inWorld(t, func(w *world) {
		w.receivers(map[string][]int{"b": {503, 503, 200}, "c": {503}}, map[string]time.Duration{"a": 100 * time.Second})
		w.settings(`{"routes":{"t":{"targets":[{"name":"a","uri":"https://example.com/","httpTimeout":600},
			{"name":"b","uri":"https://example.com/","attempts":{"interval":10}},
			{"name":"c","uri":"https://example.com/","attempts":{"interval":80,"limit":2}},
			{"name":"d","uri":"https://example.com/","attempts":{"interval":500}}]}}}`)
		began := time.Now()
		got := w.run(w.enqueue("one", `,"type":"t"`))
		if calls := w.called(began); calls != "a@0 b@0 b@10 b@20 c@0 c@80 d@0" {
			t.Errorf("called %s", calls)
		}
		if got.State != dispatch.Exhausted || !strings.HasPrefix(got.Reason, "c: attempt 2 of 2") || !got.EndedAt.Equal(began.Add(100*time.Second)) {
			t.Errorf("%s at %v: %s", got.State, got.EndedAt, got.Reason)
		}
	})
	for _, test := range []struct{ name, more, want string }{
		{"not in what would be cut off", `"httpTimeout":30,"attempts":{"interval":595}`, "a@0 b@0"},
		{"not where the task's rule says no by then", `"attempts":{"interval":10}`, "a@0 b@0"},
		{"not when all others are over", `"attempts":{"interval":200}`, "a@0 b@0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.receivers(map[string][]int{"b": {503}}, map[string]time.Duration{"a": 100 * time.Second})
				if strings.Contains(test.more, "595") {
					w.receivers(map[string][]int{"b": {503}}, map[string]time.Duration{"a": 599 * time.Second})
				}
				w.settings(`{"routes":{"t":{"targets":[{"name":"a","uri":"https://example.com/","httpTimeout":600},{"name":"b","uri":"https://example.com/",` + test.more + `}]}}}`)
				began := time.Now()
				when := ""
				if strings.Contains(test.name, "rule") {
					when = `,"when":"attempt < 2"`
				}
				w.run(w.enqueue("one", `,"type":"t"`+when))
				if calls := w.called(began); calls != test.want {
					t.Errorf("called %s, want %s", calls, test.want)
				}
				if took := time.Since(began); took > 599*time.Second || strings.Contains(test.name, "over") && took > 100*time.Second {
					t.Errorf("settled after %v", took)
				}
			})
		})
	}
}

// counting counts the records.
type counting struct {
	dispatch.Store
	records int
}

func (s *counting) Record(ctx context.Context, t dispatch.Task) error {
	s.records++
	return s.Store.Record(ctx, t)
}

func TestRecordsOfSeveralTargets(t *testing.T) {
	for _, test := range []struct {
		name  string
		takes map[string]time.Duration
		least int
		most  int
	}{
		{"one after another", map[string]time.Duration{"b": time.Second, "c": 2 * time.Second}, 2, 2},
		{"all at once", nil, 0, 2},
		{"two at once, before the last", map[string]time.Duration{"c": time.Second}, 1, 2},
	} {
		inWorld(t, func(w *world) {
			store := &counting{Store: w.store}
			w.handle.Store = store
			w.receivers(nil, test.takes)
			w.settings(`{"routes":{"t":` + route("a", "b", "c") + `}}`)
			if w.run(w.enqueue("one", `,"type":"t"`)); store.records < test.least || store.records > test.most {
				t.Errorf("%s: %d records, want %d to %d", test.name, store.records, test.least, test.most)
			}
		})
	}
}

// slowRecord takes five seconds for each.
type slowRecord struct{ counting }

func (s *slowRecord) Record(ctx context.Context, t dispatch.Task) error {
	time.Sleep(5 * time.Second)
	return s.counting.Record(context.WithoutCancel(ctx), t)
}

func TestARecordHasAllThatLanded(t *testing.T) {
	inWorld(t, func(w *world) {
		store := &slowRecord{counting{Store: w.store}}
		w.handle.Store = store
		w.receivers(nil, map[string]time.Duration{"b": time.Second, "c": 2 * time.Second, "d": 20 * time.Second})
		w.settings(`{"routes":{"t":` + route("a", "b", "c", "d") + `}}`)
		if w.run(w.enqueue("one", `,"type":"t"`)); store.records != 2 {
			t.Errorf("%d records, want one of the first, and one of both that came meanwhile", store.records)
		}
	})
}

func TestATargetThatHasEndedDoesNotKeepFailing(t *testing.T) {
	inWorld(t, func(w *world) {
		w.receivers(map[string][]int{"a": {500}, "b": {500}}, nil)
		var told []dispatch.Event
		w.handle.Notify = func(_ context.Context, e dispatch.Event) { told = append(told, e) }
		w.settings(`{"routes":{"t":{"targets":[{"name":"a","uri":"https://example.com/","attempts":{"limit":2}},{"name":"b","uri":"https://example.com/","attempts":{"limit":3}}]}}}`)
		w.runUntilFinal(w.enqueue("one", `,"type":"t","notifyAttempts":2`))
		if len(told) != 2 || told[0].Kind != dispatch.TaskKeepsFailing || told[0].Target != "b" || told[1].Kind != dispatch.TaskFailed {
			t.Errorf("told of %+v", told)
		}
	})
}

func TestTheEndOfSeveralTargetsIsTheLasts(t *testing.T) {
	inWorld(t, func(w *world) {
		w.receivers(map[string][]int{"b": {418}}, map[string]time.Duration{"a": 3 * time.Second, "c": 5 * time.Second})
		w.settings(`{"routes":{"t":` + route("a", "b", "c") + `}}`)
		began := time.Now()
		if got := w.run(w.enqueue("one", `,"type":"t"`)); !got.EndedAt.Equal(began.Add(5*time.Second)) || got.State != dispatch.Stopped {
			t.Errorf("%s at %v", got.State, got.EndedAt.Sub(began))
		}
	})
}

func TestSeveralTargetsExpireUnseen(t *testing.T) {
	inWorld(t, func(w *world) {
		w.receivers(map[string][]int{"a": {418}, "b": {500}}, nil)
		w.settings(`{"routes":{"t":` + route("a", "b", "c") + `}}`)
		h := w.enqueue("one", `,"type":"t","lifetime":200`)
		w.run(h)
		time.Sleep(300 * time.Second)
		got := w.run(h)
		if states(got) != "stopped expired delivered" || got.State != dispatch.Stopped || got.Reason != "a: stop code 418" {
			t.Errorf("%s: %s: %s", got.State, got.Reason, states(got))
		}
		w.wantCalls(3)
	})
}

// A retry by hand counts from the beginning: rules and limits see this run's attempts.
func TestRetryCountsAnew(t *testing.T) {
	inWorld(t, func(w *world) {
		w.receivers(map[string][]int{"a": {500, 500, 200}, "b": {418, 200}}, nil)
		w.settings(`{"routes":{"t":{"targets":[{"name":"a","uri":"https://example.com/","attempts":{"interval":1}},{"name":"b","uri":"https://example.com/"},
			{"name":"c","uri":"https://example.com/","when":"false"}]}}}`)
		w.runUntilFinal(w.enqueue("one", `,"type":"t","when":"attempt <= 3"`))
		for run, calls := range []int{5, 7} { // b alone; then all but the skipped one, because all are done
			if _, err := w.editor().Retry(t.Context(), "one"); err != nil {
				t.Fatal(err)
			}
			got := w.runUntilFinal(dispatch.Hint{ID: "one"})
			if got.State != dispatch.Delivered || states(got) != "delivered delivered skipped" || got.Run != run+2 {
				t.Errorf("run %d: %s, %s: %s", got.Run, got.State, states(got), got.Reason)
			}
			w.wantCalls(calls)
		}
	})
}

// What a callback cannot hold is left out: its task ends all the same, at once.
func TestACallbackThatWouldBeTooLarge(t *testing.T) {
	inWorld(t, func(w *world) {
		w.answers = []dispatch.Answer{{Status: 418, Body: strings.Repeat("\x00", 4000)}}
		headers := `"headers":{"X-Long":"` + strings.Repeat("h", 330<<10) + `"}`
		got := w.run(w.put("a", `,"body":"`+strings.Repeat("<", 60<<10)+`","onFailure":{"uri":"https://example.com/failed",`+headers+`}`))
		if got.State != dispatch.Stopped {
			t.Fatalf("%s after %d lapses", got.State, got.Lapses)
		}
		w.wantCalls(1)
		told := w.get(fmt.Sprintf("a/%d/failure", got.Generation))
		if d, err := dispatch.DecodeDoc(told.Doc); err != nil || strings.Contains(string(d.Body), "<<<") || !strings.Contains(string(d.Body), `"status":418`) {
			t.Errorf("%v: it carries %.300s", err, d.Body)
		}
	})
}

func TestACallbackThatLeavesNoRoom(t *testing.T) {
	p := newProducer(t)
	_, err := p.run(t, `{"uri":"https://example.com/","onSuccess":{"uri":"https://example.com/","headers":{"X-Long":"`+strings.Repeat("h", 350<<10)+`"}}}`)
	wantFaults(t, "no room for the report", err, []string{"#/onSuccess"})
}

func TestACallbackOfTenLongURIs(t *testing.T) {
	inWorld(t, func(w *world) {
		w.receivers(map[string][]int{"t3": {418}}, nil)
		send := w.handle.Send
		w.handle.Send = func(ctx context.Context, c dispatch.Call) dispatch.Answer {
			a := send(ctx, c)
			a.Body = strings.Repeat("\x00", 4000)
			return a
		}
		var targets []string
		for i := range 10 {
			targets = append(targets, fmt.Sprintf(`{"name":"t%d","uri":"https://example.com/%s"}`, i, strings.Repeat(`<`, 8000)))
		}
		w.settings(`{"routes":{"t":{"targets":[` + strings.Join(targets, ",") + `]}}}`)
		headers := `"headers":{"X-Long":"` + strings.Repeat("h", 285<<10) + `"}`
		got := w.run(w.enqueue("one", `,"type":"t","body":1,"onFailure":{"uri":"https://example.com/failed",`+headers+`}`))
		if got.State != dispatch.Stopped {
			t.Fatalf("%s after %d lapses", got.State, got.Lapses)
		}
		told := w.get(fmt.Sprintf("one/%d/failure", got.Generation))
		if d, err := dispatch.DecodeDoc(told.Doc); err != nil || strings.Contains(string(d.Body), "<<<") || !strings.Contains(string(d.Body), `"name":"t9"`) {
			t.Errorf("%v: it carries %.300s", err, d.Body)
		}
	})
}

// Older code cannot read targets: it leaves such rows alone, and goes on with the others.
func TestVersionOfARow(t *testing.T) {
	inWorld(t, func(w *world) {
		w.settings(`{"routes":{"t":` + route("a") + `}}`)
		w.put("plain", "")
		w.enqueue("typed", `,"type":"t"`)
		if plain, typed := w.get("plain").Version, w.get("typed").Version; plain != 1 || typed != 2 {
			t.Errorf("versions %d and %d, want 1 and 2", plain, typed)
		}
	})
}

func TestRetryCallsOnlyWhatIsNotDone(t *testing.T) {
	inWorld(t, func(w *world) {
		w.receivers(map[string][]int{"b": {418, 500, 200}}, nil)
		w.settings(`{"routes":{"t":` + route("a", "b") + `}}`)
		w.runUntilFinal(w.enqueue("one", `,"type":"t"`))
		if _, err := w.editor().Retry(t.Context(), "one"); err != nil {
			t.Fatal(err)
		}
		got := w.runUntilFinal(dispatch.Hint{ID: "one"})
		w.wantCalls(4)
		if got.State != dispatch.Delivered || got.Progress[1].Attempts != 2 {
			t.Errorf("%+v", got)
		}
		for i, want := range []string{"one/2/b", "one/2/b"} {
			if key := w.calls[2+i].IdempotencyKey(); key != want || w.calls[2+i].Attempt != i+1 {
				t.Errorf("attempt %d under %s, want %s", w.calls[2+i].Attempt, key, want)
			}
		}
		if _, err := w.editor().Retry(t.Context(), "one"); err != nil { // all are done: all again
			t.Fatal(err)
		}
		w.runUntilFinal(dispatch.Hint{ID: "one"})
		w.wantCalls(6)
	})
}

func TestRescheduleMovesEveryOpenTarget(t *testing.T) {
	inWorld(t, func(w *world) {
		w.receivers(map[string][]int{"b": {500, 200}, "c": {500, 200}}, nil)
		w.settings(`{"routes":{"t":{"targets":[{"name":"a","uri":"https://example.com/"},
			{"name":"b","uri":"https://example.com/","attempts":{"interval":600}},{"name":"c","uri":"https://example.com/","attempts":{"interval":900}}]}}}`)
		began := time.Now()
		w.run(w.enqueue("one", `,"type":"t"`))
		if _, err := w.editor().Reschedule(t.Context(), "one", began.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		w.runUntilFinal(dispatch.Hint{ID: "one"})
		if got := w.called(began); got != "a@0 b@0 b@60 c@0 c@60" {
			t.Errorf("called %s", got)
		}
	})
}

func TestATargetThatIsNotAdmitted(t *testing.T) {
	inWorld(t, func(w *world) {
		w.receivers(nil, nil)
		free := false
		w.handle.Admit = func(_ context.Context, c dispatch.Call) (func(), bool) { return func() {}, c.Target != "b" || free }
		w.settings(`{"routes":{"t":` + route("a", "b") + `}}`)
		began := time.Now()
		got := w.run(w.enqueue("one", `,"type":"t"`))
		if states(got) != "delivered " || !got.DueAt.Equal(began.Add(time.Second)) || got.Progress[1].Attempts != 0 {
			t.Errorf("%+v", got)
		}
		free = true
		if got = w.runUntilFinal(got.Hint()); got.State != dispatch.Delivered || w.called(began) != "a@0 b@1" {
			t.Errorf("%s, called %s", got.State, w.called(began))
		}
	})
}

func TestEachTargetHasItsTimeout(t *testing.T) {
	inWorld(t, func(w *world) {
		w.receivers(nil, nil)
		w.settings(`{"routes":{"t":{"targets":[{"name":"a","uri":"https://example.com/","httpTimeout":5},{"name":"b","uri":"https://example.com/","httpTimeout":50}]}}}`)
		w.run(w.enqueue("one", `,"type":"t"`))
		for _, c := range w.calls {
			if want := map[string]time.Duration{"a": 5 * time.Second, "b": 50 * time.Second}[c.Target]; c.Timeout != want {
				t.Errorf("%s is given %v, want %v", c.Target, c.Timeout, want)
			}
		}
	})
}

func TestATargetThatIsTooLateForTheLease(t *testing.T) {
	inWorld(t, func(w *world) {
		w.receivers(nil, nil)
		w.handle.Admit = func(_ context.Context, c dispatch.Call) (func(), bool) {
			if c.Target == "b" {
				time.Sleep(45 * time.Second)
			}
			return func() {}, true
		}
		w.settings(`{"routes":{"t":` + route("a", "b") + `}}`)
		h := w.enqueue("one", `,"type":"t"`)
		if got := w.run(h); states(got) != "delivered " || !got.DueAt.Equal(h.DueAt) || got.Lane == "" {
			t.Errorf("%+v, want it due as before", got)
		}
		w.wantCalls(1)
	})
}

func TestNoTargetIsDue(t *testing.T) {
	inWorld(t, func(w *world) {
		w.receivers(nil, nil)
		w.settings(`{"routes":{"t":` + route("a", "b") + `}}`)
		h := w.enqueue("one", `,"type":"t"`)
		later := h.DueAt.Add(time.Hour)
		if _, _, err := w.store.Edit(t.Context(), "one", func(t *dispatch.Task) error {
			t.Progress = []dispatch.Progress{{State: dispatch.Delivered}, {NextAt: later}}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if got := w.run(h); !got.DueAt.Equal(later) || got.State != dispatch.Scheduled {
			t.Errorf("%+v, want it due when its open target is", got)
		}
		w.wantCalls(0)
	})
}

func TestOneTargetIsAPlainTask(t *testing.T) {
	inWorld(t, func(w *world) {
		w.answers = []dispatch.Answer{{Status: 500}, {Status: 200}}
		w.settings(`{"routes":{"t":` + route("a") + `,"never":{"targets":[{"name":"a","uri":"https://example.com/","when":"false"}]}}}`)
		got := w.runUntilFinal(w.enqueue("one", `,"type":"t"`))
		if got.State != dispatch.Delivered || states(got) != "" || got.Progress[0].Attempts != 2 || w.calls[0].IdempotencyKey() != "one" || w.calls[0].Doc.URI != "https://example.com/a" {
			t.Errorf("%+v, called %+v", got, w.calls[0])
		}
		if got = w.run(w.enqueue("two", `,"type":"never"`)); got.State != dispatch.Skipped || got.Reason != "refused by its target's rule: false" {
			t.Errorf("%s: %s", got.State, got.Reason)
		}
		w.wantCalls(2)
	})
}

func TestCallbackOfSeveralTargets(t *testing.T) {
	inWorld(t, func(w *world) {
		w.receivers(map[string][]int{"b": {500, 418}}, map[string]time.Duration{"c": time.Second})
		w.settings(`{"routes":{"t":` + route("a", "b", "c") + `}}`)
		got := w.runUntilFinal(w.enqueue("one", `,"type":"t","onFailure":{"uri":"https://example.com/failed"}`))
		id := fmt.Sprintf("one/%d/failure", got.Generation)
		d, err := dispatch.DecodeDoc(w.get(id).Doc)
		if err != nil {
			t.Fatal(err)
		}
		var body struct {
			Type, State, Reason string
			Attempts            int
			Targets             []struct {
				Name, State, Reason, URI string
				Attempts                 int
				Last                     []any
				Answer                   struct {
					Status int
					Body   string
				}
			}
			Answer *struct{ Status int }
		}
		if err := json.Unmarshal(d.Body, &body); err != nil {
			t.Fatal(err)
		}
		if body.Type != "t" || body.State != "stopped" || body.Reason != "b: stop code 418" || body.Attempts != 2 || body.Answer != nil || len(body.Targets) != 3 {
			t.Fatalf("it carries %s", d.Body)
		}
		if b := body.Targets[1]; b.Name != "b" || b.State != "stopped" || b.Attempts != 2 || len(b.Last) != 2 || b.Answer.Status != 418 || b.URI != "https://example.com/b" || body.Targets[0].State != "delivered" {
			t.Errorf("it carries %s", d.Body)
		}
	})
}
