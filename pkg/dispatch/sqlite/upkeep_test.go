package sqlite_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/sqlite"
)

func put(t testing.TB, s *sqlite.Store, tasks ...dispatch.Task) {
	t.Helper()
	for _, r := range s.Put(t.Context(), start, tasks) {
		if r.Err != nil || r.Existing {
			t.Fatalf("put: %v, %v", r.Existing, r.Err)
		}
	}
}

func TestPurge(t *testing.T) {
	s := open(t, file(t))
	rows := []struct {
		name   string
		change func(*dispatch.Task)
		stays  bool
	}{
		{"past its TTL", func(t *dispatch.Task) { *t = end(*t); t.TTL = start.Add(-time.Hour) }, false},
		{"at its TTL", func(t *dispatch.Task) { *t = end(*t); t.TTL = start }, false},
		{"before its TTL", func(t *dispatch.Task) { *t = end(*t); t.TTL = start.Add(time.Second) }, true},
		{"without TTL", func(t *dispatch.Task) { *t = end(*t); t.TTL = time.Time{} }, true},
		{"scheduled", func(t *dispatch.Task) { t.TTL = start.Add(-time.Hour) }, false},
		{"leased", func(t *dispatch.Task) { t.TTL, t.Lease, t.Until = start.Add(-time.Hour), "x", start.Add(time.Second) }, true},
		{"lapsed", func(t *dispatch.Task) { t.TTL, t.Lease, t.Until = start.Add(-time.Hour), "x", start }, false},
	}
	var want, purged []string
	for _, r := range rows {
		row := task(r.name, start)
		r.change(&row)
		put(t, s, row)
		if r.stays {
			want = append(want, r.name)
		} else {
			purged = append(purged, r.name)
		}
	}
	if n, err := s.Purge(t.Context(), start); n != len(purged) || err != nil {
		t.Errorf("purged %d, %v; want %d", n, err, len(purged))
	}
	var got []string
	for row, err := range s.List(t.Context(), dispatch.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, row.ID)
	}
	if slices.Sort(want); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Errorf("what stays is %v, want %v", got, want)
	}
	for h, err := range s.Due(t.Context(), "default#0", start.Add(time.Hour)) {
		if err != nil || slices.Contains(purged, h.ID) {
			t.Errorf("still in the lane: %v, %v", h, err)
		}
	}
}

func TestPurgeOfManyRows(t *testing.T) {
	s := open(t, file(t))
	var tasks []dispatch.Task
	for i := range 5000 {
		row := end(task(fmt.Sprint(i), start))
		if i%3 != 0 {
			row.TTL = start.Add(-time.Second)
		}
		tasks = append(tasks, row)
	}
	put(t, s, tasks...)
	for _, want := range []int{3333, 0} {
		if n, err := s.Purge(t.Context(), start); n != want || err != nil {
			t.Errorf("purged %d, %v; want %d", n, err, want)
		}
	}
	if n, err := s.Purge(t.Context(), start.Add(30*24*time.Hour)); n != 1667 || err != nil {
		t.Errorf("purged the rest: %d, %v", n, err)
	}
}

func TestFreeLeases(t *testing.T) {
	path := file(t)
	s := open(t, path)
	elsewhere := task("elsewhere", start)
	elsewhere.Queue, elsewhere.Lane = "other", "other#3"
	put(t, s, task("held", start), task("lapsed", start.Add(-2*time.Hour)), task("free", start), elsewhere, task("later", start.Add(time.Hour)))
	for id, at := range map[string]time.Time{"lapsed": start.Add(-time.Hour), "held": start, "elsewhere": start} {
		if r := s.Claim(t.Context(), []string{id}, dispatch.Lease{Token: id, At: at, Left: time.Hour})[0]; r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	at := start.Add(time.Second)
	lease := dispatch.Lease{Token: "next", At: at, Left: time.Hour}
	if r := s.Claim(t.Context(), []string{"held"}, lease)[0]; !errors.Is(r.Err, dispatch.ErrRefused) {
		t.Fatalf("claimed before: %v", r.Err)
	}
	if n, err := s.FreeLeases(t.Context(), at); n != 2 || err != nil {
		t.Errorf("freed %d, %v; want 2", n, err)
	}
	for i, r := range s.Claim(t.Context(), []string{"held", "elsewhere", "free"}, lease) {
		if lapses := 1 - i/2; r.Err != nil || r.Task.Lapses != lapses {
			t.Errorf("%s: %d lapses, %v; want %d", r.Task.ID, r.Task.Lapses, r.Err, lapses)
		}
	}
}

func TestOneServerLocksTheFile(t *testing.T) {
	path := file(t)
	lock, err := sqlite.TryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.TryLock(path); !errors.Is(err, sqlite.ErrLocked) {
		t.Errorf("the second: %v, want ErrLocked", err)
	}
	if lock.Left {
		t.Error("a new file has leases left")
	}
	put(t, open(t, path), task("a", start)) // the command line needs no lock
	for _, c := range []struct {
		name    string
		settled bool
		left    bool // for the next
	}{{"killed", false, true}, {"settled", true, false}, {"settled again", true, false}, {"killed", false, true}} {
		if c.settled {
			if err := lock.Settled(); err != nil {
				t.Fatal(err)
			}
		}
		if err := lock.Unlock(); err != nil {
			t.Fatal(err)
		}
		if lock, err = sqlite.TryLock(path); err != nil {
			t.Fatalf("after the last: %v", err)
		}
		if lock.Left != c.left {
			t.Errorf("%s: leases left: %v, want %v", c.name, lock.Left, c.left)
		}
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
}
