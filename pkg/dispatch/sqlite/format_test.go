package sqlite_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/sqlite"
)

// testdata/format1.sqlite was written by the first version that was given away: one task of each kind, and a document.
func TestAFileOfTheFirstFormatGoesOn(t *testing.T) {
	old, err := os.ReadFile("testdata/format1.sqlite")
	if err != nil {
		t.Fatal(err)
	}
	path := file(t)
	if err := os.WriteFile(path, old, 0o600); err != nil {
		t.Fatal(err)
	}
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
		if got := due(t, s, "default#0"); len(got) != 3 {
			t.Errorf("the lane has %v, want three", got)
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
	put(t, s, first, second)
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
