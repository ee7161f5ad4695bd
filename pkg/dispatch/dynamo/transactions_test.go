package dynamo_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/dynamo"
	"example.com/dispatch/pkg/dispatch/dynamo/dynamotest"
)

const transact = "TransactWriteItems"

// allTransactions are the methods of the store, where they write by transaction.
func allTransactions() []write {
	return []write{
		{"put into an empty group", transact, 2, 0, []step{group}, doPut, func(t dispatch.Task) dispatch.Task { return t }, joinable("")},
		{"put behind another", transact, 3, 0, []step{group, putHead}, doPut, func(t dispatch.Task) dispatch.Task {
			t.State, t.Prev = dispatch.Blocked, t.ID+" head"
			return t
		}, joinable("head")},
		{"finish with a next", transact, 2, 0, []step{group, put, putNext, claim}, doFinish("next"), finished, turned("next", "")},
		{"finish with none", transact, 2, 0, []step{group, put, claim}, doFinish(""), finished, turned("", "")},
		{"finish with callbacks", transact, 3, 0, []step{put, claim}, doFinish("", "success", "other"), finished, turned("", "success", "other")},
		{"finish with a next and a callback", transact, 3, 0, []step{group, put, putNext, claim}, doFinish("next", "success"), finished, turned("next", "success")},
		{"edit that ends a head", transact, 2, 0, []step{group, put, putNext}, doCancel("next"), cancelled, turned("next", "")},
		{"edit that ends the only one", transact, 2, 0, []step{group, put}, doCancel(""), cancelled, turned("", "")},
		{"edit that joins again", transact, 3, 0, []step{group, put, claim, deliver, putHead}, doAgain, func(t dispatch.Task) dispatch.Task {
			t = ranAgain(t)
			t.State, t.Prev = dispatch.Blocked, t.ID+" head"
			return t
		}, joinable("head")},
		{"edit that joins again, alone", transact, 2, 0, []step{group, put, claim, deliver}, doAgain, ranAgain, joinable("")},
	}
}

// doFinish delivers a task with callbacks; next is whose turn it then must be.
func doFinish(next string, callbacks ...string) func(context.Context, dynamo.Store, dispatch.Task) error {
	return func(ctx context.Context, s dynamo.Store, task dispatch.Task) error {
		task = delivered(task)
		task.Lapses = 0
		var put []dispatch.Task
		for _, name := range callbacks {
			put = append(put, newTask(task.ID+"/"+name))
		}
		hint, err := s.Settle(ctx, task, put...)
		return turnOf(task, hint, next, err)
	}
}

func finished(t dispatch.Task) dispatch.Task { return settled(delivered(t)) }

func doCancel(next string) func(context.Context, dynamo.Store, dispatch.Task) error {
	return func(ctx context.Context, s dynamo.Store, task dispatch.Task) error {
		_, hint, err := s.Edit(ctx, task.ID, func(t *dispatch.Task) error { *t = asCancelled(*t); return nil })
		return turnOf(task, hint, next, err)
	}
}

func asCancelled(t dispatch.Task) dispatch.Task {
	t = delivered(t)
	t.State = dispatch.Cancelled
	return t
}

func cancelled(t dispatch.Task) dispatch.Task {
	t = asCancelled(t)
	t.Generation++
	return t
}

func doAgain(ctx context.Context, s dynamo.Store, task dispatch.Task) error {
	_, hint, err := s.Edit(ctx, task.ID, func(t *dispatch.Task) error { *t = asAgain(*t); return nil })
	return turnOf(task, hint, "", err)
}

func asAgain(t dispatch.Task) dispatch.Task {
	fresh := newTask(t.ID)
	t.State, t.EndedAt, t.DueAt, t.Lane, t.TTL = fresh.State, fresh.EndedAt, fresh.DueAt, fresh.Lane, fresh.TTL
	t.Run++
	return t
}

func ranAgain(t dispatch.Task) dispatch.Task {
	t = settled(asAgain(t))
	t.Generation++
	return t
}

// turnOf says that the hint is of the task's mate of this name, or of nobody.
func turnOf(task dispatch.Task, hint dispatch.Hint, name string, err error) error {
	want := dispatch.Hint{}
	if name != "" {
		next := mate(&task, name)
		want = next.Hint()
	}
	if err == nil && hint != want {
		return errors.New("the turn goes to " + hint.ID + ", not to " + want.ID)
	}
	return err
}

