package engine_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// TestArrivalsAreClaimedAsTheyAreStored: with workers free, no claim of its own; with none, as before; and however often a
// task turns out to be there already, the workers stay.
func TestArrivalsAreClaimedAsTheyAreStored(t *testing.T) {
	const workers = 4
	in(t, workers, func(ctx context.Context, c dispatch.Call) dispatch.Answer { return slowly(ctx, time.Second, 204) }, func(t *testing.T, r rig) {
		enqueue := func(id string, i int) {
			t.Helper()
			input := fmt.Sprintf(`{"id": %q, "uri": "https://host%d.example/"}`, id, i)
			if _, err := r.engine.Enqueue.Run(t.Context(), []byte(input), nil); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait() // the workers are there
		for i := range workers + 2 {
			enqueue(fmt.Sprint("task-", i), i)
		}
		for i := range 3 * workers {
			enqueue("task-0", 0)
			enqueue(fmt.Sprint("task-", workers), i%workers)
		}
		delivered := func(n int) func() bool {
			return func() bool { return r.in(dispatch.Delivered, "task") == n }
		}
		r.until(time.Minute, "all delivered", delivered(workers+2))
		for i := range workers + 2 {
			want := i / workers // one claim for those that found no worker
			if got := r.claims.n[fmt.Sprint("task-", i)]; got != want {
				t.Errorf("task %d was claimed %d times by itself, want %d", i, got, want)
			}
		}
		began := time.Now()
		for i := range workers {
			enqueue("task-0", 0)
			enqueue(fmt.Sprint("task-again-", i), i)
		}
		r.until(time.Minute, "delivered by all workers at once", delivered(2*workers+2))
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("it took %v: workers are missing", took)
		}
	})
}
