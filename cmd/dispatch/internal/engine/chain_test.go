package engine_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// record is a receiver that keeps the order of its calls, and how many were under way at once.
type record struct {
	gauge
	ids []string
}

func (r *record) answer(ctx context.Context, c dispatch.Call, took time.Duration, status int) dispatch.Answer {
	r.begin()
	defer r.end()
	r.mu.Lock()
	r.ids = append(r.ids, c.Task.ID)
	r.mu.Unlock()
	return slowly(ctx, took, status)
}

func (r *record) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.ids)
}

func numbered(group string, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("%s-%d", group, i)
	}
	return ids
}

func TestChainGoesOnAtOnceAndInOrder(t *testing.T) {
	const n = 1000
	var calls record
	in(t, 16, func(ctx context.Context, c dispatch.Call) dispatch.Answer {
		return calls.answer(ctx, c, time.Millisecond, 204)
	}, func(t *testing.T, r rig) {
		began := time.Now()
		r.chain("g", "", n)
		r.until(time.Minute, "all delivered", func() bool { return r.in(dispatch.Delivered, "g") == n })
		if got := calls.all(); !slices.Equal(got, numbered("g", n)) || calls.most != 1 {
			t.Errorf("%d calls, %d at once; want %d in order, one after another", len(got), calls.most, n)
		}
		// One look a second would take n seconds.
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("it took %v: each one waits for the sweep", took)
		}
	})
}

func TestHeadThatFailsBlocksItsGroupAlone(t *testing.T) {
	var calls record
	var mu sync.Mutex
	fails := 3
	in(t, 4, func(ctx context.Context, c dispatch.Call) dispatch.Answer {
		mu.Lock()
		defer mu.Unlock()
		if c.Task.ID == "a-0" && fails > 0 {
			fails--
			return calls.answer(ctx, c, 0, 503)
		}
		return calls.answer(ctx, c, 0, 204)
	}, func(t *testing.T, r rig) {
		r.chain("a", `, "attempts": {"interval": 60}`, 3)
		r.chain("b", "", 3)
		r.until(time.Second, "b delivered", func() bool { return r.in(dispatch.Delivered, "b") == 3 })
		if blocked := r.in(dispatch.Blocked, "a"); blocked != 2 {
			t.Errorf("%d are blocked behind a head that will be tried again, want 2", blocked)
		}
		r.until(5*time.Minute, "a delivered", func() bool { return r.in(dispatch.Delivered, "a") == 3 })
		got := slices.DeleteFunc(calls.all(), func(id string) bool { return id[0] == 'b' })
		if want := []string{"a-0", "a-0", "a-0", "a-0", "a-1", "a-2"}; !slices.Equal(got, want) {
			t.Errorf("calls %v, want %v", got, want)
		}
	})
}

func TestChainLeavesItsWorkerToOthers(t *testing.T) {
	var calls record
	in(t, 1, func(ctx context.Context, c dispatch.Call) dispatch.Answer {
		return calls.answer(ctx, c, time.Second, 204)
	}, func(t *testing.T, r rig) {
		r.chain("g", "", 500)
		r.until(5*time.Second, "it has begun", func() bool { return r.in(dispatch.Delivered, "g") > 0 })
		r.enqueue("other", 3, nil)
		r.until(30*time.Second, "the others had their turn", func() bool { return r.in(dispatch.Delivered, "other") == 3 })
		if done := r.in(dispatch.Delivered, "g"); done < 3 || done > 100 {
			t.Errorf("%d of the group were delivered meanwhile; want both to go on", done)
		}
	})
}

func TestManyGroups(t *testing.T) {
	var calls record
	in(t, 8, func(ctx context.Context, c dispatch.Call) dispatch.Answer {
		return calls.answer(ctx, c, 10*time.Millisecond, 204)
	}, func(t *testing.T, r rig) {
		for i := range 100 {
			r.chain(fmt.Sprintf("g%d", i), "", 5)
		}
		r.until(5*time.Minute, "all delivered", func() bool { return r.in(dispatch.Delivered, "g99") == 5 && len(calls.all()) == 500 })
		at := map[string][]string{}
		for _, id := range calls.all() {
			at[id[:len(id)-2]] = append(at[id[:len(id)-2]], id)
		}
		for group, ids := range at {
			if !slices.Equal(ids, numbered(group, 5)) {
				t.Errorf("group %s was called as %v", group, ids)
			}
		}
	})
}

func TestDrainEndsAChainAfterTheTaskInFlight(t *testing.T) {
	const n = 10_000
	var calls record
	in(t, 4, func(ctx context.Context, c dispatch.Call) dispatch.Answer {
		return calls.answer(ctx, c, 5*time.Second, 204)
	}, func(t *testing.T, r rig) {
		r.chain("g", "", n)
		r.until(time.Second, "it has begun", func() bool { return len(calls.all()) == 1 })
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := r.engine.Drain(ctx); err != nil {
			t.Error(err)
		}
		next := r.store.Get(t.Context(), []string{"g-1"})[0].Task
		if r.in(dispatch.Delivered, "g") != 1 || next.State != dispatch.Scheduled || next.Lease != "" || len(calls.all()) != 1 {
			t.Errorf("%d delivered, the next is %s, %d calls; want one delivered and the next one scheduled", r.in(dispatch.Delivered, "g"), next.State, len(calls.all()))
		}
	})
}

func TestCallbacksGoAtOnce(t *testing.T) {
	var calls record
	in(t, 2, func(ctx context.Context, c dispatch.Call) dispatch.Answer {
		if c.Doc.URI == "https://a.example/" {
			return calls.answer(ctx, c, 0, 410)
		}
		return calls.answer(ctx, c, 0, 204)
	}, func(t *testing.T, r rig) {
		r.until(2*time.Second, "between two looks", func() bool { return time.Now().Nanosecond() != 0 })
		input := `{"id": "a", "uri": "https://a.example/", "stopCodes": 410, "onFailure": {"uri": "https://told.example/"}}`
		if _, err := r.engine.Enqueue.Run(t.Context(), []byte(input), nil); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // no time passes
		if got := calls.all(); len(got) != 2 || got[0] != "a" {
			t.Errorf("calls %v; want the task, and its callback at once", got)
		}
	})
}

func TestHoldUntilSkippedByHand(t *testing.T) {
	var calls record
	in(t, 2, func(ctx context.Context, c dispatch.Call) dispatch.Answer {
		if c.Task.ID == "g-0" {
			return calls.answer(ctx, c, 0, 410)
		}
		return calls.answer(ctx, c, 0, 204)
	}, func(t *testing.T, r rig) {
		r.chain("g", `, "stopCodes": 410, "groupOnFailure": "hold"`, 3)
		r.until(10*time.Second, "held", func() bool { return r.in(dispatch.Held, "g") == 1 })
		<-time.After(time.Hour)
		if r.in(dispatch.Blocked, "g") != 2 {
			t.Errorf("%v: those behind a held task went on", calls.all())
		}
		r.until(2*time.Second, "between two looks", func() bool { return time.Now().Nanosecond() != 0 })
		if _, err := r.engine.Editor.Skip(t.Context(), "g-0"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // no time passes: the pool is told
		if r.in(dispatch.Delivered, "g") != 2 || r.in(dispatch.Skipped, "g") != 1 {
			t.Errorf("after the skip, calls %v", calls.all())
		}
	})
}