// joinable says that whoever joins next comes behind the task, and the task behind head, if there is one.
func joinable(head string) func(*testing.T, dynamo.Store, dispatch.Task) {
	return func(t *testing.T, s dynamo.Store, task dispatch.Task) {
		t.Helper()
		if head != "" {
			want := mate(&task, head)
			want.Next = task.ID
			wantRow(t, s, want.ID, want)
		}
		wantLast(t, s, task.Group, task.ID)
	}
}

// turned says that the mate next has the turn, or that the group is over if there is none, and that the callbacks are
// there.
func turned(next string, callbacks ...string) func(*testing.T, dynamo.Store, dispatch.Task) {
	return func(t *testing.T, s dynamo.Store, task dispatch.Task) {
		t.Helper()
		for _, name := range callbacks {
			if name != "" {
				wantRow(t, s, task.ID+"/"+name, newTask(task.ID+"/"+name))
			}
		}
		if next == "" {
			wantLast(t, s, task.Group, "")
			return
		}
		want := mate(&task, next)
		want.Prev = task.ID
		wantRow(t, s, want.ID, want)
		if due := dueIn(t, s, want.Lane); !due[want.ID] {
			t.Errorf("%s has the turn, and is not in its lane", want.ID)
		}
		wantLast(t, s, task.Group, want.ID)
	}
}

func dueIn(t *testing.T, s dynamo.Store, lane string) map[string]bool {
	t.Helper()
	due := make(map[string]bool)
	for hint, err := range s.Due(t.Context(), lane, now) {
		if err != nil {
			t.Fatal(err)
		}
		due[hint.ID] = true
	}
	return due
}

// wantLast puts another member, which must come behind this one, or first in its group.
func wantLast(t *testing.T, s dynamo.Store, group, id string) {
	t.Helper()
	if group == "" {
		return
	}
	task := newTask(group + " last")
	task.Group = group
	r := s.Put(t.Context(), now, []dispatch.Task{task})[0]
	if r.Err != nil || r.Task.Prev != id || (r.Task.State == dispatch.Blocked) != (id != "") {
		t.Errorf("who joins next is %s behind %q, %v; want it behind %q", r.Task.State, r.Task.Prev, r.Err, id)
	}
}

// TestCancelled has transactions meet each reason for which they may be repeated, more often than the SDK repeats.
func TestCancelled(t *testing.T) {
	table := server.Table(t)
	for _, w := range allTransactions() {
		for _, fault := range []struct {
			name  string
			times int
			code  string
		}{
			{"conflict", 5, "TransactionConflict"},
			{"table throttled", 5, "ProvisionedThroughputExceeded"},
			{"throttled", 5, "ThrottlingError"},
			{"done, and then in conflict with another", 1, "TransactionConflict"},
		} {
			t.Run(w.name+"/"+fault.name, func(t *testing.T) {
				t.Parallel()
				var faults dynamotest.Faults
				s := dynamo.Store{Client: server.Client(t, &faults), Table: table}
				task := prepare(t, s, t.Name(), w.ready)
				codes := slices.Repeat([]string{"None"}, w.items)
				codes[len(codes)-1] = fault.code
				met := dynamotest.Cancelled(codes...)
				if fault.times == 1 {
					met = dynamotest.Instead(met)
				}
				faults.Next(transact, fault.times, met)
				if err := w.do(t.Context(), s, task); err != nil {
					t.Error(err)
				}
				if n := faults.Left(transact); n != 0 {
					t.Errorf("%d faults were not met", n)
				}
				wantRow(t, s, task.ID, w.want(task))
				w.wantOthers(t, s, task)
			})
		}
	}
}

// TestCancelledForGood has a transaction meet a reason that repeating cannot mend: it is returned at once.
func TestCancelledForGood(t *testing.T) {
	table := server.Table(t)
	for _, w := range allTransactions() {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			var faults dynamotest.Faults
			s := dynamo.Store{Client: server.Client(t, &faults), Table: table}
			task := prepare(t, s, t.Name(), w.ready)
			sent := faults.Requests(transact)
			faults.Next(transact, 1, dynamotest.Cancelled(append([]string{"ValidationError"}, slices.Repeat([]string{"None"}, w.items-1)...)...))
			if err := w.do(t.Context(), s, task); err == nil {
				t.Error("no error")
			}
			if n := faults.Requests(transact) - sent; n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
		})
	}
}
