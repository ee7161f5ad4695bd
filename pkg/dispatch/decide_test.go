package dispatch_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"example.com/dispatch/pkg/dispatch"
)

// noon is when most tests take place.
var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func codes(t *testing.T, texts ...string) dispatch.Codes {
	t.Helper()
	var c dispatch.Codes
	for _, s := range texts {
		r, err := dispatch.ParseCodeRange(s)
		if err != nil {
			t.Fatal(err)
		}
		c = append(c, r)
	}
	return c
}

func TestJudge(t *testing.T) {
	type policy struct{ success, stop, wait []string }
	for _, test := range []struct {
		name   string
		policy policy
		status int
		want   dispatch.Outcome
	}{
		{"no answer", policy{success: []string{"2xx"}}, 0, dispatch.OutcomeRetry},
		{"success", policy{success: []string{"2xx"}}, 204, dispatch.OutcomeDelivered},
		{"another success code than given", policy{success: []string{"202"}}, 200, dispatch.OutcomeRetry},
		{"a 4xx success code matches", policy{success: []string{"404"}}, 404, dispatch.OutcomeDelivered},
		{"success comes before stop", policy{success: []string{"404"}, stop: []string{"404"}}, 404, dispatch.OutcomeDelivered},
		{"stop", policy{success: []string{"2xx"}, stop: []string{"404", "410"}}, 410, dispatch.OutcomeStopped},
		{"stop comes before wait", policy{stop: []string{"425"}, wait: []string{"425"}}, 425, dispatch.OutcomeStopped},
		{"418 stops", policy{success: []string{"2xx"}}, 418, dispatch.OutcomeStopped},
		{"418 may be success", policy{success: []string{"418"}}, 418, dispatch.OutcomeDelivered},
		{"wait", policy{success: []string{"2xx"}, wait: []string{"425"}}, 425, dispatch.OutcomeWait},
		{"425 is an error where other wait codes are given", policy{wait: []string{"409"}}, 425, dispatch.OutcomeRetry},
		{"server error", policy{success: []string{"2xx"}}, 500, dispatch.OutcomeRetry},
		{"client error", policy{success: []string{"2xx"}}, 404, dispatch.OutcomeRetry},
		{"redirect", policy{success: []string{"2xx"}}, 302, dispatch.OutcomeRetry},
		{"a range", policy{success: []string{"200-204"}}, 205, dispatch.OutcomeRetry},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := dispatch.Doc{
				SuccessCodes: codes(t, test.policy.success...), StopCodes: codes(t, test.policy.stop...), WaitCodes: codes(t, test.policy.wait...),
			}
			if got := dispatch.Judge(d, dispatch.Answer{Status: test.status}); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			if got := dispatch.Judge(d, dispatch.Answer{Status: test.status, Unsent: true}); got != dispatch.OutcomeWait {
				t.Errorf("what was not sent: got %s, want it to wait", got)
			}
		})
	}
}

