package sqlite_test

import (
	"fmt"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/sqlite"
)

// grouped puts n tasks into so many groups, in turn.
func grouped(t testing.TB, s *sqlite.Store, n, groups int) []string {
	t.Helper()
	ids := make([]string, n)
	tasks := make([]dispatch.Task, n)
	for i := range tasks {
		ids[i] = fmt.Sprintf("task-%026d", i)
		tasks[i] = task(ids[i], start)
		tasks[i].Group, tasks[i].TTL = fmt.Sprint("group", i%groups), time.Time{}
	}
	put(t, s, tasks...)
	return ids
}

// deliver claims and settles, and returns whose turn it is then.
func deliver(t testing.TB, s *sqlite.Store, id string) string {
	r := s.Claim(t.Context(), []string{id}, dispatch.Lease{Token: id, At: start, Left: time.Hour})[0]
	next, err := s.Settle(t.Context(), end(r.Task))
	if r.Err != nil || err != nil {
		t.Error(id, r.Err, err)
	}
	return next.ID
}

// BenchmarkGroup puts and runs n tasks that are all of one group, or each of its own; divide the times by n.
func BenchmarkGroup(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		for name, groups := range map[string]int{"one group": 1, "groups of one": n} {
			b.Run(fmt.Sprintf("n=%d/%s/put", n, name), func(b *testing.B) {
				for range b.N {
					b.StopTimer()
					s := open(b, file(b))
					b.StartTimer()
					grouped(b, s, n, groups)
				}
				perSecond(b, "tasks", n*b.N)
			})
			b.Run(fmt.Sprintf("n=%d/%s/run", n, name), func(b *testing.B) {
				for range b.N {
					b.StopTimer()
					s := open(b, file(b))
					ids := grouped(b, s, n, groups)
					b.StartTimer()
					if groups == 1 {
						ran := 0
						for id := ids[0]; id != ""; id = deliver(b, s, id) {
							ran++
						}
						if ran != n {
							b.Fatalf("%d ran", ran)
						}
					} else {
						side(200, n, func(i int) { deliver(b, s, ids[i]) })
					}
				}
				perSecond(b, "tasks", n*b.N)
			})
		}
	}
}
