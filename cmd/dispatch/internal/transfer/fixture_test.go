package transfer

import (
	"bytes"
	"fmt"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/sqlite"
)

var now = time.Date(2040, 2, 29, 12, 0, 0, 0, time.UTC)

func open(t testing.TB) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "dispatch.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func newTask(id string) dispatch.Task {
	return dispatch.Task{
		ID: id, State: dispatch.Scheduled, Queue: "default", Run: 1, Doc: []byte(`{"uri":"https://a.example/` + id + `"}`), Hash: []byte("hash of " + id),
		Timeout: 30 * time.Second, ExpireAt: now.Add(24 * time.Hour), DueAt: now, Lane: dispatch.Lane("default", id, 1),
		Generation: dispatch.Millis(now), TTL: now.Add(8 * 24 * time.Hour), Version: dispatch.FormatVersion,
	}
}

// finished is a task that has ended.
func finished(t dispatch.Task, state dispatch.State) dispatch.Task {
	t.State, t.Reason, t.EndedAt, t.DueAt, t.Lane, t.TTL = state, "a reason", now, time.Time{}, "", now.Add(7*24*time.Hour)
	if state.Failed() {
		t.DueAt, t.Lane = now, dispatch.HistoryLanes(t.Queue, 1)[0]
	}
	return t
}

func attempted(t dispatch.Task, n int) dispatch.Task {
	t.Progress = []dispatch.Progress{{
		Attempts: n, WaitingSince: now, Error: "status 503 \u2028 <&>",
		Last: []dispatch.Attempt{{At: now, Status: 503, Took: 120 * time.Millisecond}},
	}}
	return t
}

// variety is the n-th of tasks of all kinds; of ten in a row, four are a group.
func variety(n int) dispatch.Task {
	t := newTask(fmt.Sprintf("task-%d", n))
	t.DueAt = now.Add(time.Duration(n) * time.Second)
	switch kind := n % 10; kind {
	case 0, 1, 2, 3: // in the order of neither their ids nor their times
		t = newTask(member(n/10, kind))
		t.DueAt = now.Add(time.Duration(n-2*kind) * time.Second)
		t.Group, t.TTL = fmt.Sprintf("group-%d", n/10), time.Time{}
		switch {
		case kind == 0 && n/10%3 == 0:
			t.State, t.Reason = dispatch.Held, "the last attempt failed"
		case kind == 2:
			t.Flag = true
		}
	case 4:
		return attempted(t, 1+n%7)
	case 5:
		t.Tenant = fmt.Sprintf("tenant-%d", n%3)
		t.Identifier, t.Run, t.Lapses, t.Generation = fmt.Sprintf("import-%d", n%100), 3, 2, t.Generation+77
		t.Doc = []byte("{\"body\":\"<&>\u2028\\u003c\",\"n\":1.000}")
	case 6:
		states := []dispatch.State{dispatch.Delivered, dispatch.Stopped, dispatch.Exhausted, dispatch.Expired, dispatch.Skipped, dispatch.Cancelled}
		return finished(attempted(t, 3), states[n/10%len(states)])
	case 7:
		t.Progress = []dispatch.Progress{{State: dispatch.Delivered, EndedAt: now, Attempts: 1}, {NextAt: now, Attempts: 2}, {}}
	case 8:
		t.Group, t.Prev, t.Next = fmt.Sprintf("group-%d", n/10), "before", member(n/10, 0)
		return finished(t, dispatch.Delivered)
	case 9:
		t.Doc = []byte("{ \"not\": \"compact\" }\xff") // whatever it is, it is kept
	}
	return t
}

// member is the id of a group's n-th member.
func member(group, n int) string { return fmt.Sprintf("member-%d-%c", group, "dbac"[n]) }

// fill puts n tasks of all kinds, some of which are leased then, and three versions of the settings.
func fill(t testing.TB, store dispatch.Store, n int) {
	t.Helper()
	for version := range 3 {
		s := dispatch.Settings{Queues: map[string]dispatch.QueueSettings{"default": {Lanes: 1}, "bulk": {Lanes: 1 + version}}}
		if _, err := dispatch.SaveSettings(t.Context(), store, s); err != nil {
			t.Fatal(err)
		}
	}
	var tasks []dispatch.Task
	for i := range n {
		tasks = append(tasks, variety(i))
	}
	put(t, store, tasks...)
	for i := 4; i < n; i += 1000 {
		claim(t, store, fmt.Sprintf("task-%d", i))
	}
}

func put(t testing.TB, store dispatch.Store, tasks ...dispatch.Task) {
	t.Helper()
	for _, r := range store.Put(t.Context(), now, tasks) {
		if r.Err != nil || r.Existing {
			t.Fatalf("existing %v, %v", r.Existing, r.Err)
		}
	}
}

func claim(t testing.TB, store dispatch.Store, id string) dispatch.Task {
	t.Helper()
	r := store.Claim(t.Context(), []string{id}, dispatch.Lease{Token: "token", At: now.Add(1000 * time.Hour), Left: time.Hour})[0]
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	return r.Task
}

func exported(t testing.TB, store dispatch.Store) (*bytes.Buffer, Exported) {
	t.Helper()
	var b bytes.Buffer
	told := 0
	did, err := Export(t.Context(), store, &b, now, func(n int) { told += n })
	if err != nil || told != did.Tasks {
		t.Fatalf("%v; told of %d of %d", err, told, did.Tasks)
	}
	return &b, did
}

// importing is an import that notes what it refuses.
func importing(store dispatch.Store, refused map[string]error) *Import {
	return &Import{Store: store, Now: func() time.Time { return now }, Did: func(int) {}, Refuse: func(id string, cause error) { refused[id] = cause }}
}

func imported(t testing.TB, store dispatch.Store, file []byte, want Imported) {
	t.Helper()
	refused := map[string]error{}
	got, err := importing(store, refused).Run(t.Context(), bytes.NewReader(file))
	if err != nil || got != want || len(refused) != want.Refused {
		t.Fatalf("%+v, %v, refused %v; want %+v", got, err, refused, want)
	}
}

func rows(t testing.TB, store dispatch.Store) map[string]dispatch.Task {
	t.Helper()
	all := map[string]dispatch.Task{}
	for row, err := range store.List(t.Context(), dispatch.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		all[row.ID] = row
	}
	return all
}

// wantRows says that a store has what another had, without leases.
func wantRows(t testing.TB, got, want dispatch.Store) {
	t.Helper()
	a, b := rows(t, got), rows(t, want)
	if len(a) != len(b) {
		t.Errorf("%d rows, want %d", len(a), len(b))
	}
	wrong := 0
	for id, w := range b {
		if w.Lease != "" {
			w.Lease, w.Until, w.Lapses = "", time.Time{}, w.Lapses+1
		}
		if g := a[id]; !reflect.DeepEqual(g, w) {
			if wrong++; wrong <= 5 {
				t.Errorf("got  %+v\nwant %+v", g, w)
			}
		}
	}
	if wrong > 5 {
		t.Errorf("and %d more differ", wrong-5)
	}
}