func TestDecide(t *testing.T) {
	const never = time.Duration(-1)
	minutely := dispatch.Attempts{Limit: 5, Interval: 60, Backoff: 1}
	listed := dispatch.Attempts{Limit: 9, Intervals: []int{5, 300, 1800}}
	after := func(d time.Duration) *time.Duration { return &d }
	for _, test := range []struct {
		name      string
		attempts  dispatch.Attempts
		made      int           // attempts before this one
		life      time.Duration // until expireAt, from the answer on; 0 for none
		waited    time.Duration // since the receiver first said "not yet"
		answer    dispatch.Answer
		chance    float64
		wantState dispatch.State
		wantNext  time.Duration // after the answer
		wantMade  int
	}{
		{"delivered", minutely, 0, 0, 0, dispatch.Answer{Status: 200}, .5, dispatch.Delivered, never, 1},
		{"stopped", minutely, 1, 0, 0, dispatch.Answer{Status: 410}, .5, dispatch.Stopped, never, 2},
		{"first failure", minutely, 0, 0, 0, dispatch.Answer{Status: 500}, .5, dispatch.Scheduled, time.Minute, 1},
		{"last but one", minutely, 3, 0, 0, dispatch.Answer{Status: 500}, .5, dispatch.Scheduled, time.Minute, 4},
		{"last", minutely, 4, 0, 0, dispatch.Answer{Status: 500}, .5, dispatch.Exhausted, never, 5},
		{"what was not sent does not count", minutely, 4, 0, 0, dispatch.Answer{Error: "no key", Unsent: true}, .5, dispatch.Scheduled, time.Minute, 4},
		{"not sent for 14 days", minutely, 4, 0, 14 * 24 * time.Hour, dispatch.Answer{Error: "no key", Unsent: true}, .5, dispatch.Exhausted, never, 4},
		{"no answer counts", minutely, 4, 0, 0, dispatch.Answer{Error: "timeout"}, .5, dispatch.Exhausted, never, 5},
		{"backoff", dispatch.Attempts{Limit: 9, Interval: 10, Backoff: 2}, 3, 0, 0, dispatch.Answer{Status: 500}, .5, dispatch.Scheduled, 80 * time.Second, 4},
		{"backoff up to the maximum", dispatch.Attempts{Limit: 9, Interval: 10, Backoff: 2, MaxInterval: 30}, 3, 0, 0, dispatch.Answer{Status: 500}, .5, dispatch.Scheduled, 30 * time.Second, 4},
		{"backoff beyond all numbers", dispatch.Attempts{Limit: 1e6, Interval: 10, Backoff: 100}, 1e5, 0, 0, dispatch.Answer{Status: 500}, .5, dispatch.Scheduled, 14 * 24 * time.Hour, 1e5 + 1},
		{"least jitter", dispatch.Attempts{Limit: 9, Interval: 100, Backoff: 1, Jitter: .2}, 0, 0, 0, dispatch.Answer{Status: 500}, 0, dispatch.Scheduled, 80 * time.Second, 1},
		{"most jitter", dispatch.Attempts{Limit: 9, Interval: 100, Backoff: 1, Jitter: .2}, 0, 0, 0, dispatch.Answer{Status: 500}, 1, dispatch.Scheduled, 120 * time.Second, 1},
		{"Retry-After is later", minutely, 0, 0, 0, dispatch.Answer{Status: 429, RetryAfter: time.Hour}, .5, dispatch.Scheduled, time.Hour, 1},
		{"Retry-After is sooner", minutely, 0, 0, 0, dispatch.Answer{Status: 429, RetryAfter: time.Second}, .5, dispatch.Scheduled, time.Minute, 1},
		{"waiting counts as no attempt", minutely, 4, 0, 0, dispatch.Answer{Status: 425}, .5, dispatch.Scheduled, time.Minute, 4},
		{"waiting before the first attempt", minutely, 0, 0, 0, dispatch.Answer{Status: 425}, .5, dispatch.Scheduled, time.Minute, 0},
		{"waited almost 14 days", minutely, 4, 0, 14*24*time.Hour - time.Second, dispatch.Answer{Status: 425}, .5, dispatch.Scheduled, time.Minute, 4},
		{"waited 14 days", minutely, 4, 0, 14 * 24 * time.Hour, dispatch.Answer{Status: 425}, .5, dispatch.Exhausted, never, 4},
		{"waits as long as it lives", minutely, 4, time.Hour, 15 * 24 * time.Hour, dispatch.Answer{Status: 425}, .5, dispatch.Scheduled, time.Minute, 4},
		{"Retry-After says when waiting ends", minutely, 0, 0, 0, dispatch.Answer{Status: 425, RetryAfter: time.Second}, .5, dispatch.Scheduled, time.Second, 0},
		{"the first of a list", listed, 0, 0, 0, dispatch.Answer{Status: 500}, .5, dispatch.Scheduled, 5 * time.Second, 1},
		{"the third of a list", listed, 2, 0, 0, dispatch.Answer{Status: 500}, .5, dispatch.Scheduled, 30 * time.Minute, 3},
		{"the last of a list goes on", listed, 6, 0, 0, dispatch.Answer{Status: 500}, .5, dispatch.Scheduled, 30 * time.Minute, 7},
		{"the receiver says delivered", minutely, 0, 0, 0, dispatch.Answer{Status: 500, Said: dispatch.OutcomeDelivered}, .5, dispatch.Delivered, never, 1},
		{"the receiver says retry", minutely, 0, 0, 0, dispatch.Answer{Status: 200, Said: dispatch.OutcomeRetry}, .5, dispatch.Scheduled, time.Minute, 1},
		{"the receiver says when", minutely, 0, 0, 0, dispatch.Answer{Status: 200, Said: dispatch.OutcomeRetry, After: after(7 * time.Second)}, .5, dispatch.Scheduled, 7 * time.Second, 1},
		{"at once", minutely, 0, 0, 0, dispatch.Answer{Status: 200, Said: dispatch.OutcomeRetry, After: after(0)}, .5, dispatch.Scheduled, 0, 1},
		{"the receiver says wait", minutely, 3, 0, 0, dispatch.Answer{Status: 200, Said: dispatch.OutcomeWait, After: after(time.Hour)}, .5, dispatch.Scheduled, time.Hour, 3},
		{"the receiver says stop", minutely, 0, 0, 0, dispatch.Answer{Status: 200, Said: dispatch.OutcomeStopped, Reason: "gone"}, .5, dispatch.Stopped, never, 1},
		{"who cannot be reached says nothing", minutely, 0, 0, 0, dispatch.Answer{Said: dispatch.OutcomeDelivered}, .5, dispatch.Scheduled, time.Minute, 1},
		// timeout 30 s: a try is useful until expireAt − 30 s
		{"just in time", minutely, 0, 90 * time.Second, 0, dispatch.Answer{Status: 500}, .5, dispatch.Scheduled, time.Minute, 1},
		{"too late, and no time to try sooner", minutely, 0, 89 * time.Second, 0, dispatch.Answer{Status: 500}, .5, dispatch.Expired, never, 1},
		{"too late, pulled forward", dispatch.Attempts{Limit: 9, Interval: 60, Backoff: 10}, 1, 5 * time.Minute, 0, dispatch.Answer{Status: 500}, .5, dispatch.Scheduled, 210 * time.Second, 2},
		{"not pulled before Retry-After", minutely, 1, 5 * time.Minute, 0, dispatch.Answer{Status: 500, RetryAfter: 280 * time.Second}, .5, dispatch.Expired, never, 2},
		{"the last attempt is exhausted, not expired", minutely, 4, time.Minute, 0, dispatch.Answer{Status: 500}, .5, dispatch.Exhausted, never, 5},
		{"waiting past the end expires", minutely, 0, time.Minute, 0, dispatch.Answer{Status: 425}, .5, dispatch.Expired, never, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			const took = 2 * time.Second
			sent, answered := noon, noon.Add(took)
			d := dispatch.Doc{HTTPTimeout: 30, Attempts: test.attempts, SuccessCodes: codes(t, "2xx"), StopCodes: codes(t, "410"), WaitCodes: codes(t, "425")}
			in := dispatch.Task{
				ID: "a", Queue: "q", State: dispatch.Scheduled, Lane: "q#3", Lease: "mine", Generation: 7, Lapses: 2,
				Timeout: 30 * time.Second, DueAt: noon, Progress: []dispatch.Progress{{Attempts: test.made}},
			}
			if test.life > 0 {
				in.ExpireAt = answered.Add(test.life)
			}
			if test.waited > 0 {
				in.Progress[0].WaitingSince = answered.Add(-test.waited)
			}
			got, _ := dispatch.Decide(in, d, 0, test.answer, sent, took, test.chance)
			p := got.Progress[0]
			if got.State != test.wantState || p.Attempts != test.wantMade {
				t.Fatalf("state %s after %d attempts (%s), want %s after %d", got.State, p.Attempts, got.Reason, test.wantState, test.wantMade)
			}
			if test.wantNext != never && got.DueAt.Sub(answered) != test.wantNext {
				t.Errorf("due %v after the answer, want %v", got.DueAt.Sub(answered), test.wantNext)
			}
			if got.State.Final() && (got.EndedAt != answered || got.State != dispatch.Delivered && got.Reason == "") {
				t.Errorf("ended at %v because of %q, want at %v with a reason", got.EndedAt, got.Reason, answered)
			}
			if got.State.Failed() && (got.Lane != "q!failed#3" || got.DueAt != answered) {
				t.Errorf("in lane %q at %v, want the history at the end", got.Lane, got.DueAt)
			}
			if got.State == dispatch.Delivered && (got.Lane != "" || !got.DueAt.IsZero()) {
				t.Errorf("delivered, but in lane %q due at %v", got.Lane, got.DueAt)
			}
			if got.Lapses != 0 || got.Lease != "mine" || got.Generation != 7 {
				t.Errorf("lapses %d, lease %q, generation %d: an outcome ends the lapses and leaves the fence", got.Lapses, got.Lease, got.Generation)
			}
			if len(p.Last) != 1 || p.Last[0] != (dispatch.Attempt{At: sent, Status: test.answer.Status, Took: took}) {
				t.Errorf("kept attempts %v", p.Last)
			}
		})
	}
}

