// Package storetest is the contract of [dispatch.Store] as tests, which every store runs, and [Memory], the
// shortest store that keeps it. Package linear has calls made at once.
package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// Run tests a store against the whole contract, side by side where -parallel allows it. open returns a store that may
// hold rows of earlier calls; what it needs to be closed it registers with t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) dispatch.Store) {
	for _, part := range []struct {
		name string
		test func(t *testing.T, store dispatch.Store)
	}{
		{"Put", testPut},
		{"Size", testSize},
		{"Claim", testClaim},
		{"Lapse", testLapse},
		{"Settle", testSettle},
		{"Record", testRecord},
		{"Edit", testEdit},
		{"Group", testGroup},
		{"GroupWrite", testGroupWrite},
		{"GroupRace", testGroupRace},
		{"Callback", testCallback},
		{"Identifier", testIdentifier},
		{"Delete", testDelete},
		{"Due", testDue},
		{"List", testList},
		{"Document", testDocument},
		{"Context", testContext},
		{"Machine", testMachine},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			part.test(t, open(t))
		})
	}
}

// now is when all tests take place: to the ms, and late enough that no store's own TTL removes a row.
var now = time.Date(2040, 2, 29, 23, 59, 58, 765e6, time.UTC)

// fixture is one subtest: a store, and a queue and ids that no other subtest uses.
type fixture struct {
	*testing.T
	store dispatch.Store
	ctx   context.Context
	queue string
}

func sub(t *testing.T, store dispatch.Store, name string, test func(f fixture)) {
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		test(fixture{t, store, t.Context(), strings.ReplaceAll(t.Name(), "/", ".")})
	})
}

// task returns a scheduled task that is due now, changed as asked.
func (f fixture) task(name string, change ...func(*dispatch.Task)) dispatch.Task {
	t := newTask(f.queue, f.queue+"."+name)
	for _, c := range change {
		c(&t)
	}
	return t
}

func newTask(queue, id string) dispatch.Task {
	doc := []byte(`{"url":"https://receiver.example/` + id + `"}`)
	hash := sha256.Sum256(doc)
	return dispatch.Task{
		ID: id, State: dispatch.Scheduled, Queue: queue, Run: 1, Doc: doc, Hash: hash[:],
		Timeout: 30 * time.Second, ExpireAt: now.Add(24 * time.Hour),
		DueAt: now, Lane: dispatch.Lane(queue, id, 1), Generation: dispatch.Millis(now),
		TTL: now.Add(8 * 24 * time.Hour).Truncate(time.Second), Version: dispatch.FormatVersion,
	}
}

// put stores tasks that must be new, and returns the first.
func (f fixture) put(tasks ...dispatch.Task) dispatch.Task {
	f.Helper()
	for i, r := range f.store.Put(f.ctx, now, tasks) {
		if r.Err != nil || r.Existing {
			f.Fatalf("put %s: existing %v, %v", tasks[i].ID, r.Existing, r.Err)
		}
	}
	return tasks[0]
}

func (f fixture) get(id string) dispatch.Task {
	f.Helper()
	r := f.store.Get(f.ctx, []string{id})
	if len(r) != 1 || r[0].Err != nil {
		f.Fatalf("get %s: %+v", id, r)
	}
	return r[0].Task
}

// claim claims one task at a time, with all the time in the world left.
func (f fixture) claim(id, token string, at time.Time) dispatch.Result {
	f.Helper()
	r := f.store.Claim(f.ctx, []string{id}, dispatch.Lease{Token: token, At: at, Left: time.Hour})
	if len(r) != 1 {
		f.Fatalf("claim of one id has %d results", len(r))
	}
	return r[0]
}

// claimed claims one task that must be claimable.
func (f fixture) claimed(id, token string, at time.Time) dispatch.Task {
	f.Helper()
	r := f.claim(id, token, at)
	if r.Err != nil {
		f.Fatalf("claim %s: %v", id, r.Err)
	}
	return r.Task
}

