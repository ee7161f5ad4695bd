package view_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/cmd/dispatch/internal/view"
	"example.com/dispatch/pkg/dispatch"
)

func TestWhen(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for want, d := range map[string]time.Duration{
		"now": 400 * time.Millisecond, "in 2 s": 1500 * time.Millisecond, "in 119 s": 119 * time.Second, "in 2 min": 2 * time.Minute,
		"5 min ago": -5*time.Minute - 10*time.Second, "in 2 h": 2 * time.Hour, "in 3 h 20 min": 3*time.Hour + 20*time.Minute,
		"20 h ago": -20 * time.Hour, "in 7 days": 7*24*time.Hour - time.Second,
	} {
		if got := view.When(now.Add(d), now); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		119600 * time.Millisecond: "2 min", 2*time.Hour - 3*time.Second: "2 h", 10*time.Hour - time.Second: "10 h", 48*time.Hour - time.Second: "2 days",
	} {
		if got := view.Span(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	if got := view.When(time.Time{}, now); got != "never" {
		t.Errorf("no time: %q", got)
	}
}

func TestPlainCannotSteerATerminal(t *testing.T) {
	for in, want := range map[string]string{
		"text":               "text",
		"\x1b[31mred\r\nx":   "·[31mred··x",
		"right\u202eto left": "right·to left",
		"0123456789abcdefgh": "0123456789abcdef…",
		"\xff":               "\ufffd",
	} {
		if got := view.Plain(in, 16); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestStory(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	doc, err := dispatch.EncodeDoc(dispatch.Doc{
		CreatedAt: now.Add(-time.Hour), Method: "POST", URI: "https://a.example/\u202ex", Format: dispatch.Raw, HTTPTimeout: 30, Claims: []byte(`{"a":1}`),
		Headers: map[string]dispatch.HeaderValue{"x-api-key": {Text: "s3cret"}, "COOKIE": {Text: "s3cret"}, "X-Auth": {Text: "s3cret"}, "Accept": {Text: "*/*"}}, SuccessCodes: dispatch.Codes{{From: 202, To: 202}},
		Attempts: dispatch.Attempts{Limit: 3, Intervals: []int{1, 60}},
	})
	if err != nil {
		t.Fatal(err)
	}
	base := dispatch.Task{
		ID: "a", State: dispatch.Scheduled, Queue: "default", Run: 2, Doc: doc, DueAt: now.Add(time.Minute), ExpireAt: now.Add(time.Hour),
		Progress: []dispatch.Progress{{Attempts: 1, Error: "status 503", Last: []dispatch.Attempt{{At: now.Add(-time.Minute), Status: 503, Took: time.Second}}}},
	}
	for _, c := range []struct {
		name   string
		change func(*dispatch.Task)
		want   []string
	}{
		{"what was asked", func(*dispatch.Task) {}, []string{"delivered by 202", "up to 3 attempts, apart by 1 s, 60 s", `{"a":1} (raw), sent as a JWT`, "run again by hand", "Accept: */*"}},
		{"what has happened", func(*dispatch.Task) {}, []string{"503 Service Unavailable, after 1s", "status 503"}},
		{"scheduled", func(*dispatch.Task) {}, []string{"attempt 2, ", "in 60 s"}},
		{"due", func(t *dispatch.Task) { t.DueAt = now.Add(-time.Second) }, []string{"as soon as somebody is free"}},
		{"waiting", func(t *dispatch.Task) {
			t.Progress = []dispatch.Progress{{WaitingSince: now.Add(-time.Hour), Last: []dispatch.Attempt{{At: now}, {At: now, Status: 425}}}}
		}, []string{`waiting: the receiver has said "not yet" since`}},
		{"not sent", func(t *dispatch.Task) {
			t.Progress = []dispatch.Progress{{WaitingSince: now.Add(-time.Hour), Error: "no key", Last: []dispatch.Attempt{{At: now, Status: 425}, {At: now}}}}
		}, []string{"waiting since", "it cannot be sent", "no key"}},
		{"in flight", func(t *dispatch.Task) { t.Lease, t.Until = "x", now.Add(time.Second) }, []string{"leased until", "the answer to attempt 2"}},
		{"lapsed", func(t *dispatch.Task) { t.Lapses = 2 }, []string{"lapses", "2: whoever handled it"}},
		{"ended", func(t *dispatch.Task) {
			t.State, t.Reason, t.EndedAt, t.TTL = dispatch.Expired, "too late", now, now.Add(time.Hour)
		}, []string{"expired: too late", "1 attempt that", "removed in 60 min"}},
		{"unreadable", func(t *dispatch.Task) { t.Doc = []byte("{") }, []string{"cannot be read"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			task := base
			c.change(&task)
			var out bytes.Buffer
			if err := view.Story(&out, view.New(task, now, nil), now); err != nil {
				t.Fatal(err)
			}
			for _, want := range c.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("it does not say %q:\n%s", want, &out)
				}
			}
			if strings.Contains(out.String(), "s3cret") || strings.Contains(out.String(), "\u202e") {
				t.Errorf("it shows what it must not:\n%s", &out)
			}
		})
	}
}

func TestStoryOfSeveralTargets(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	policy := dispatch.Attempts{Limit: 3, Interval: 60, Backoff: 1}
	target := func(name string) dispatch.Target {
		return dispatch.Target{
			Name: name, Method: "PUT", URI: "https://a.example/" + name, Headers: map[string]dispatch.HeaderValue{"X-Token": {Text: "s3cret"}}, Sender: "from-" + name, When: name + " > 1",
			SuccessCodes: dispatch.Codes{{From: 201, To: 201}}, Attempts: policy, HTTPTimeout: 9,
		}
	}
	doc, err := dispatch.EncodeDoc(dispatch.Doc{
		CreatedAt: now.Add(-time.Hour), Type: "invoice.paid", Body: []byte(`{"n":7}`), HTTPTimeout: 9,
		Targets: []dispatch.Target{target("done"), target("bad"), target("open"), target("waiting"), target("unsent")},
	})
	if err != nil {
		t.Fatal(err)
	}
	at := func(status int) []dispatch.Attempt {
		return []dispatch.Attempt{{At: now.Add(-time.Minute), Status: status, Took: time.Second}}
	}
	task := dispatch.Task{
		ID: "a", State: dispatch.Scheduled, Queue: "default", Run: 1, Doc: doc, DueAt: now.Add(time.Minute),
		Progress: []dispatch.Progress{
			{State: dispatch.Delivered, EndedAt: now.Add(-time.Minute), Attempts: 1, Last: at(201)},
			{State: dispatch.Stopped, EndedAt: now.Add(-time.Minute), Attempts: 1, Last: at(418), Error: "stop code 418"},
			{NextAt: now.Add(time.Minute), Attempts: 2, Last: at(503), Error: "status 503"},
			{NextAt: now.Add(2 * time.Minute), WaitingSince: now.Add(-time.Minute), Last: at(425), Error: "status 425"},
			{NextAt: now.Add(2 * time.Minute), WaitingSince: now.Add(-time.Minute), Last: at(0), Error: "no key"},
		},
	}
	var out bytes.Buffer
	v := view.New(task, now, nil)
	if err := view.Story(&out, v, now); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"invoice.paid", `{"n":7}`, "done: delivered, ", "bad: stopped, ", "stop code 418", "open: scheduled; attempt 3 ", "in 60 s", "waiting: waiting: the receiver", "unsent: waiting since",
		"PUT https://a.example/bad", "from-open", "bad > 1", "delivered by 201", "503 Service Unavailable, after 1s",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "s3cret") || v.Attempts != 2 {
		t.Errorf("%d attempts:\n%s", v.Attempts, &out)
	}
	if !v.WaitingSince.IsZero() {
		t.Error("it waits, though one of its targets is to be called")
	}
	task.Progress[2] = dispatch.Progress{NextAt: now, WaitingSince: now.Add(-time.Hour)}
	if v := view.New(task, now, nil); !v.WaitingSince.Equal(now.Add(-time.Hour)) {
		t.Errorf("waits since %v, want the first of those that are open", v.WaitingSince)
	}
}
