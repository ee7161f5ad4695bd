package dynamo_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/dynamo"
	"example.com/dispatch/pkg/dispatch/dynamo/dynamotest"
)

// TestOvertakenUnanswered loses a write's answer, and has somebody else write before it is repeated.
func TestOvertakenUnanswered(t *testing.T) {
	table := server.Table(t)
	open := func(t *testing.T) (dynamo.Store, *dynamotest.Faults) {
		faults := new(dynamotest.Faults)
		return dynamo.Store{Client: server.Client(t, faults), Table: table}, faults
	}
	other := dynamo.Store{Client: server.Client(t, nil), Table: table}
	t.Run("a put, by a claim", func(t *testing.T) {
		s, faults := open(t)
		task := newTask(t.Name())
		faults.Next("PutItem", 1, dynamotest.Lost(func() { claim(t, other, &dispatch.Task{ID: task.ID}) }))
		r := s.Put(t.Context(), now, []dispatch.Task{task})[0]
		if r.Err != nil || !r.Existing || !reflect.DeepEqual(r.Task.Hash, task.Hash) {
			t.Errorf("existing %v, hash %q, %v; want the existing row with its own content", r.Existing, r.Task.Hash, r.Err)
		}
	})
	t.Run("an edit, by a claim", func(t *testing.T) {
		s, faults := open(t)
		task := prepare(t, s, t.Name(), []step{put})
		var claimed dispatch.Task
		faults.Next("PutItem", 1, dynamotest.Lost(func() {
			claimed = dispatch.Task{ID: task.ID}
			claim(t, other, &claimed)
		}))
		if err := doEdit(t.Context(), s, task); err != nil {
			t.Error(err)
		}
		if claimed.Run != 2 {
			t.Errorf("claimed run %d, want 2", claimed.Run)
		}
		wantRow(t, s, task.ID, claimed)
	})
	t.Run("an edit, by two others", func(t *testing.T) {
		s, faults := open(t)
		task := prepare(t, s, t.Name(), []step{put})
		later := dispatch.Task{ID: task.ID}
		faults.Next("PutItem", 1, dynamotest.Lost(func() {
			edit(t, other, &later, func(t *dispatch.Task) { t.Reason = "by another" })
			edit(t, other, &later, func(t *dispatch.Task) { t.Reason = "by a third" })
		}))
		edit(t, s, &task, func(t *dispatch.Task) { t.Run++; t.Reason = "mine" })
		if task.Run != 2 || task.Reason != "mine" {
			t.Errorf("returned run %d, %q; want what was written, once", task.Run, task.Reason)
		}
		wantRow(t, s, task.ID, later)
	})
	t.Run("an edit, refused by an edit like it", func(t *testing.T) {
		s, faults := open(t)
		task := prepare(t, s, t.Name(), []step{put})
		faults.Next("PutItem", 1, dynamotest.After(func() {
			edit(t, other, &dispatch.Task{ID: task.ID}, func(t *dispatch.Task) { t.Run++ })
		}))
		edit(t, s, &task, func(t *dispatch.Task) { t.Run++ })
		if task.Run != 3 {
			t.Errorf("run %d, want 3: each edit counts", task.Run)
		}
	})
	t.Run("a lapse's claim, by another", func(t *testing.T) {
		s, faults := open(t)
		task := prepare(t, s, t.Name(), []step{put, claimBefore})
		winner := dispatch.Task{ID: task.ID}
		faults.Next("UpdateItem", 1, dynamotest.After(func() {}))
		faults.Next("UpdateItem", 1, dynamotest.After(func() { claim(t, other, &winner) }))
		if err := doClaim(t.Context(), s, task); !errors.Is(err, dispatch.ErrRefused) {
			t.Errorf("error %v, want it refused", err)
		}
		wantRow(t, s, task.ID, winner)
	})
	t.Run("a lapse's claim, by one that is over as well", func(t *testing.T) {
		s, faults := open(t)
		task := prepare(t, s, t.Name(), []step{put, claimBefore})
		winner := task
		faults.Next("UpdateItem", 1, dynamotest.After(func() {}))
		faults.Next("UpdateItem", 1, dynamotest.After(func() { lapse(t, other, &winner) }))
		later := dispatch.Lease{Token: "mine", At: now.Add(time.Hour), Left: time.Hour}
		if r := s.Claim(t.Context(), []string{task.ID}, later)[0]; !errors.Is(r.Err, dispatch.ErrRefused) {
			t.Errorf("error %v, want it refused: what it saw lapse is not what is there", r.Err)
		}
		wantRow(t, s, task.ID, winner)
	})
	t.Run("a lapse's claim, by the late settle for a retry", func(t *testing.T) {
		s, faults := open(t)
		task := prepare(t, s, t.Name(), []step{put, claimBefore})
		late := task
		faults.Next("UpdateItem", 1, dynamotest.After(func() {}))
		faults.Next("UpdateItem", 1, dynamotest.After(func() { settle(t, other, &late) }))
		if err := doClaim(t.Context(), s, task); !errors.Is(err, dispatch.ErrRefused) {
			t.Errorf("error %v, want it refused: nothing has lapsed", err)
		}
		late.Lease, late.Until = "", time.Time{}
		wantRow(t, s, task.ID, late)
	})
	t.Run("a claim of what only seems to have lapsed", func(t *testing.T) {
		s, faults := open(t)
		task := prepare(t, s, t.Name(), []step{put, claim})
		faults.Next("UpdateItem", 1, dynamotest.Changed(func(answer map[string]any) {
			answer["Item"].(map[string]any)["until"] = map[string]any{"N": "1"}
		}))
		if err := doClaim(t.Context(), s, task); !errors.Is(err, dispatch.ErrRefused) {
			t.Errorf("error %v, want it refused: the lease is not over", err)
		}
		wantRow(t, s, task.ID, task)
	})
	t.Run("a lapse's claim, by the late settle", func(t *testing.T) {
		s, faults := open(t)
		task := prepare(t, s, t.Name(), []step{put, claimBefore})
		late := s.Get(t.Context(), []string{task.ID})[0].Task
		faults.Next("UpdateItem", 1, dynamotest.After(func() {}))
		faults.Next("UpdateItem", 1, dynamotest.After(func() { deliver(t, other, &late) }))
		if err := doClaim(t.Context(), s, task); !errors.Is(err, dispatch.ErrRefused) {
			t.Errorf("error %v, want it refused", err)
		}
		if got := s.Get(t.Context(), []string{task.ID})[0].Task; got.State != dispatch.Delivered || got.Lapses != 0 {
			t.Errorf("it is %s with %d lapses, want delivered with none", got.State, got.Lapses)
		}
	})
	t.Run("a settle, by a claim of what it set to retry", func(t *testing.T) {
		s, faults := open(t)
		task := prepare(t, s, t.Name(), []step{put, claim})
		next := dispatch.Task{ID: task.ID}
		faults.Next("UpdateItem", 1, dynamotest.Lost(func() { claim(t, other, &next) }))
		if _, err := s.Settle(t.Context(), task); !errors.Is(err, dispatch.ErrLeaseLost) {
			t.Errorf("error %v, want that the lease is lost", err)
		}
		wantRow(t, s, task.ID, next)
	})
}