func (f fixture) settle(t dispatch.Task, callbacks ...dispatch.Task) dispatch.Hint {
	f.Helper()
	next, err := f.store.Settle(f.ctx, t, callbacks...)
	if err != nil {
		f.Fatalf("settle %s: %v", t.ID, err)
	}
	return next
}

// settleErr is for settles of which only the error matters.
func (f fixture) settleErr(t dispatch.Task, callbacks ...dispatch.Task) error {
	_, err := f.store.Settle(f.ctx, t, callbacks...)
	return err
}

func (f fixture) edit(id string, edit func(*dispatch.Task) error) dispatch.Task {
	f.Helper()
	t, _ := f.edited(id, edit)
	return t
}

// edited is edit, and returns the hint too.
func (f fixture) edited(id string, edit func(*dispatch.Task) error) (dispatch.Task, dispatch.Hint) {
	f.Helper()
	t, next, err := f.store.Edit(f.ctx, id, edit)
	if err != nil {
		f.Fatalf("edit %s: %v", id, err)
	}
	return t, next
}

// editErr is for edits of which only the error matters.
func (f fixture) editErr(id string, edit func(*dispatch.Task) error) error {
	_, _, err := f.store.Edit(f.ctx, id, edit)
	return err
}

// due collects a lane.
func (f fixture) due(lane string, upTo time.Time) []dispatch.Hint {
	f.Helper()
	var hints []dispatch.Hint
	for h, err := range f.store.Due(f.ctx, lane, upTo) {
		if err != nil {
			f.Fatalf("due %s: %v", lane, err)
		}
		hints = append(hints, h)
	}
	return hints
}

func (f fixture) wantErr(what string, err, want error) {
	f.Helper()
	if !errors.Is(err, want) {
		f.Errorf("%s: error %v, want %v", what, err, want)
	}
}

// wantRow says that the stored row is want.
func (f fixture) wantRow(what string, want dispatch.Task) {
	f.Helper()
	f.wantTask(what, f.get(want.ID), want)
}

func (f fixture) wantTask(what string, got, want dispatch.Task) {
	f.Helper()
	if d := difference(got, want); d != "" {
		f.Errorf("%s: %s", what, d)
	}
}

// difference names the fields in which two tasks differ; an empty slice is a nil one.
func difference(got, want dispatch.Task) string {
	var d []string
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	for i := range g.NumField() {
		a, b := g.Field(i), w.Field(i)
		if a.Kind() == reflect.Slice && a.Len() == 0 && b.Len() == 0 || reflect.DeepEqual(a.Interface(), b.Interface()) {
			continue
		}
		d = append(d, fmt.Sprintf("%s is %.200v, want %.200v", g.Type().Field(i).Name, a.Interface(), b.Interface()))
	}
	return strings.Join(d, "; ")
}

// retried is a claimed task as its handler settles it for another attempt.
func retried(t dispatch.Task, dueAt time.Time) dispatch.Task {
	t.DueAt = dueAt
	t.Progress = []dispatch.Progress{{Attempts: 1, Last: []dispatch.Attempt{{At: now, Status: 503, Took: 120 * time.Millisecond}}, Error: "503"}}
	return t
}

// delivered is a claimed task as its handler settles it after success.
func delivered(t dispatch.Task, at time.Time) dispatch.Task {
	t.State, t.EndedAt, t.DueAt, t.Lane = dispatch.Delivered, at, time.Time{}, ""
	t.TTL = at.Add(7 * 24 * time.Hour).Truncate(time.Second)
	return t
}

// failed is a claimed task as its handler settles it into the history.
func failed(t dispatch.Task, at time.Time) dispatch.Task {
	t.State, t.Reason, t.EndedAt, t.DueAt = dispatch.Exhausted, "the last attempt failed", at, at
	t.Lane = dispatch.HistoryLanes(t.Queue, 1)[0]
	t.TTL = at.Add(7 * 24 * time.Hour).Truncate(time.Second)
	return t
}

// settled is the row that a settle leaves of t.
func settled(t dispatch.Task) dispatch.Task {
	t.Lease, t.Until = "", time.Time{}
	return t
}
