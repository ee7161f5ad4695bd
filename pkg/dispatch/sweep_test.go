package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/storetest"
)

// sweeper is a sweep on a store in memory, and what it handed over when.
type sweeper struct {
	*world
	sweep *dispatch.Sweep

	mu     sync.Mutex
	events [][]string
	at     map[string]time.Duration // since the start
	times  map[string]int
	start  time.Time
	fail   int // invokes that fail first
}

func inSweep(t *testing.T, test func(s *sweeper)) {
	synctest.Test(t, func(t *testing.T) {
		s := &sweeper{world: &world{T: t, store: &storetest.Memory{}}, at: map[string]time.Duration{}, times: map[string]int{}, start: time.Now()}
		s.sweep = &dispatch.Sweep{
			Store: s.store, Settings: dispatch.CachedSettings(s.store, time.Now, 0), Invoke: s.invoke,
			Precision: dispatch.PrecisionSecond, TasksPerHandle: 1, Limit: 1 << 30, Parallel: 8,
			Now: time.Now, Log: slog.New(slog.DiscardHandler),
		}
		test(s)
	})
}

func (s *sweeper) invoke(_ context.Context, hints []dispatch.Hint) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail > 0 {
		s.fail--
		return errors.New("throttled")
	}
	var ids []string
	for _, h := range hints {
		ids = append(ids, h.ID)
		s.at[h.ID] = time.Since(s.start)
		s.times[h.ID]++
	}
	s.events = append(s.events, ids)
	return nil
}

func (s *sweeper) run() dispatch.SweepReport {
	s.Helper()
	r, err := s.sweep.Run(s.Context())
	if err != nil {
		s.Error(err)
	}
	return r
}

// wantOnce checks that exactly these were handed over, each once.
func (s *sweeper) wantOnce(ids ...string) {
	s.Helper()
	for _, id := range ids {
		if s.times[id] != 1 {
			s.Errorf("%s was handed over %d times", id, s.times[id])
		}
	}
	if len(s.times) != len(ids) {
		s.Errorf("handed over %v, want %v", s.times, ids)
	}
}

func TestSweepHandsOverAtTheTime(t *testing.T) {
	inSweep(t, func(s *sweeper) {
		s.put("now", "")
		s.put("soon", `,"delay":0.3`)
		s.put("later", `,"delay":17.25`)
		s.put("last", `,"delay":59.5`)
		s.put("next", `,"delay":60.5`)
		s.run()
		s.wantOnce("now", "soon", "later", "last")
		for id, want := range map[string]time.Duration{"now": 0, "soon": 300 * time.Millisecond, "later": 17250 * time.Millisecond, "last": 59500 * time.Millisecond} {
			if s.at[id] != want {
				t.Errorf("%s after %v, want %v", id, s.at[id], want)
			}
		}
	})
}

func TestSweepPrecision(t *testing.T) {
	for _, test := range []struct {
		precision dispatch.Precision
		tasks     string // its delay, "" for none
		want      time.Duration
		handed    int
	}{
		{dispatch.PrecisionSecond, "", 0, 0},
		{dispatch.PrecisionSecond, "0", time.Minute, 1},
		{dispatch.PrecisionSecond, "0.3", time.Minute, 1},
		{dispatch.PrecisionSecond, "30", time.Minute, 1},
		{dispatch.PrecisionSecond, "90", 0, 0},
		{dispatch.PrecisionMinute, "0", 0, 1},
		{dispatch.PrecisionMinute, "30", 0, 0},
		{dispatch.PrecisionAlways, "", time.Minute, 0},
	} {
		inSweep(t, func(s *sweeper) {
			s.sweep.Precision = test.precision
			if test.tasks != "" {
				s.put("a", `,"delay":`+test.tasks)
			}
			r := s.run()
			if took := time.Since(s.start); took != test.want || r.HandedOver != test.handed {
				t.Errorf("%s with a task in %q s: %v, %d handed over; want %v, %d", test.precision, test.tasks, took, r.HandedOver, test.want, test.handed)
			}
		})
	}
}

func TestSweepFindsWhatComesMeanwhile(t *testing.T) {
	inSweep(t, func(s *sweeper) {
		s.put("first", "")
		go func() {
			time.Sleep(20*time.Second + 100*time.Millisecond)
			s.put("second", "")
			s.put("third", `,"delay":1.5`)
		}()
		s.run()
		s.wantOnce("first", "second", "third")
		if s.at["second"] != 21*time.Second || s.at["third"] != 21600*time.Millisecond {
			t.Errorf("handed over %v", s.at)
		}
	})
}

