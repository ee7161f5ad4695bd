package sqlite

import (
	"errors"
	"path/filepath"
	"testing"

	"example.com/dispatch/pkg/dispatch"
)

// Another process may delete a row and put another in its place, or compact the file.
func TestRowsThatAreNotWhereTheyWere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s, other := opened(t, path), opened(t, path)
	lease := dispatch.Lease{Token: "t", At: now, Left: 1 << 60}
	change := func(sql string) {
		t.Helper()
		if err := other.writer.write(t.Context(), 1, func(c *session) error { return c.run(sql) }); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{"moved", "gone"} { // gone has the highest number, which is given again
		if err := s.putOne(t.Context(), scheduled(id)); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range s.Due(t.Context(), "q#0", now) {
		if err != nil {
			t.Fatal(err)
		}
	}
	change("UPDATE tasks SET rowid=1000 WHERE id='moved'; DELETE FROM tasks WHERE id='gone'; UPDATE tasks SET rowid=1 WHERE rowid=1000")
	change("UPDATE tasks SET rowid=7 WHERE id='moved'")
	if err := other.putOne(t.Context(), scheduled("another")); err != nil {
		t.Fatal(err)
	}
	change("UPDATE tasks SET rowid=2 WHERE id='another'") // where gone was
	ids := []string{"moved", "gone", "another"}
	if g := s.Get(t.Context(), ids); g[0].Task.ID != "moved" || !errors.Is(g[1].Err, dispatch.ErrNotFound) || g[2].Task.ID != "another" {
		t.Fatalf("got %+v", g)
	}
	r := s.Claim(t.Context(), ids, lease)
	if r[0].Err != nil || !errors.Is(r[1].Err, dispatch.ErrNotFound) || r[2].Err != nil || r[0].Task.ID != "moved" || r[2].Task.ID != "another" {
		t.Fatalf("claimed %+v", r)
	}
	change("UPDATE tasks SET rowid=8 WHERE id='moved'; UPDATE tasks SET rowid=7 WHERE id='another'")
	for _, one := range []dispatch.Result{r[0], r[2]} {
		one.Task.State = dispatch.Delivered
		if _, err := s.Settle(t.Context(), one.Task); err != nil {
			t.Errorf("settling %s: %v", one.Task.ID, err)
		}
	}
	for _, g := range s.Get(t.Context(), []string{"moved", "another"}) {
		if g.Err != nil || g.Task.State != dispatch.Delivered || g.Task.Lease != "" {
			t.Errorf("%+v, %v", g.Task, g.Err)
		}
	}
}

func TestRowidsAreBounded(t *testing.T) {
	var r rowids
	for i := range rememberedRows + 5 {
		r.remember(string(rune(i))+"x", int64(i))
	}
	if n := len(r.of); n > rememberedRows {
		t.Errorf("%d are remembered", n)
	}
	r.remember("a", 1)
	if r.forget("a"); r.recall("a") != 0 {
		t.Error("not forgotten")
	}
}
