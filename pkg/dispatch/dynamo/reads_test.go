package dynamo_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/dynamo"
	"example.com/dispatch/pkg/dispatch/dynamo/dynamotest"
)

// TestGlance reads a little of tasks, of which the first answers leave some to the next request.
func TestGlance(t *testing.T) {
	var faults dynamotest.Faults
	s := dynamo.Store{Client: server.Client(t, &faults), Table: server.Table(t)}
	_, ids := many(t, s, 3, "task %03d")
	s.Claim(t.Context(), ids[:1], dispatch.Lease{Token: "mine", At: now, Left: time.Hour})
	faults.Next("BatchGetItem", 1, dynamotest.Changed(func(answer map[string]any) { leave(answer, s.Table, 1) }))
	all, some := s.Get(t.Context(), ids), s.Glance(t.Context(), append(ids, "absent"))
	for i, r := range all {
		a, want := some[i].Task, r.Task
		want = dispatch.Task{ID: want.ID, State: want.State, Tenant: want.Tenant, DueAt: want.DueAt, ExpireAt: want.ExpireAt, Lease: want.Lease, Until: want.Until}
		if r.Err != nil || some[i].Err != nil || !reflect.DeepEqual(a, want) {
			t.Errorf("saw %+v, %v; want %+v, %v", a, some[i].Err, want, r.Err)
		}
	}
	if all[0].Task.Lease != "mine" || !errors.Is(some[len(ids)].Err, dispatch.ErrNotFound) {
		t.Errorf("claimed by %q; absent: %v", all[0].Task.Lease, some[len(ids)].Err)
	}
}

// TestUnprocessed has BatchGetItem leave keys, some or all, to the next request.
func TestUnprocessed(t *testing.T) {
	var faults dynamotest.Faults
	s := dynamo.Store{Client: server.Client(t, &faults), Table: server.Table(t)}
	tasks, ids := many(t, s, 150, "task %03d")
	for _, keep := range []int{0, 1, 60} {
		faults.Next("BatchGetItem", 3, dynamotest.Changed(func(answer map[string]any) { leave(answer, s.Table, keep) }))
	}
	ids = append(ids, "absent", ids[0], "", "/doc/settings", strings.Repeat("x", 3000))
	results := s.Get(t.Context(), ids)
	if n := faults.Left("BatchGetItem"); n != 0 {
		t.Errorf("%d faults were not met", n)
	}
	for i, r := range results {
		switch {
		case i < len(tasks) || i == len(tasks)+1:
			if r.Err != nil || r.Task.ID != ids[i] {
				t.Errorf("result %d is %q, %v; want %q", i, r.Task.ID, r.Err, ids[i])
			}
		case !errors.Is(r.Err, dispatch.ErrNotFound):
			t.Errorf("%q: %v, want that it is not found", ids[i], r.Err)
		}
	}
}

// TestUnprocessedForGood ends the context of a read that gets nowhere: what was read before is returned.
func TestUnprocessedForGood(t *testing.T) {
	var faults dynamotest.Faults
	s := dynamo.Store{Client: server.Client(t, &faults), Table: server.Table(t)}
	_, ids := many(t, s, 120, "task %03d")
	ctx, cancel := context.WithCancel(t.Context())
	faults.Next("BatchGetItem", 1, dynamotest.After(func() {}))
	faults.Next("BatchGetItem", 3, dynamotest.Changed(func(answer map[string]any) { leave(answer, s.Table, 0) }))
	faults.Next("BatchGetItem", 1, dynamotest.Changed(func(answer map[string]any) {
		leave(answer, s.Table, 0)
		cancel()
	}))
	for i, r := range s.Get(ctx, ids) {
		if i < 100 && r.Err != nil || i >= 100 && !errors.Is(r.Err, context.Canceled) {
			t.Errorf("result %d: %v", i, r.Err)
		}
	}
}

// leave makes an answer hold no more than so many items and give the others' keys back.
func leave(answer map[string]any, table string, keep int) {
	responses := answer["Responses"].(map[string]any)
	items := responses[table].([]any)
	keep = min(keep, len(items))
	var keys []any
	for _, item := range items[keep:] {
		keys = append(keys, map[string]any{"id": item.(map[string]any)["id"]})
	}
	responses[table] = items[:keep]
	if len(keys) > 0 {
		answer["UnprocessedKeys"] = map[string]any{table: map[string]any{"Keys": keys, "ConsistentRead": true}}
	}
}

