package sqlite

import (
	"fmt"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// Tasks that were seen are read and claimed together; each has its own lease's end, lapses and room all the same.
func TestClaimedTogether(t *testing.T) {
	const n = 2*widest + 29
	s := opened(t, filepath.Join(t.TempDir(), "a.db"))
	ids := make([]string, n)
	wants := make([]dispatch.Task, n)
	for i := range ids {
		task := scheduled(fmt.Sprint("task", i))
		task.Timeout = time.Duration(1+i%7) * time.Second
		task.Generation += int64(i)
		if i%3 == 0 {
			task.Progress = []dispatch.Progress{{Attempts: 1, Last: []dispatch.Attempt{{At: now, Status: 500, Took: time.Duration(i) * time.Second}}}}
		}
		if i%5 == 0 {
			task.Lease, task.Until, task.Lapses = "before", now, i%4
		}
		if err := s.putOne(t.Context(), task); err != nil {
			t.Fatal(err)
		}
		ids[i], wants[i] = task.ID, task
	}
	for _, err := range s.Due(t.Context(), "q#0", now) {
		if err != nil {
			t.Fatal(err)
		}
	}
	l := dispatch.Lease{Token: "mine", At: now, Left: 1 << 60}
	claimed := s.Claim(t.Context(), ids, l)
	stored := s.Get(t.Context(), ids)
	for i, want := range wants {
		if want.Lease != "" {
			want.Lapses++
		}
		want.Lease, want.Until, want.Generation = l.Token, now.Add(want.Timeout+dispatch.LeaseMargin), want.Generation+1
		for whose, r := range map[string]dispatch.Result{"claimed": claimed[i], "stored": stored[i]} {
			if r.Err != nil || !reflect.DeepEqual(r.Task, want) {
				t.Fatalf("%s: %+v, %v\nwant %+v", whose, r.Task, r.Err, want)
			}
		}
	}
	for i, r := range s.Claim(t.Context(), ids, dispatch.Lease{Token: "another", At: now, Left: 1 << 60}) {
		if r.Err == nil || !reflect.DeepEqual(r.Task, claimed[i].Task) {
			t.Fatalf("claimed twice: %+v, %v", r.Task, r.Err)
		}
	}
}

func TestWidth(t *testing.T) {
	for rows, want := range map[int]int{1: 1, 2: 2, 3: 4, 33: 64, 64: 64} {
		if got := width(rows); got != want {
			t.Errorf("%d rows take a statement of %d, want %d", rows, got, want)
		}
	}
}
