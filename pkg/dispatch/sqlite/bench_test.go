package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/sqlite"
)

var start = time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC)

// task is one of an ordinary size, about 700 bytes in the file.
func task(id string, dueAt time.Time) dispatch.Task {
	return dispatch.Task{
		ID: id, State: dispatch.Scheduled, Queue: "default", Run: 1,
		Doc:     []byte(`{"id":"` + id + `","url":"https://receiver.example/hook","body":"` + strings.Repeat("x", 380) + `"}`),
		Hash:    []byte("0123456789abcdef0123456789abcdef"),
		Timeout: 30 * time.Second, ExpireAt: dueAt.Add(24 * time.Hour), DueAt: dueAt, Lane: "default#0",
		Generation: dispatch.Millis(start), TTL: dueAt.Add(8 * 24 * time.Hour), Version: dispatch.FormatVersion,
	}
}

func end(t dispatch.Task) dispatch.Task {
	t.State, t.EndedAt, t.DueAt, t.Lane = dispatch.Delivered, start, time.Time{}, ""
	t.TTL = start.Add(7 * 24 * time.Hour)
	t.Progress = []dispatch.Progress{{Attempts: 1, Last: []dispatch.Attempt{{At: start, Status: 200, Took: 12 * time.Millisecond}}}}
	return t
}

func fill(b *testing.B, s *sqlite.Store, prefix string, n int, dueAt func(int) time.Time) []string {
	b.Helper()
	ids := make([]string, n)
	tasks := make([]dispatch.Task, 0, 5000)
	for i := range ids {
		ids[i] = fmt.Sprintf("%s-%026d", prefix, i)
		if tasks = append(tasks, task(ids[i], dueAt(i))); len(tasks) == cap(tasks) || i == n-1 {
			for _, r := range s.Put(b.Context(), start, tasks) {
				if r.Err != nil {
					b.Fatal(r.Err)
				}
			}
			tasks = tasks[:0]
		}
	}
	return ids
}

// side runs do for 0 to n-1 on so many goroutines.
func side(workers, n int, do func(int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	wg.Wait()
}

func perSecond(b *testing.B, what string, n int) {
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), what+"/s")
}

func BenchmarkPut(b *testing.B) {
	for _, callers := range []int{1, 50, 200} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := open(b, file(b))
			b.ReportAllocs()
			b.ResetTimer()
			side(callers, b.N, func(i int) {
				if r := s.Put(b.Context(), start, []dispatch.Task{task(fmt.Sprintf("%026d", i), start)})[0]; r.Err != nil || r.Existing {
					b.Error(r.Existing, r.Err)
				}
			})
			perSecond(b, "puts", b.N)
		})
	}
}

// BenchmarkCycle claims and settles, each task on its own, as so many workers do; one with a receiver that
// takes 5 ms.
func BenchmarkCycle(b *testing.B) {
	for _, c := range []struct {
		workers int
		took    time.Duration
	}{{1, 0}, {10, 0}, {200, 0}, {500, 0}, {200, 5 * time.Millisecond}, {500, 5 * time.Millisecond}} {
		b.Run(fmt.Sprintf("workers=%d/receiver=%v", c.workers, c.took), func(b *testing.B) {
			s := open(b, file(b))
			ids := fill(b, s, "task", b.N, func(int) time.Time { return start })
			b.ReportAllocs()
			b.ResetTimer()
			side(c.workers, b.N, func(i int) {
				r := s.Claim(b.Context(), ids[i:i+1], dispatch.Lease{Token: ids[i], At: start, Left: time.Hour})[0]
				if r.Err != nil {
					b.Error(r.Err)
				}
				time.Sleep(c.took)
				if _, err := s.Settle(b.Context(), end(r.Task)); err != nil {
					b.Error(err)
				}
			})
			perSecond(b, "tasks", b.N)
		})
	}
}

// BenchmarkClaimMany claims 500 at a time and has 200 workers settle them.
func BenchmarkClaimMany(b *testing.B) {
	s := open(b, file(b))
	ids := fill(b, s, "task", b.N, func(int) time.Time { return start })
	claimed := make(chan dispatch.Task, 500)
	b.ReportAllocs()
	b.ResetTimer()
	go func() {
		defer close(claimed)
		for len(ids) > 0 {
			some := ids[:min(500, len(ids))]
			ids = ids[len(some):]
			for _, r := range s.Claim(b.Context(), some, dispatch.Lease{Token: some[0], At: start, Left: time.Hour}) {
				claimed <- r.Task
			}
		}
	}()
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			for t := range claimed {
				if _, err := s.Settle(b.Context(), end(t)); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	perSecond(b, "tasks", b.N)
}

// BenchmarkPending measures a store with much in it: one page of what is due, and a claim of 500.
func BenchmarkPending(b *testing.B) {
	for _, c := range []struct {
		name string
		n    int
		due  func(int) time.Time
	}{
		{"n=1000/due", 1000, func(int) time.Time { return start }},
		{"n=1000000/future", 1_000_000, func(i int) time.Time { return start.Add(time.Hour + time.Duration(i)*time.Millisecond) }},
		{"n=1000000/due", 1_000_000, func(i int) time.Time { return start.Add(-time.Duration(i%5000) * time.Millisecond) }},
	} {
		if c.n > 1000 && testing.Short() {
			continue
		}
		path := filepath.Join(b.TempDir(), "store.db")
		s := open(b, path)
		fill(b, s, "old", c.n, c.due)
		fill(b, s, "due", 1000, func(int) time.Time { return start })
		if info, err := os.Stat(path); err == nil {
			b.Logf("%s: %d MB", c.name, info.Size()>>20)
		}
		b.Run(c.name+"/first page", func(b *testing.B) {
			for range b.N {
				n := 0
				for _, err := range s.Due(b.Context(), "default#0", start) {
					if err != nil {
						b.Fatal(err)
					}
					if n++; n == 1000 {
						break
					}
				}
			}
		})
		round := 0
		b.Run(c.name+"/claim of 500", func(b *testing.B) {
			ids := make([]string, 500)
			for i := range ids {
				ids[i] = fmt.Sprintf("old-%026d", (i*7919)%c.n)
				if c.name == "n=1000000/future" {
					ids[i] = fmt.Sprintf("due-%026d", i)
				}
			}
			for range b.N {
				round++
				for _, r := range s.Claim(b.Context(), ids, dispatch.Lease{Token: fmt.Sprint(round), At: start.Add(time.Duration(round) * time.Hour), Left: time.Hour}) {
					if r.Err != nil {
						b.Fatal(r.Err)
					}
				}
			}
		})
		b.Run(c.name+"/purge of none", func(b *testing.B) {
			for range b.N {
				if n, err := s.Purge(context.Background(), start); err != nil || n != 0 {
					b.Fatal(n, err)
				}
			}
		})
	}
}

// BenchmarkDueOfOneInstant reads a whole lane of a batch that is due at one instant.
func BenchmarkDueOfOneInstant(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			s := open(b, file(b))
			fill(b, s, "task", n, func(int) time.Time { return start })
			b.ResetTimer()
			for range b.N {
				got := 0
				for _, err := range s.Due(b.Context(), "default#0", start) {
					if err != nil {
						b.Fatal(err)
					}
					got++
				}
				if got != n {
					b.Fatalf("%d of %d", got, n)
				}
			}
		})
	}
}
