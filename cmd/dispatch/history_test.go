package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/sqlite"
)

// past is a task that ended, or was held, so long ago.
type past struct {
	id, queue, group string
	state            dispatch.State
	ago              time.Duration
}

// seed makes a database of the past.
func seed(t *testing.T, folder string, all []past) {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(folder, "dispatch.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	settings, err := dispatch.ParseSettings([]byte(`{"queues": {"default": {"lanes": 4}, "bulk": {"lanes": 1}}}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dispatch.SaveSettings(t.Context(), store, settings); err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	for _, p := range all {
		at := now.Add(-p.ago)
		d, err := dispatch.EncodeDoc(dispatch.Doc{
			CreatedAt: at, Method: "POST", URI: "https://a.example/", Format: dispatch.Raw, HTTPTimeout: 30, FirstDueAt: at,
			Attempts: dispatch.Attempts{Limit: 1, Interval: 1, Backoff: 1}, SuccessCodes: dispatch.Codes{{From: 200, To: 299}},
		})
		if err != nil {
			t.Fatal(err)
		}
		row := dispatch.Task{
			ID: p.id, State: dispatch.Scheduled, Queue: p.queue, Run: 1, Doc: d, Hash: []byte(p.id), Timeout: 30 * time.Second, DueAt: at,
			Lane: dispatch.Lane(p.queue, p.id, settings.Lanes(p.queue)), Generation: at.UnixMilli(), Version: dispatch.FormatVersion, Group: p.group,
		}
		if r := store.Put(t.Context(), at, []dispatch.Task{row})[0]; r.Err != nil {
			t.Fatal(r.Err)
		}
		if p.state == dispatch.Scheduled {
			continue
		}
		if _, _, err := store.Edit(t.Context(), p.id, func(row *dispatch.Task) error {
			if row.State == dispatch.Blocked {
				return nil
			}
			row.State, row.Reason, row.Lane, row.DueAt = p.state, "long ago", "", time.Time{}
			row.Progress = []dispatch.Progress{{Attempts: 1, Last: []dispatch.Attempt{{At: at, Status: 500}}, Error: "status 500"}}
			if p.state.Final() {
				row.EndedAt, row.TTL = at, now.Add(time.Hour)
			}
			if p.state.Failed() {
				row.Lane, row.DueAt = strings.Replace(dispatch.Lane(p.queue, p.id, settings.Lanes(p.queue)), "#", "!failed#", 1), at
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFailuresNewestFirst(t *testing.T) {
	folder := t.TempDir()
	var all []past
	for i := range 40 { // in all four lanes, in no order
		all = append(all, past{fmt.Sprintf("t%02d", i), "default", "", dispatch.Exhausted, time.Duration(i*7%40+1) * time.Minute})
	}
	seed(t, folder, all)
	got := dispatchIn(t, folder, "", "list", "--state", "exhausted", "--limit", "30")
	last := 0
	for i := range 30 {
		for _, p := range all {
			if p.ago == time.Duration(i+1)*time.Minute {
				at := strings.Index(got.out, p.id)
				if at < last {
					t.Fatalf("%s, which ended %v ago, is not at its place:\n%s", p.id, p.ago, got.out)
				}
				last = at
			}
		}
	}
	if !strings.Contains(got.err, "there are more") || got.code != 0 {
		t.Errorf("exit %d: %s", got.code, got.err)
	}
}

func TestClearAndRetryTheOld(t *testing.T) {
	folder := t.TempDir()
	seed(t, folder, []past{
		{"old", "default", "", dispatch.Delivered, 15 * 24 * time.Hour},
		{"bulk-old", "bulk", "", dispatch.Exhausted, 15 * 24 * time.Hour},
		{"failed-old", "default", "", dispatch.Exhausted, 15 * 24 * time.Hour},
		{"newer", "default", "", dispatch.Exhausted, 13 * 24 * time.Hour},
		{"live", "default", "", dispatch.Scheduled, 15 * 24 * time.Hour},
	})
	steps(t, folder, []step{
		{"of a queue and a state", "clear --older-than 14d --state exhausted --queue bulk --yes", "", 0, "1 task deleted", "1 task would", ""},
		{"it is gone", "show bulk-old", "", 1, "", "no task bulk-old", ""},
		{"not confirmed", "clear --older-than 14d", "no\n", 1, "", "2 tasks would be deleted for good", ""},
		{"all is there", "list", "", 0, "failed-old", "", ""},
		{"retry the newer alone", "retry --state exhausted --since 14d --yes", "", 0, "1 task retried", "", ""},
		{"the old one is as it was", "list --state exhausted", "", 0, "failed-old", "", "newer"},
		{"confirmed", "clear --older-than 14d", "yes\n", 0, "2 tasks deleted", "", ""},
		{"the live one stays", "list", "", 0, "live", "", "old"},
		{"and the other", "show newer", "", 0, "run again by hand", "", ""},
	})
}

func TestHeldByHand(t *testing.T) {
	folder := t.TempDir()
	held := func(group string) []past {
		return []past{{group + "0", "default", group, dispatch.Held, time.Hour}, {group + "1", "default", group, dispatch.Scheduled, time.Hour}}
	}
	seed(t, folder, append(append(held("s"), held("r")...), held("c")...))
	steps(t, folder, []step{
		{"list", "list --state held", "", 0, "long ago", "", "s1"},
		{"show", "show s0", "", 0, "it waits for a person to retry, skip or cancel it", "", ""},
		{"who is behind it", "show s1", "", 0, "blocked behind s0, which is held: it waits for a person", "", ""},
		{"skip", "skip s0", "", 0, "skipped by hand: long ago", "", ""},
		{"the next one goes", "show s1", "", 0, "due since", "", "blocked"},
		{"cancel", "cancel c0", "", 0, "cancelled by hand", "", ""},
		{"the next one goes here", "show c1", "", 0, "due since", "", "blocked"},
		{"retry by a filter", "retry --state held --since 2h --yes", "", 0, "1 task retried", "", ""},
		{"it is at the head still", "show r0", "", 0, "before r1", "", "behind"},
		{"and blocks", "show r1", "", 0, "blocked behind r0, which is scheduled", "", ""},
	})
}
