package sqlite

import (
	"path/filepath"
	"testing"

	"example.com/dispatch/pkg/dispatch"
)

// A task that was put a millisecond ago, and claimed since, is of the generation of a put now.
func TestAnotherPutIsNotTakenForOnesOwn(t *testing.T) {
	s := opened(t, filepath.Join(t.TempDir(), "a.db"))
	first := scheduled("a")
	if err := s.putOne(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if again := s.Put(t.Context(), now, []dispatch.Task{first})[0]; again.Existing || again.Err != nil {
		t.Errorf("one's own: existing %v, %v", again.Existing, again.Err)
	}
	if r := s.Claim(t.Context(), []string{"a"}, dispatch.Lease{Token: "t", At: now, Left: 1 << 60})[0]; r.Err != nil {
		t.Fatal(r.Err)
	}
	second := first
	second.Generation++
	second.Doc = []byte(`{"createdAt":"later"}`)
	if r := s.Put(t.Context(), now, []dispatch.Task{second})[0]; !r.Existing || r.Err != nil {
		t.Errorf("another's: existing %v, %v", r.Existing, r.Err)
	}
}