func TestSweepOverdue(t *testing.T) {
	inSweep(t, func(s *sweeper) {
		s.sweep.TasksPerHandle = 10
		for _, id := range []string{"a", "b", "lapsed", "leased", "c"} {
			s.put(id, `,"httpTimeout":600`)
		}
		s.store.Claim(s.Context(), []string{"lapsed"}, dispatch.Lease{Token: "dead", At: time.Now(), Left: time.Hour})
		time.Sleep(11 * time.Minute)
		s.store.Claim(s.Context(), []string{"leased"}, dispatch.Lease{Token: "alive", At: time.Now(), Left: time.Hour})
		r := s.run()
		s.wantOnce("a", "b", "c", "lapsed")
		for _, e := range s.events {
			if slices.Contains(e, "lapsed") && len(e) != 1 {
				t.Errorf("a task that lapsed shares its event: %v", e)
			}
		}
		if r.Oldest != 11*time.Minute {
			t.Errorf("the oldest was due for %v", r.Oldest)
		}
	})
}

// stale is a store whose index shows what was true before.
type stale struct {
	dispatch.Store
	hints []dispatch.Hint
}

func (s stale) Due(context.Context, string, time.Time) iter.Seq2[dispatch.Hint, error] {
	return func(yield func(dispatch.Hint, error) bool) {
		for _, h := range s.hints {
			if !yield(h, nil) {
				return
			}
		}
	}
}

func TestSweepOverdueOfAnIndexThatLags(t *testing.T) {
	inSweep(t, func(s *sweeper) {
		hints := []dispatch.Hint{s.put("ended", ""), s.put("moved", ""), {ID: "gone", Queue: "default", DueAt: time.Now()}, s.put("due", "")}
		if _, err := s.editor().Cancel(s.Context(), "ended"); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.store.Edit(s.Context(), "moved", func(t *dispatch.Task) error { t.DueAt = t.DueAt.Add(time.Hour); return nil }); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		s.sweep.Store = stale{s.store, hints}
		s.run()
		s.wantOnce("due")
	})
}

func TestSweepLimitCountsOnlyWhatItHandsOver(t *testing.T) {
	inSweep(t, func(s *sweeper) {
		s.sweep.Limit = 2
		s.put("a-leased", `,"httpTimeout":600`)
		s.put("b", "")
		s.put("c", "")
		s.store.Claim(s.Context(), []string{"a-leased"}, dispatch.Lease{Token: "alive", At: time.Now(), Left: time.Hour})
		time.Sleep(2 * time.Minute)
		s.run()
		s.wantOnce("b", "c")
	})
}

func TestSweepEventsAndLanes(t *testing.T) {
	inSweep(t, func(s *sweeper) {
		s.sweep.TasksPerHandle = 10
		var ids []string
		for i := range 25 {
			ids = append(ids, fmt.Sprint("one-lane-", i))
			s.put(ids[i], "")
		}
		// lanes are raised with tasks pending; both the old ones and the new are found
		if _, err := dispatch.SaveSettings(s.Context(), s.store, dispatch.Settings{Queues: map[string]dispatch.QueueSettings{"default": {Lanes: 5}, "bulk": {Lanes: 2}}}); err != nil {
			t.Fatal(err)
		}
		for i := range 25 {
			id := fmt.Sprint("many-lanes-", i)
			s.put(id, map[bool]string{true: `,"queue":"bulk"`}[i%2 == 0])
			ids = append(ids, id)
		}
		s.run()
		s.wantOnce(ids...)
		if len(s.events) < 5 || len(s.events) > 12 {
			t.Errorf("%d events for 50 tasks by 10 in 7 lanes", len(s.events))
		}
	})
}

func TestSweepLimit(t *testing.T) {
	inSweep(t, func(s *sweeper) {
		s.sweep.Limit = 7
		for i := range 20 {
			s.put(fmt.Sprint("t", i), "")
		}
		if r := s.run(); r.HandedOver != 7 {
			t.Errorf("handed over %d", r.HandedOver)
		}
	})
	inSweep(t, func(s *sweeper) { // more than one look may remember
		for i := range 12000 {
			s.put(fmt.Sprint("t", i), "")
		}
		s.delivering()
		if r := s.run(); r.HandedOver != 12000 || len(s.times) != 12000 || slices.Max(slices.Collect(values(s.at))) >= time.Second {
			t.Errorf("handed over %d of 12000, the last after %v", r.HandedOver, slices.Max(slices.Collect(values(s.at))))
		}
	})
}

