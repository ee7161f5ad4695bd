package dynamo_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/dynamo"
	"example.com/dispatch/pkg/dispatch/dynamo/dynamotest"
)

// TestRefusedOnce claims what has a lease that is over, but is refused for another reason: no second write is tried.
func TestRefusedOnce(t *testing.T) {
	var faults dynamotest.Faults
	s := dynamo.Store{Client: server.Client(t, &faults), Table: server.Table(t)}
	for name, change := range map[string]func(*dispatch.Task){
		"final":          func(t *dispatch.Task) { t.State = dispatch.Stopped },
		"not due":        func(t *dispatch.Task) { t.DueAt = now.Add(time.Hour) },
		"too long":       func(t *dispatch.Task) { t.Timeout = 2 * time.Hour },
		"newer format":   func(t *dispatch.Task) { t.Version++ },
		"lease not over": func(t *dispatch.Task) { t.Until = now.Add(time.Millisecond) },
	} {
		task := newTask(name)
		task.Lease, task.Until = "over", now.Add(-time.Hour)
		change(&task)
		put(t, s, &task)
		sent := faults.Requests("UpdateItem")
		claimRefused(t, s, &task)
		if n := faults.Requests("UpdateItem") - sent; n != 1 {
			t.Errorf("%s: %d writes tried, want 1", name, n)
		}
		wantRow(t, s, name, task)
	}
}

// TestSettleFenced settles with the right lease and another generation, and what is not there.
func TestSettleFenced(t *testing.T) {
	s := dynamo.Store{Client: server.Client(t, nil), Table: server.Table(t)}
	task := prepare(t, s, "a", []step{put, claim})
	for _, ahead := range []int64{-1, 1} {
		stale := delivered(task)
		stale.Generation += ahead
		if _, err := s.Settle(t.Context(), stale); !errors.Is(err, dispatch.ErrLeaseLost) {
			t.Errorf("generation %+d: %v, want that the lease is lost", ahead, err)
		}
	}
	wantRow(t, s, "a", task)
	if _, err := s.Settle(t.Context(), dispatch.Task{ID: "absent", Lease: "mine"}); !errors.Is(err, dispatch.ErrLeaseLost) {
		t.Errorf("absent: %v, want that the lease is lost", err)
	}
}

// TestEditFenced has an edit read what is no longer there, one attribute at a time: it must see the row as it is.
func TestEditFenced(t *testing.T) {
	var faults dynamotest.Faults
	s := dynamo.Store{Client: server.Client(t, &faults), Table: server.Table(t)}
	for name, stale := range map[string]map[string]any{
		"generation": {"generation": map[string]any{"N": "1"}},
		"state":      {"state": map[string]any{"S": "stopped"}},
		"lease":      {"lease": map[string]any{"S": "another"}},
	} {
		for kind, steps := range map[string][]step{"free ": {put}, "leased ": {put, claim}} {
			task := prepare(t, s, kind+name, steps)
			faults.Next("GetItem", 1, dynamotest.Changed(func(answer map[string]any) {
				for attribute, value := range stale {
					answer["Item"].(map[string]any)[attribute] = value
				}
			}))
			var seen []dispatch.Task
			if _, _, err := s.Edit(t.Context(), task.ID, func(t *dispatch.Task) error { seen = append(seen, *t); return nil }); err != nil {
				t.Error(err)
			}
			if len(seen) != 2 || seen[1].Generation != task.Generation || seen[1].State != task.State || seen[1].Lease != task.Lease {
				t.Errorf("%s: the edit saw %+v, want the row last", task.ID, seen)
			}
		}
	}
}

// TestTTLRoundsUp keeps a row's time to live, in seconds, from ending early.
func TestTTLRoundsUp(t *testing.T) {
	s := dynamo.Store{Client: server.Client(t, nil), Table: server.Table(t)}
	second := now.Truncate(time.Second)
	for name, c := range map[string]struct{ ttl, want time.Time }{
		"whole":      {second, second},
		"just after": {second.Add(time.Millisecond), second.Add(time.Second)},
		"just not":   {second.Add(999 * time.Millisecond), second.Add(time.Second)},
	} {
		task := newTask(name)
		task.TTL = c.ttl
		put(t, s, &task)
		task.TTL = c.want
		wantRow(t, s, name, task)
	}
}

// TestLargestDocument saves the largest document that the store does not refuse: DynamoDB must not refuse it either.
func TestLargestDocument(t *testing.T) {
	s := dynamo.Store{Client: server.Client(t, nil), Table: server.Table(t)}
	version, size := int64(0), dispatch.MaxRow-256
	for step := 128; step > 0; step /= 2 {
		d := dispatch.Document{Name: "d", Version: version + 1, Body: bytes.Repeat([]byte("x"), size+step)}
		switch err := s.Save(t.Context(), d); {
		case err == nil:
			version, size = version+1, size+step
		case !errors.Is(err, dispatch.ErrTooLarge):
			t.Errorf("%d bytes: %v", size+step, err)
		}
	}
	if d, err := s.Load(t.Context(), "d"); err != nil || len(d.Body) != size {
		t.Errorf("loaded %d bytes, %v; want %d", len(d.Body), err, size)
	}
	t.Logf("the largest document has %d bytes", size)
}
