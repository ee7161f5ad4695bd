package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/storetest"
)

// unanswering is a store whose puts fail, having done what was asked or not.
type unanswering struct {
	dispatch.Store
	done bool
}

func (s unanswering) Put(ctx context.Context, now time.Time, tasks []dispatch.Task) []dispatch.Result {
	results := make([]dispatch.Result, len(tasks))
	if s.done {
		s.Store.Put(ctx, now, tasks)
	}
	for i := range results {
		results[i].Err = errors.New("no answer")
	}
	return results
}

// TestPutClaimed: what is put and claimed at once is as if it had been put, then claimed; nothing else is claimed.
func TestPutClaimed(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	settings := dispatch.Settings{Queues: map[string]dispatch.QueueSettings{
		"paused": {Paused: true}, "limited": {InFlight: 3},
	}}
	task := func(id string, change func(*dispatch.Task)) dispatch.Task {
		doc, err := dispatch.EncodeDoc(dispatch.Doc{CreatedAt: now, Method: "POST", URI: "https://a.example/", HTTPTimeout: 30, FirstDueAt: now})
		if err != nil {
			t.Fatal(err)
		}
		task := dispatch.Task{
			ID: id, State: dispatch.Scheduled, Queue: dispatch.DefaultQueue, Run: 1, Doc: doc, Hash: []byte(id), Timeout: 30 * time.Second,
			DueAt: now, Lane: dispatch.Lane(dispatch.DefaultQueue, id, 1), Generation: now.UnixMilli(), Version: 1,
		}
		if change != nil {
			change(&task)
		}
		return task
	}
	tests := []struct {
		name   string
		change func(*dispatch.Task) // of the first task; the second is plain
		free   int
		broken *unanswering
		want   string // the ids that are claimed
	}{
		{name: "both", free: 5, want: "a b"},
		{name: "as far as there is room", free: 1, want: "a"},
		{name: "no room", free: 0},
		{name: "not due yet", change: func(t *dispatch.Task) { t.DueAt = now.Add(2 * time.Millisecond) }, free: 5, want: "b"},
		{name: "due in this millisecond", change: func(t *dispatch.Task) { t.DueAt = now.Add(time.Millisecond) }, free: 5, want: "a b"},
		{name: "of a group", change: func(t *dispatch.Task) { t.Group = "g" }, free: 5, want: "b"},
		{name: "of a paused queue", change: func(t *dispatch.Task) { t.Queue = "paused" }, free: 5, want: "b"},
		{name: "of a queue with a limit", change: func(t *dispatch.Task) { t.Queue = "limited" }, free: 5, want: "b"},
		{name: "there already", change: func(t *dispatch.Task) { t.ID = "old" }, free: 5, want: "b"},
		{name: "the store fails", free: 5, broken: &unanswering{}},
		{name: "the store fails, and has stored", free: 5, broken: &unanswering{done: true}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			store := new(storetest.Memory)
			old := store.Put(t.Context(), now, []dispatch.Task{task("old", nil)})[0].Task
			h := dispatch.Handle{
				Store: store, Settings: func(context.Context) (dispatch.Settings, error) { return settings, nil },
				Now: func() time.Time { return now.Add(300 * time.Microsecond) }, Token: func() string { return "token" }, Log: slog.New(slog.DiscardHandler),
			}
			if test.broken != nil {
				test.broken.Store = store
				h.Store = *test.broken
			}
			tasks := []dispatch.Task{task("a", test.change), task("b", nil)}
			asked := slices.Clone(tasks)
			results, claimed := h.PutClaimed(t.Context(), now, tasks, func(n int) int { return min(n, test.free) })
			if len(results) != 2 || fmt.Sprint(tasks) != fmt.Sprint(asked) {
				t.Fatalf("%d results; the caller's tasks are %v", len(results), tasks)
			}
			if got := len(claimed); got != len(strings.Fields(test.want)) {
				t.Errorf("%d are claimed, want %q", got, test.want)
			}
			if test.broken != nil {
				return
			}
			two := new(storetest.Memory)
			two.Put(t.Context(), now, []dispatch.Task{old})
			two.Put(t.Context(), now, tasks)
			two.Claim(t.Context(), strings.Fields(test.want), dispatch.Lease{Token: "token", At: now, Left: time.Hour})
			for _, id := range []string{"old", "a", "b"} {
				got, want := store.Get(t.Context(), []string{id})[0], two.Get(t.Context(), []string{id})[0]
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%s is\n%v, want as after a put and a claim\n%v", id, got, want)
				}
			}
		})
	}
}
