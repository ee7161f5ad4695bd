package sqlite_test

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/sqlite"
)

// Each file in testdata was written when its format was the newest: one task of each kind that there was, and a
// document. format1 is that of the first version that was given away; format2 has a group of two besides; format4 a
// tenant's task and one that is leased after a lapse, and was the last in which leases were columns of the tasks.
func TestFilesOfOlderFormatsGoOn(t *testing.T) {
	for format, live := range map[string][]string{
		"format1": {"scheduled", "leased", "later"},
		"format2": {"first", "scheduled", "leased", "later"},
		"format4": {"first", "scheduled", "leased", "lapsed", "later"},
	} {
		t.Run(format, func(t *testing.T) {
			path, _ := older(t, format)
			oldFileGoesOn(t, path, live)
		})
	}
}

// older returns a copy of a kept file, and what is in it.
func older(t *testing.T, format string) (path string, content []byte) {
	t.Helper()
	content, err := os.ReadFile("testdata/" + format + ".sqlite")
	if err != nil {
		t.Fatal(err)
	}
	path = file(t)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, content
}

// A server of an older format could not settle any more what it has claimed, and all that would be sent again.
func TestAnOlderFileIsLeftToItsServer(t *testing.T) {
	path, old := older(t, "format4")
	lock, err := sqlite.TryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), path); !errors.Is(err, sqlite.ErrLocked) {
		t.Errorf("opened beside a server: %v", err)
	}
	if is, err := os.ReadFile(path); err != nil || !bytes.Equal(is, old) {
		t.Errorf("the file was written to, %v", err)
	}
	s, err := lock.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	open(t, path) // it is of the newest format now
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
}

func oldFileGoesOn(t *testing.T, path string, live []string) {
	for range 2 { // the second time it is of this format
		s := open(t, path)
		for id, want := range map[string]dispatch.State{"scheduled": dispatch.Scheduled, "later": dispatch.Scheduled,
			"leased": dispatch.Scheduled, "delivered": dispatch.Delivered, "failed": dispatch.Exhausted} {
			r := s.Get(t.Context(), []string{id})[0]
			if r.Err != nil || r.Task.State != want || string(r.Task.Doc) != string(task(id, start).Doc) || r.Task.Group != "" || r.Task.Flag || r.Task.Identifier != "" {
				t.Errorf("%s: %+v, %v", id, r.Task, r.Err)
			}
		}
		for _, r := range s.Get(t.Context(), []string{"leased", "lapsed"}) {
			switch until := start.Add(time.Minute); {
			case r.Err == nil && r.Task.ID == "leased" && r.Task.Lease == "token" && r.Task.Until.Equal(until) && r.Task.Generation == dispatch.Millis(start)+1 && r.Task.Lapses == 0:
			case r.Err == nil && r.Task.ID == "lapsed" && r.Task.Lease == "holder's" && r.Task.Generation == dispatch.Millis(start)+2 && r.Task.Lapses == 1:
			case !slices.Contains(live, "lapsed") && errors.Is(r.Err, dispatch.ErrNotFound):
			default:
				t.Errorf("%+v, %v", r.Task, r.Err)
			}
		}
		if d, err := s.Load(t.Context(), "settings"); err != nil || d.Version != 1 {
			t.Errorf("document: %+v, %v", d, err)
		}
		if got := due(t, s, "default#0"); !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(live))) {
			t.Errorf("the lane has %v, want %v", got, live)
		}
		if got := due(t, s, "default!failed#0"); len(got) != 1 {
			t.Errorf("the history has %v, want one", got)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, path)
	if _, err := s.Settle(t.Context(), dispatch.Task{ID: "leased", Lease: "another's", Generation: 1}); !errors.Is(err, dispatch.ErrLeaseLost) {
		t.Errorf("settle by another: %v", err)
	}
	mine := s.Claim(t.Context(), []string{"leased"}, dispatch.Lease{Token: "token", At: start, Left: time.Hour})[0]
	if _, err := s.Settle(t.Context(), end(mine.Task)); err != nil || mine.Err != nil {
		t.Errorf("settle by its holder: %v, %v", mine.Err, err)
	}
	first, second := task("first", start), task("second", start)
	first.Group, second.Group, second.Identifier = "g", "g", "label"
	if !slices.Contains(live, "first") {
		put(t, s, first, second)
	}
	r := s.Claim(t.Context(), []string{"scheduled", "first"}, dispatch.Lease{Token: "next", At: start, Left: time.Hour})
	for i, turn := range []string{"", "second"} {
		if next, err := s.Settle(t.Context(), end(r[i].Task)); next.ID != turn || err != nil {
			t.Errorf("settle of %s: the turn goes to %+v, %v", r[i].Task.ID, next, err)
		}
	}
	n := 0
	for row, err := range s.List(t.Context(), dispatch.Filter{Identified: true}) {
		if n++; err != nil || row.ID != "second" {
			t.Errorf("with a label: %s, %v", row.ID, err)
		}
	}
	if n != 1 {
		t.Errorf("%d with a label, want 1", n)
	}
}

func due(t testing.TB, s *sqlite.Store, lane string) (ids []string) {
	t.Helper()
	for h, err := range s.Due(t.Context(), lane, start.Add(24*time.Hour)) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, h.ID)
	}
	return ids
}
