package dynamo_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/dynamo"
	"example.com/dispatch/pkg/dispatch/dynamo/dynamotest"
)

// write is one method of the store that writes.
type write struct {
	name      string
	operation string
	items     int    // of the transaction
	pass      int    // requests of the operation that the method sends before the one in question
	ready     []step // what its task goes through first
	do        func(ctx context.Context, s dynamo.Store, task dispatch.Task) error
	want      func(task dispatch.Task) dispatch.Task                 // the row that it leaves; a zero one for none
	others    func(t *testing.T, s dynamo.Store, task dispatch.Task) // says that the other rows are as they must be, if not nil
}

func (w write) wantOthers(t *testing.T, s dynamo.Store, task dispatch.Task) {
	t.Helper()
	if w.others != nil {
		w.others(t, s, task)
	}
}

func allWrites() []write {
	return []write{
		{"put", "PutItem", 0, 0, nil, doPut, func(t dispatch.Task) dispatch.Task { return t }, nil},
		{"claim", "UpdateItem", 0, 0, []step{put}, doClaim, claimedOnce, nil},
		{"claim of a lapse", "UpdateItem", 0, 1, []step{put, claimBefore}, doClaim, func(t dispatch.Task) dispatch.Task {
			t.Lapses++
			return claimedOnce(t)
		}, nil},
		{"settle", "UpdateItem", 0, 0, []step{put, claim}, doSettle, func(t dispatch.Task) dispatch.Task {
			t = delivered(t)
			return settled(t)
		}, nil},
		{"record", "UpdateItem", 0, 0, []step{put, claim}, doRecord, func(t dispatch.Task) dispatch.Task {
			t.Progress = recorded()
			return t
		}, nil},
		{"edit", "PutItem", 0, 0, []step{put}, doEdit, func(t dispatch.Task) dispatch.Task {
			t.Run++
			t.Generation++
			return t
		}, nil},
		{"delete", "DeleteItem", 0, 0, []step{put, claim, deliver}, doDelete, func(dispatch.Task) dispatch.Task {
			return dispatch.Task{}
		}, nil},
	}
}

// TestFaults has each write meet each fault: it must be done once, and know it.
func TestFaults(t *testing.T) {
	table := server.Table(t)
	for _, w := range append(allWrites(), allTransactions()...) {
		for _, fault := range []struct {
			name  string
			times int // more than the three tries after which the SDK's own retryer gives up
			do    dynamotest.Fault
		}{
			{"answer lost", 1, dynamotest.Lost(nil)},
			{"answer lost often", 5, dynamotest.Lost(nil)},
			{"answer cut off", 1, dynamotest.Cut},
			{"no connection", 5, dynamotest.Unsent},
			{"table throttled", 5, dynamotest.Answer(http.StatusBadRequest, "ProvisionedThroughputExceededException")},
			{"throttled", 5, dynamotest.Answer(http.StatusBadRequest, "ThrottlingException")},
			{"account throttled", 5, dynamotest.Answer(http.StatusBadRequest, "RequestLimitExceeded")},
			{"still in progress", 5, dynamotest.Answer(http.StatusBadRequest, "TransactionInProgressException")},
			{"in a transaction", 5, dynamotest.Answer(http.StatusBadRequest, "TransactionConflictException")},
			{"internal error", 5, dynamotest.Answer(http.StatusInternalServerError, "InternalServerError")},
			{"unavailable", 5, dynamotest.Answer(http.StatusServiceUnavailable, "ServiceUnavailable")},
		} {
			t.Run(w.name+"/"+fault.name, func(t *testing.T) {
				t.Parallel()
				var faults dynamotest.Faults
				s := dynamo.Store{Client: server.Client(t, &faults), Table: table}
				task := prepare(t, s, t.Name(), w.ready)
				faults.Next(w.operation, w.pass, dynamotest.After(func() {}))
				faults.Next(w.operation, fault.times, fault.do)
				if err := w.do(t.Context(), s, task); err != nil {
					t.Error(err)
				}
				if n := faults.Left(w.operation); n != 0 {
					t.Errorf("%d faults were not met", n)
				}
				wantRow(t, s, task.ID, w.want(task))
				w.wantOthers(t, s, task)
			})
		}
	}
}

// TestEndThrottled ends the context of writes that are throttled for good: they say so, and write nothing.
func TestEndThrottled(t *testing.T) {
	table := server.Table(t)
	for _, w := range append(allWrites(), allTransactions()...) {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			var faults dynamotest.Faults
			s := dynamo.Store{Client: server.Client(t, &faults), Table: table}
			task := prepare(t, s, t.Name(), w.ready)
			before := s.Get(t.Context(), []string{task.ID})[0].Task
			ctx, cancel := context.WithCancel(t.Context())
			throttle := dynamotest.Answer(http.StatusBadRequest, "ThrottlingException")
			faults.Next(w.operation, 6, throttle)
			faults.Next(w.operation, 1, func(c context.Context, send func() (*http.Response, error)) (*http.Response, error) {
				cancel()
				return throttle(c, send)
			})
			faults.Next(w.operation, 1, dynamotest.After(func() { t.Error("it goes on after the end") }))
			if err := w.do(ctx, s, task); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want that the context was cancelled", err)
			}
			if n := faults.Left(w.operation); n != 1 {
				t.Errorf("%d faults were not met, want 1", n)
			}
			wantRow(t, s, task.ID, before)
		})
	}
}

// TestEndAnswered ends the context of writes while their answer comes: they are done, and say so.
func TestEndAnswered(t *testing.T) {
	table := server.Table(t)
	for _, w := range append(allWrites(), allTransactions()...) {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			var faults dynamotest.Faults
			s := dynamo.Store{Client: server.Client(t, &faults), Table: table}
			task := prepare(t, s, t.Name(), w.ready)
			ctx, cancel := context.WithCancel(t.Context())
			faults.Next(w.operation, w.pass, dynamotest.After(func() {}))
			faults.Next(w.operation, 1, dynamotest.Changed(func(map[string]any) { cancel() }))
			if err := w.do(ctx, s, task); err != nil {
				t.Error(err)
			}
			wantRow(t, s, task.ID, w.want(task))
			w.wantOthers(t, s, task)
		})
	}
}

// TestOther has a write meet an error that repeating cannot mend: it is returned at once.
func TestOther(t *testing.T) {
	table := server.Table(t)
	for _, w := range append(allWrites(), allTransactions()...) {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			var faults dynamotest.Faults
			s := dynamo.Store{Client: server.Client(t, &faults), Table: table}
			task := prepare(t, s, t.Name(), w.ready)
			faults.Next(w.operation, 1, dynamotest.Answer(http.StatusBadRequest, "AccessDeniedException"))
			sent := faults.Requests(w.operation)
			err := w.do(t.Context(), s, task)
			var api interface{ ErrorCode() string }
			if !errors.As(err, &api) || api.ErrorCode() != "AccessDeniedException" {
				t.Errorf("error %v, want that access was denied", err)
			}
			if n := faults.Requests(w.operation) - sent; n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
		})
	}
}
