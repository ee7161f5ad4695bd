package why_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/cmd/dispatch/internal/why"
	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/storetest"
)

func TestWaits(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	settings := dispatch.Settings{Queues: map[string]dispatch.QueueSettings{
		"default": {Lanes: 1}, "paused": {Lanes: 1, Paused: true}, "narrow": {Lanes: 1, InFlight: 2}, "slow": {Lanes: 1, Rate: 1}, "free": {Lanes: 1, InFlight: 3},
	}, Tenants: map[string]dispatch.TenantSettings{"acme": {Queues: map[string]dispatch.TenantQueue{"default": {InFlight: 2}}}}}
	at := func(minutes int) time.Time { return now.Add(time.Duration(minutes) * time.Minute) }
	held := map[string]int64{"a": dispatch.Millis(at(1)), "b": dispatch.Millis(at(1)), "over": dispatch.Millis(at(-1))}
	for _, c := range []struct {
		name   string
		change func(*dispatch.Task)
		want   []string // in the line; none: the line is empty
		lacks  string
	}{
		{"ended", func(t *dispatch.Task) { t.State = dispatch.Delivered }, nil, ""},
		{"not due", func(t *dispatch.Task) { t.DueAt = at(5) }, []string{"not due until 2026-01-31T12:05:00Z"}, "sweep"},
		{"waiting", func(t *dispatch.Task) {
			t.DueAt, t.Progress = at(5), []dispatch.Progress{{WaitingSince: at(-60)}}
		}, []string{"not due until", `"not yet" since 2026-01-31T11:00:00Z`}, ""},
		{"waiting to be sent at all", func(t *dispatch.Task) {
			t.DueAt = at(5)
			t.Progress = []dispatch.Progress{{WaitingSince: at(-60), Error: "no AWS credentials", Last: []dispatch.Attempt{{At: at(-60), Status: 425}, {At: at(0)}}}}
		}, []string{"it cannot be sent (no AWS credentials), and waits since 2026-01-31T11:00:00Z"}, "not yet"},
		{"its receiver fails", func(t *dispatch.Task) {
			t.DueAt, t.Progress = at(5), []dispatch.Progress{{WaitingSince: at(-60), Error: "circuit open since 2026-01-31T11:00:00Z: status 503"}}
		}, []string{"not due until", "its receiver fails: circuit open since 2026-01-31T11:00:00Z: status 503"}, "not yet"},
		{"held", func(t *dispatch.Task) { t.State = dispatch.Held }, []string{"waits for a person"}, ""},
		{"leased", func(t *dispatch.Task) { t.Lease, t.Until = "x", at(1) }, []string{"leased until 2026-01-31T12:01:00Z"}, ""},
		{"lapsed", func(t *dispatch.Task) { t.Lease, t.Until = "x", at(-1) }, []string{"lapsed at 2026-01-31T11:59:00Z", "is a sweep running?"}, ""},
		{"overdue", nil, []string{"due since 2026-01-31T11:50:00Z", "nobody has claimed it", "is a sweep running?"}, ""},
		{"expired", func(t *dispatch.Task) { t.ExpireAt = at(-1) }, []string{"expired at 2026-01-31T11:59:00Z"}, ""},
		{"paused", func(t *dispatch.Task) { t.Queue = "paused" }, []string{"queue paused is paused"}, "sweep"},
		{"not due, and paused", func(t *dispatch.Task) { t.Queue, t.DueAt = "paused", at(5) }, []string{"not due until", "is paused"}, ""},
		{"in flight", func(t *dispatch.Task) { t.Queue = "narrow" }, []string{"at its limit", "2 of 2 calls"}, "sweep"},
		{"rate", func(t *dispatch.Task) { t.Queue = "slow" }, []string{"at its limit", "1 a second"}, "in flight"},
		{"limited, with room", func(t *dispatch.Task) { t.Queue = "free" }, []string{"others may come first", "2 of 3 calls"}, "at its limit"},
		{"its tenant's limit", func(t *dispatch.Task) { t.Tenant = "acme" }, []string{"its tenant acme in queue default is at its limit: 2 of 2 calls"}, "sweep"},
		{"unknown queue", func(t *dispatch.Task) { t.Queue = "gone" }, []string{"no queue gone"}, ""},
		{"cancelled at its turn", func(t *dispatch.Task) { t.Flag = true }, []string{"cancelled"}, "sweep running"},
	} {
		t.Run(c.name, func(t *testing.T) {
			store := new(storetest.Memory)
			for _, queue := range []string{"narrow", "slow", "free", "default~acme"} {
				usage, err := json.Marshal(map[string]any{"tokens": 0, "at": dispatch.Millis(now), "held": held})
				if err != nil {
					t.Fatal(err)
				}
				if err := store.Save(t.Context(), dispatch.Document{Name: "limits." + queue, Version: 1, Body: usage}); err != nil {
					t.Fatal(err)
				}
			}
			task := dispatch.Task{ID: "a", State: dispatch.Scheduled, Queue: "default", DueAt: at(-10)}
			if c.change != nil {
				c.change(&task)
			}
			check(t.Context(), t, store, settings, task, now, c.want, c.lacks)
		})
	}
}

func check(ctx context.Context, t *testing.T, store dispatch.Store, settings dispatch.Settings, task dispatch.Task, now time.Time, want []string, lacks string) {
	t.Helper()
	got, err := why.Waits(ctx, store, settings, task, now)
	if err != nil || len(want) == 0 && got != "" || lacks != "" && strings.Contains(got, lacks) {
		t.Errorf("%q, %v", got, err)
	}
	if strings.Contains(got, "\n") {
		t.Errorf("%q is more than a line", got)
	}
	for _, part := range want {
		if !strings.Contains(got, part) {
			t.Errorf("%q does not say %q", got, part)
		}
	}
}

func TestWaitsBehind(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	settings := dispatch.Settings{Queues: map[string]dispatch.QueueSettings{"default": {Lanes: 1}}}
	const n = 1100
	store := new(storetest.Memory)
	var rows []dispatch.Task
	for i := range n {
		rows = append(rows, dispatch.Task{
			ID: fmt.Sprintf("g-%d", i), State: dispatch.Scheduled, Queue: "default", Run: 1, DueAt: now.Add(time.Hour), Lane: "default#0",
			Timeout: time.Second, Generation: 1, Version: 1, Group: "g", Hash: []byte{1}, Doc: []byte("{}"),
		})
	}
	for _, r := range store.Put(t.Context(), now, rows) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	for _, c := range []struct {
		id   string
		want []string
	}{
		{"g-1", []string{"blocked behind g-0, which is scheduled: not due until 2026-01-31T13:00:00Z"}},
		{"g-3", []string{"blocked behind g-0, which is scheduled, and 2 tasks between"}},
		{"g-1099", []string{"blocked behind g-1098", "more than 1000"}},
	} {
		task := store.Get(t.Context(), []string{c.id})[0].Task
		check(t.Context(), t, store, settings, task, now, c.want, "")
	}
	if _, _, err := store.Edit(t.Context(), "g-0", func(t *dispatch.Task) error { t.State = dispatch.Held; return nil }); err != nil {
		t.Fatal(err)
	}
	task := store.Get(t.Context(), []string{"g-1"})[0].Task
	check(t.Context(), t, store, settings, task, now, []string{"blocked behind g-0, which is held: it waits for a person"}, "held: held")
}
