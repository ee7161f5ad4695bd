package dynamo_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/dynamo"
)

// prepare takes a new task through steps and returns it as it is stored.
func prepare(t *testing.T, s dynamo.Store, id string, steps []step) dispatch.Task {
	t.Helper()
	task := newTask(id)
	for _, step := range steps {
		step(t, s, &task)
	}
	return task
}

// wantRow says that the stored row is want, or that there is none if want is zero.
func wantRow(t *testing.T, s dynamo.Store, id string, want dispatch.Task) {
	t.Helper()
	r := s.Get(t.Context(), []string{id})[0]
	if want.ID == "" && errors.Is(r.Err, dispatch.ErrNotFound) {
		return
	}
	if r.Err != nil || !reflect.DeepEqual(r.Task, want) {
		t.Errorf("row %+v, %v\nwant %+v", r.Task, r.Err, want)
	}
}

func doPut(ctx context.Context, s dynamo.Store, task dispatch.Task) error {
	r := s.Put(ctx, now, []dispatch.Task{task})[0]
	if r.Existing {
		return errors.New("the put's own row is an existing one to it")
	}
	return r.Err
}

func doClaim(ctx context.Context, s dynamo.Store, task dispatch.Task) error {
	r := s.Claim(ctx, []string{task.ID}, dispatch.Lease{Token: "mine", At: now, Left: time.Hour})[0]
	if want := claimedOnce(r.Task); r.Err == nil && (r.Task.Lease != "mine" || !r.Task.Until.Equal(want.Until)) {
		return errors.New("the claim returns another's lease")
	}
	return r.Err
}

// claimBefore is a claim whose lease is over just now.
func claimBefore(t *testing.T, s dynamo.Store, task *dispatch.Task) {
	early := now.Add(-task.Timeout - dispatch.LeaseMargin)
	task.DueAt = early
	edit(t, s, task, func(t *dispatch.Task) { t.DueAt = early })
	claimAt(t, s, task, early)
}

// claimedOnce is the row that doClaim leaves of a task.
func claimedOnce(t dispatch.Task) dispatch.Task {
	t.Lease, t.Until = "mine", now.Add(t.Timeout+dispatch.LeaseMargin)
	t.Generation++
	return t
}

func doSettle(ctx context.Context, s dynamo.Store, task dispatch.Task) error {
	_, err := s.Settle(ctx, delivered(task))
	return err
}

func doEdit(ctx context.Context, s dynamo.Store, task dispatch.Task) error {
	edited, _, err := s.Edit(ctx, task.ID, func(t *dispatch.Task) error { t.Run++; return nil })
	if err == nil && (edited.Run != task.Run+1 || edited.Generation != task.Generation+1) {
		return errors.New("the edit returns another row than it wrote")
	}
	return err
}

func doDelete(ctx context.Context, s dynamo.Store, task dispatch.Task) error {
	return s.Delete(ctx, task.ID, task.Generation)
}

func recorded() []dispatch.Progress {
	return []dispatch.Progress{{State: dispatch.Delivered, EndedAt: now, Attempts: 1}, {Attempts: 1, NextAt: now}}
}

func doRecord(ctx context.Context, s dynamo.Store, task dispatch.Task) error {
	task.Progress = recorded()
	return s.Record(ctx, task)
}