// Whatever the policy and the answers, the limits hold.
func TestDecideKeepsItsLimits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := dispatch.Doc{
			SuccessCodes: dispatch.Codes{{From: 200, To: 299}}, WaitCodes: dispatch.Codes{{From: 425, To: 425}},
			Attempts: dispatch.Attempts{
				Limit:       rapid.IntRange(1, 20).Draw(t, "limit"),
				Interval:    rapid.IntRange(1, 3600).Draw(t, "interval"),
				Backoff:     rapid.Float64Range(1, 10).Draw(t, "backoff"),
				MaxInterval: rapid.SampledFrom([]int{0, 7200}).Draw(t, "maxInterval"),
				Jitter:      rapid.Float64Range(0, 1).Draw(t, "jitter"),
			},
		}
		task := dispatch.Task{ID: "a", Queue: "q", State: dispatch.Scheduled, Lane: "q#0", Timeout: time.Duration(rapid.IntRange(1, 600).Draw(t, "timeout")) * time.Second}
		if rapid.Bool().Draw(t, "expires") {
			task.ExpireAt = noon.Add(time.Duration(rapid.IntRange(1, 100000).Draw(t, "life")) * time.Second)
		}
		d.HTTPTimeout = int(task.Timeout.Seconds())
		for now, calls := noon, 1; !task.State.Final(); calls++ {
			answer := dispatch.Answer{
				Status:     rapid.SampledFrom([]int{0, 200, 425, 500}).Draw(t, "status"),
				Error:      strings.Repeat("é", 200),
				RetryAfter: time.Duration(rapid.IntRange(0, 600).Draw(t, "after")) * time.Second,
			}
			took := time.Duration(rapid.Int64Range(0, int64(task.Timeout)).Draw(t, "took"))
			after, outcome := dispatch.Decide(task, d, 0, answer, now, took, rapid.Float64Range(0, 1).Draw(t, "chance"))
			p := after.Progress[0]
			if p.Attempts > d.Attempts.Limit || len(p.Last) > 5 || len(p.Error) > 200 || len(after.Reason) > 200 {
				t.Fatalf("%d attempts of %d, %d kept, %d bytes of error, %d of reason", p.Attempts, d.Attempts.Limit, len(p.Last), len(p.Error), len(after.Reason))
			}
			if !after.State.Final() {
				if after.DueAt.Before(now.Add(took + answer.RetryAfter)) {
					t.Fatalf("%s: next at %v, but the receiver asked for %v after %v", outcome, after.DueAt, answer.RetryAfter, now.Add(took))
				}
				if !task.ExpireAt.IsZero() && after.DueAt.After(task.ExpireAt.Add(-task.Timeout+time.Millisecond)) {
					t.Fatalf("%s: next at %v, too late for the end at %v", outcome, after.DueAt, task.ExpireAt)
				}
			}
			task, now = after, after.DueAt
			if calls > 1000 { // one that waits and never expires
				return
			}
		}
	})
}

func TestShorten(t *testing.T) {
	for in, want := range map[string]string{
		"short":                        "short",
		strings.Repeat("a", 201):       strings.Repeat("a", 200),
		"a" + strings.Repeat("é", 150): "a" + strings.Repeat("é", 99),
		strings.Repeat("é", 100):       strings.Repeat("é", 100),
	} {
		if got := dispatch.Shorten(in); got != want {
			t.Errorf("%q became %q", in, got)
		}
	}
}
