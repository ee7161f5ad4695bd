package sqlite_test

import (
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/sqlite"
)

// Each file in testdata was written when its format was the newest: one task of each kind that there was, and a
// document. format1 is that of the first version that was given away; format2 has a group of two besides.
func TestFilesOfOlderFormatsGoOn(t *testing.T) {
	for format, live := range map[string][]string{"format1": {"scheduled", "leased", "later"}, "format2": {"first", "scheduled", "leased", "later"}} {
		t.Run(format, func(t *testing.T) {
			old, err := os.ReadFile("testdata/" + format + ".sqlite")
			if err != nil {
				t.Fatal(err)
			}
			path := file(t)
			if err := os.WriteFile(path, old, 0o600); err != nil {
				t.Fatal(err)
			}
			oldFileGoesOn(t, path, live)
		})
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