func TestSweepOfOneLookTakesAllThatIsDue(t *testing.T) {
	inSweep(t, func(s *sweeper) {
		s.sweep.Precision = dispatch.PrecisionMinute
		for i := range 12000 {
			s.put(fmt.Sprint("t", i), "")
		}
		s.delivering()
		if r := s.run(); r.HandedOver != 12000 || len(s.times) != 12000 {
			t.Errorf("handed over %d of 12000, the same in %d cases", r.HandedOver, r.HandedOver-len(s.times))
		}
	})
}

func TestSweepTakesFromEachLaneInTurn(t *testing.T) {
	inSweep(t, func(s *sweeper) {
		const lanes, look = 4, 10000
		if _, err := dispatch.SaveSettings(s.Context(), s.store, dispatch.Settings{Queues: map[string]dispatch.QueueSettings{"default": {Lanes: lanes}}}); err != nil {
			t.Fatal(err)
		}
		for i := range 3 * look / 2 {
			s.put(fmt.Sprint("t", i), "")
		}
		s.delivering()
		s.run()
		first := map[string]int{} // lane
		for _, e := range s.events[:look*9/10] {
			first[dispatch.Lane("default", e[0], lanes)]++
		}
		for lane, n := range first {
			if n > look/lanes {
				t.Errorf("of the first look %d are of lane %s, though all have more than enough", n, lane)
			}
		}
		if len(first) != lanes {
			t.Errorf("the first look saw %v", first)
		}
	})
}

// delivering makes every hand-over run handle.
func (s *sweeper) delivering() {
	s.handle = s.newHandle(s.store)
	s.answers = []dispatch.Answer{{Status: 200}}
	s.sweep.Invoke = func(ctx context.Context, hints []dispatch.Hint) error {
		return errors.Join(s.invoke(ctx, hints), s.handle.Run(ctx, hints))
	}
}

func values(m map[string]time.Duration) iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		for _, v := range m {
			if !yield(v) {
				return
			}
		}
	}
}

func TestSweepRepeatsWhatFailed(t *testing.T) {
	inSweep(t, func(s *sweeper) {
		s.fail = 2
		s.put("a", "")
		if _, err := s.sweep.Run(s.Context()); err == nil {
			t.Error("no error, so no alarm")
		}
		s.wantOnce("a")
		if s.at["a"] > 3*time.Second {
			t.Errorf("after %v", s.at["a"])
		}
	})
	inSweep(t, func(s *sweeper) { // one lane that cannot be read does not hide the others
		if _, err := dispatch.SaveSettings(s.Context(), s.store, dispatch.Settings{Queues: map[string]dispatch.QueueSettings{"default": {Lanes: 1}, "bulk": {Lanes: 1}}}); err != nil {
			t.Fatal(err)
		}
		s.put("a", "")
		s.put("b", `,"queue":"bulk"`)
		s.sweep.Store = unreadable{s.store, "bulk#0"}
		if _, err := s.sweep.Run(s.Context()); err == nil {
			t.Error("no error, so no alarm")
		}
		s.wantOnce("a")
	})
}

// unreadable is a store one of whose lanes cannot be read.
type unreadable struct {
	dispatch.Store
	lane string
}

func (u unreadable) Due(ctx context.Context, lane string, upTo time.Time) iter.Seq2[dispatch.Hint, error] {
	if lane != u.lane {
		return u.Store.Due(ctx, lane, upTo)
	}
	return func(yield func(dispatch.Hint, error) bool) { yield(dispatch.Hint{}, errors.New("throttled")) }
}

// With sweep, handle and nothing else, everything that was enqueued is delivered, each at its time.
func TestSweepAndHandle(t *testing.T) {
	inSweep(t, func(s *sweeper) {
		s.delivering()
		s.answers = []dispatch.Answer{{Status: 500}, {Error: "timeout"}, {Status: 200}}
		var ids []string
		for i := range 50 {
			ids = append(ids, fmt.Sprint("t", i))
			s.put(ids[i], fmt.Sprintf(`,"delay":%d.5,"attempts":{"interval":7}`, i*3))
		}
		for range 5 { // ticks that overlap
			go s.run()
			time.Sleep(40 * time.Second)
		}
		time.Sleep(time.Minute)
		for _, id := range ids {
			if got := s.get(id); got.State != dispatch.Delivered {
				t.Errorf("%s: %s", id, got.State)
			}
		}
		s.wantCalls(52)
		for i, c := range s.calls {
			if late := s.sentAt[i].Sub(c.Task.DueAt); late < 0 || late > time.Second {
				t.Errorf("%s attempt %d was %v late", c.Task.ID, c.Attempt, late)
			}
		}
	})
}