// TestReadsRepeat has each read meet faults before it gets through.
func TestReadsRepeat(t *testing.T) {
	var faults dynamotest.Faults
	s := dynamo.Store{Client: server.Client(t, &faults), Table: server.Table(t)}
	task := prepare(t, s, "a", []step{put})
	save(t, s, nil)
	for _, operation := range []string{"BatchGetItem", "GetItem", "Query", "Scan"} {
		faults.Next(operation, 4, dynamotest.Answer(http.StatusBadRequest, "ThrottlingException"))
		faults.Next(operation, 1, dynamotest.Answer(http.StatusInternalServerError, "InternalServerError"))
		faults.Next(operation, 1, dynamotest.Cut)
		faults.Next(operation, 1, dynamotest.Lost(nil))
	}
	if r := s.Get(t.Context(), []string{"a"}); r[0].Err != nil {
		t.Error(r[0].Err)
	}
	if _, err := s.Load(t.Context(), "settings"); err != nil {
		t.Error(err)
	}
	for hint, err := range s.Due(t.Context(), task.Lane, now) {
		if err != nil || hint != task.Hint() {
			t.Errorf("hint %v, %v; want %v", hint, err, task.Hint())
		}
	}
	for got, err := range s.List(t.Context(), dispatch.Filter{}) {
		if err != nil || got.ID != "a" {
			t.Errorf("listed %q, %v", got.ID, err)
		}
	}
	for _, operation := range []string{"BatchGetItem", "GetItem", "Query", "Scan"} {
		if n := faults.Left(operation); n != 0 {
			t.Errorf("%d faults of %s were not met", n, operation)
		}
	}
}

// TestReadsEnd has each read meet an error that repeating cannot mend.
func TestReadsEnd(t *testing.T) {
	var faults dynamotest.Faults
	s := dynamo.Store{Client: server.Client(t, &faults), Table: server.Table(t)}
	many(t, s, 1100, "task %04d")
	deny := dynamotest.Answer(http.StatusBadRequest, "AccessDeniedException")
	var last error
	n := 0
	faults.Next("Query", 1, dynamotest.After(func() {}))
	faults.Next("Query", 1, deny)
	for _, err := range s.Due(t.Context(), "q#0", now) {
		if last = err; err == nil {
			n++
		}
	}
	if n != 1000 || last == nil {
		t.Errorf("%d hints, then %v; want the first page, then an error", n, last)
	}
	for operation, filter := range map[string]dispatch.Filter{"Query": {Lanes: []string{"q#0"}}, "BatchGetItem": {Lanes: []string{"q#0"}}, "Scan": {}} {
		faults.Next(operation, 1, deny)
		last = nil
		for task, err := range s.List(t.Context(), filter) {
			if last = err; err == nil {
				t.Fatalf("%s: listed %q", operation, task.ID)
			}
		}
		if last == nil {
			t.Errorf("%s: no error", operation)
		}
	}
}

// TestStaleIndex has the index lag behind the rows, as DynamoDB's does: hints come of it, but no claim.
func TestStaleIndex(t *testing.T) {
	var faults dynamotest.Faults
	s := dynamo.Store{Client: server.Client(t, &faults), Table: server.Table(t)}
	moved := newTask("moved")
	moved.DueAt = now.Add(time.Hour)
	put(t, s, &moved)
	ended := prepare(t, s, "ended", []step{put, claim, deliver})
	there := prepare(t, s, "there", []step{put})
	lag := dynamotest.Changed(func(answer map[string]any) {
		answer["Items"] = append(answer["Items"].([]any), entry("moved", now), entry("ended", now), entry("gone", now))
	})
	faults.Next("Query", 2, lag)
	var ids []string
	for hint, err := range s.Due(t.Context(), "q#0", now) {
		if err != nil || hint.Queue != "q" || !hint.DueAt.Equal(now) {
			t.Errorf("hint %v, %v", hint, err)
		}
		ids = append(ids, hint.ID)
	}
	if want := []string{"there", "moved", "ended", "gone"}; !slices.Equal(ids, want) {
		t.Fatalf("hints of %v, want %v", ids, want)
	}
	var listed []string
	for task, err := range s.List(t.Context(), dispatch.Filter{Lanes: []string{"q#0"}}) {
		if err != nil {
			t.Error(err)
		}
		listed = append(listed, task.ID)
	}
	if want := []string{"there", "moved"}; !slices.Equal(listed, want) {
		t.Errorf("listed %v, want %v: those that are in the lane", listed, want)
	}
	for i, r := range s.Claim(t.Context(), ids, lease(now)) {
		want := []error{nil, dispatch.ErrRefused, dispatch.ErrRefused, dispatch.ErrNotFound}[i]
		if !errors.Is(r.Err, want) {
			t.Errorf("claim of %s: %v, want %v", ids[i], r.Err, want)
		}
	}
	ended.Lease, ended.Until = "", time.Time{}
	wantRow(t, s, "ended", ended)
	wantRow(t, s, "moved", moved)
	if r := s.Get(t.Context(), []string{there.ID}); r[0].Task.Lease == "" {
		t.Error("the task that was due is not claimed")
	}
}

// entry is one of the index, as JSON.
func entry(id string, dueAt time.Time) map[string]any {
	return map[string]any{
		"id":    map[string]any{"S": id},
		"lane":  map[string]any{"S": "q#0"},
		"dueAt": map[string]any{"N": fmt.Sprint(dispatch.Millis(dueAt))},
	}
}

// many puts so many tasks, each due 1 ms after the one before and all before now.
func many(t *testing.T, s dynamo.Store, n int, name string) (tasks []dispatch.Task, ids []string) {
	t.Helper()
	for i := range n {
		task := newTask(fmt.Sprintf(name, i))
		task.DueAt = now.Add(time.Duration(i-n) * time.Millisecond)
		tasks, ids = append(tasks, task), append(ids, task.ID)
	}
	for _, r := range s.Put(t.Context(), now, tasks) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	return tasks, ids
}
