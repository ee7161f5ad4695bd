package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// divide has the sweep's ticks divided among so many, from a backlog of ten tasks on, and returns what keeps the parts that
// are invoked. Those that are not taken fail.
func (s *sweeper) divide(parts int, taken func(dispatch.Part) bool) *invokedParts {
	all := &invokedParts{}
	s.sweep.Parts, s.sweep.Backlog = parts, 10
	s.sweep.InvokePart = func(_ context.Context, p dispatch.Part) error {
		all.mu.Lock()
		defer all.mu.Unlock()
		if taken != nil && !taken(p) {
			return errors.New("throttled")
		}
		all.parts = append(all.parts, p)
		return nil
	}
	return all
}

type invokedParts struct {
	mu    sync.Mutex
	parts []dispatch.Part
}

// backlog puts n tasks that are due, and returns their ids.
func (s *sweeper) backlog(n int, more string) (ids []string) {
	s.Helper()
	for i := range n {
		ids = append(ids, fmt.Sprint("task", strings.NewReplacer(`"`, "", ":", "-", ",", "-").Replace(more), "-", i))
		s.put(ids[i], more)
	}
	time.Sleep(time.Millisecond)
	return ids
}

func (s *sweeper) tick() {
	s.Helper()
	if _, err := s.sweep.Tick(s.Context()); err != nil {
		s.Error(err)
	}
}

// A tick with a backlog is divided, and it and its parts hand each task over once, whatever becomes of an invoke.
func TestTickDivides(t *testing.T) {
	const eight = `{"queues":{"default":{"lanes":8}}}`
	none := func(*dispatch.Sweep) {}
	for _, test := range []struct {
		name     string
		settings string
		parts    int
		tasks    int
		change   func(*dispatch.Sweep)
		taken    func(dispatch.Part) bool
		of       int // parts of the tick; 0: it is not divided
		invoked  int // of them
	}{
		{"in four", eight, 4, 100, none, nil, 4, 3},
		{"in fewer than there are lanes for", eight, 3, 100, none, nil, 3, 2},
		{"in more", `{"queues":{"default":{"lanes":2}}}`, 4, 100, none, nil, 2, 1},
		{"in very many", `{"queues":{"default":{"lanes":100}}}`, 1000, 100, none, nil, dispatch.MaxParts, dispatch.MaxParts - 1},
		{"lanes of several queues", `{"queues":{"a":{},"default":{},"z":{}}}`, 4, 100, none, nil, 3, 2},
		{"lanes of several tenants", `{"queues":{"default":{"lanes":2}},"tenants":{"acme":{},"globex":{"lanes":3}}}`, 8, 100, none, nil, 6, 5},
		{"one lane", `{}`, 4, 100, none, nil, 0, 0},
		{"little is due", eight, 4, 4, none, nil, 0, 0},
		{"in one", eight, 1, 100, none, nil, 0, 0},
		{"with no way to invoke", eight, 4, 100, func(s *dispatch.Sweep) { s.InvokePart = nil }, nil, 0, 0},
		{"with a limit that one run reaches", eight, 4, 9, func(s *dispatch.Sweep) { s.Limit = 9 }, nil, 0, 0},
		{"some are throttled", eight, 4, 100, none, func(p dispatch.Part) bool { return p.Number != 1 }, 4, 2},
		{"all are throttled", eight, 4, 100, none, func(dispatch.Part) bool { return false }, 4, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			inSweep(t, func(s *sweeper) {
				s.settings(test.settings)
				invoked := s.divide(test.parts, func(p dispatch.Part) bool {
					if p.Of != test.of || !p.End.Equal(time.Now().Add(time.Minute)) {
						t.Errorf("part %+v, want one of %d and the end of the tick", p, test.of)
					}
					return test.taken == nil || test.taken(p)
				})
				s.sweep.Precision = dispatch.PrecisionMinute
				test.change(s.sweep)
				ids := s.backlog(test.tasks, "")
				s.tick()
				if len(invoked.parts) == 0 {
					s.wantOnce(ids...)
				}
				if len(invoked.parts) != test.invoked {
					t.Errorf("invoked %+v, want %d", invoked.parts, test.invoked)
				}
				for _, p := range invoked.parts {
					before := len(s.times)
					if _, err := s.sweep.RunPart(s.Context(), p); err != nil {
						t.Error(err)
					}
					if test.name == "in four" && (len(s.times)-before < 10 || len(s.times)-before > 50) {
						t.Errorf("part %d handed over %d of 100", p.Number, len(s.times)-before)
					}
				}
				s.wantOnce(ids...)
			})
		})
	}
}

// The order of lanes is that of all queues and tenants: those of one lane are in different parts.
func TestPartsOfOneLaneEach(t *testing.T) {
	inSweep(t, func(s *sweeper) {
		s.settings(`{"queues":{"a":{},"b":{},"default":{}},"tenants":{"acme":{}}}`)
		invoked := s.divide(6, nil)
		s.sweep.Precision = dispatch.PrecisionMinute
		for _, more := range []string{`,"queue":"a"`, `,"queue":"b"`, "", `,"queue":"a","tenant":"acme"`, `,"queue":"b","tenant":"acme"`, `,"tenant":"acme"`} {
			s.backlog(10, more)
		}
		s.tick()
		for _, p := range invoked.parts {
			if r, err := s.sweep.RunPart(s.Context(), p); err != nil || r.HandedOver != 10 {
				t.Errorf("part %d handed over %d of 60: %v", p.Number, r.HandedOver, err)
			}
		}
		if len(invoked.parts) != 5 || len(s.times) != 60 {
			t.Errorf("%d parts handed over %d of 60", len(invoked.parts), len(s.times))
		}
	})
}

// What one run must see as a whole stays with the tick: the parts have none of it.
func TestTickKeepsWhatIsCounted(t *testing.T) {
	inSweep(t, func(s *sweeper) {
		s.settings(`{"queues":{"default":{"lanes":4},"inflight":{"lanes":4,"inFlight":100},"rate":{"lanes":4,"rate":100},"sweeplimit":{"lanes":4,"sweepLimit":100}},
			"tenants":{"acme":{"lanes":2,"inFlight":100},"globex":{"lanes":2,"queues":{"default":{"rate":100}}},"initech":{"lanes":2}}}`)
		invoked := s.divide(4, nil)
		s.sweep.Precision = dispatch.PrecisionMinute
		s.backlog(40, "")
		var counted []string
		for _, more := range []string{`,"queue":"inflight"`, `,"queue":"rate"`, `,"queue":"sweeplimit"`, `,"tenant":"acme"`, `,"tenant":"globex"`} {
			counted = append(counted, s.backlog(10, more)...)
		}
		plain := s.backlog(20, `,"tenant":"initech"`)
		s.tick()
		for _, id := range counted {
			if s.times[id] != 1 {
				t.Errorf("%s was handed over %d times by the tick", id, s.times[id])
			}
		}
		byTick := len(s.times)
		for _, p := range invoked.parts {
			if _, err := s.sweep.RunPart(s.Context(), p); err != nil {
				t.Error(err)
			}
		}
		if len(invoked.parts) != 3 || len(s.times) != byTick+40+20-(byTick-len(counted)) {
			t.Errorf("%d parts; %d tasks handed over by the tick, %d in all", len(invoked.parts), byTick, len(s.times))
		}
		for id, n := range s.times {
			if n != 1 {
				t.Errorf("%s was handed over %d times", id, n)
			}
		}
		if !slices.ContainsFunc(plain, func(id string) bool { return s.times[id] == 1 }) {
			t.Error("a tenant's lanes without limits are in no part")
		}
	})
	inSweep(t, func(s *sweeper) { // limits of tenants that share lanes are known by the rows alone
		s.settings(`{"queues":{"default":{"lanes":4}},"tenants":{"*":{"inFlight":100}}}`)
		invoked := s.divide(4, nil)
		s.backlog(40, "")
		s.tick()
		if len(invoked.parts) != 0 {
			t.Errorf("invoked %+v", invoked.parts)
		}
	})
}

// Parts that never run cost minutes, and no task.
func TestTicksAloneSweepAllLanes(t *testing.T) {
	for _, parts := range []int{2, 3, 4, 8} {
		inSweep(t, func(s *sweeper) {
			s.settings(`{"queues":{"default":{"lanes":8}}}`)
			invoked := s.divide(parts, nil)
			s.sweep.Precision, s.sweep.Backlog = dispatch.PrecisionMinute, 1
			ids := s.backlog(100, "")
			for n := range parts {
				s.tick()
				if len(invoked.parts) != (n+1)*(parts-1) {
					t.Errorf("tick %d invoked %d parts", n, len(invoked.parts)-n*(parts-1))
				}
				time.Sleep(time.Minute)
			}
			for _, id := range ids {
				if s.times[id] == 0 {
					t.Errorf("of %d parts, %s was in none that a tick kept", parts, id)
				}
			}
		})
	}
}

// The runs of a tick share the limit of one.
func TestPartsShareTheLimit(t *testing.T) {
	inSweep(t, func(s *sweeper) {
		s.settings(`{"queues":{"default":{"lanes":8}}}`)
		invoked := s.divide(4, nil)
		s.sweep.Precision, s.sweep.Limit = dispatch.PrecisionMinute, 42
		s.backlog(200, "")
		s.tick()
		for _, p := range invoked.parts {
			if r, err := s.sweep.RunPart(s.Context(), p); err != nil || r.HandedOver != 11 {
				t.Errorf("part %d of 4 handed over %d of a limit of 42: %v", p.Number, r.HandedOver, err)
			}
		}
		if len(s.times) != 44 {
			t.Errorf("%d were handed over by all", len(s.times))
		}
	})
	inSweep(t, func(s *sweeper) { // nobody else takes its part of it
		s.settings(`{"queues":{"default":{"lanes":8}}}`)
		s.divide(4, func(p dispatch.Part) bool { return false })
		s.sweep.Precision, s.sweep.Limit = dispatch.PrecisionMinute, 42
		s.backlog(200, "")
		s.tick()
		if len(s.times) != 42 {
			t.Errorf("%d were handed over", len(s.times))
		}
	})
}

// A sweep that was woken is not divided: any number may be woken in a minute.
func TestRunDividesNothing(t *testing.T) {
	inSweep(t, func(s *sweeper) {
		s.settings(`{"queues":{"default":{"lanes":8}}}`)
		invoked := s.divide(4, nil)
		ids := s.backlog(100, "")
		s.run()
		s.wantOnce(ids...)
		if len(invoked.parts) != 0 {
			t.Errorf("invoked %+v", invoked.parts)
		}
	})
}

// A part looks to the end of its tick, and not beyond.
func TestRunPart(t *testing.T) {
	for _, test := range []struct {
		name   string
		part   dispatch.Part
		end    time.Duration // after its beginning; 0: it does not say
		fault  string
		lasts  time.Duration
		handed int // of one that is due and one each that comes due after 2 s and 50 s, in its lane
	}{
		{"of nobody's tick", dispatch.Part{Number: 1, Of: 2}, 0, "", time.Minute, 3},
		{"at once", dispatch.Part{Number: 1, Of: 2}, 59 * time.Second, "", 59 * time.Second, 3},
		{"late", dispatch.Part{Number: 1, Of: 2}, 20 * time.Second, "", 20 * time.Second, 2},
		{"by a clock that is ahead", dispatch.Part{Number: 1, Of: 2}, time.Hour, "", time.Minute, 3},
		{"after its tick", dispatch.Part{Number: 1, Of: 2}, -time.Second, "", 0, 0},
		{"another's lane", dispatch.Part{Number: 0, Of: 2}, 0, "", time.Minute, 0},
		{"no lane", dispatch.Part{Number: 2, Of: 3}, 0, "", time.Minute, 0},
		{"of one", dispatch.Part{Number: 0, Of: 1}, 0, "of must be from 2", 0, 0},
		{"of none", dispatch.Part{Number: 0, Of: 0}, 0, "of must be from 2", 0, 0},
		{"of too many", dispatch.Part{Number: 0, Of: dispatch.MaxParts + 1}, 0, "of must be from 2", 0, 0},
		{"below all", dispatch.Part{Number: -1, Of: 2}, 0, "part must be from 0 to 1", 0, 0},
		{"beyond all", dispatch.Part{Number: 2, Of: 2}, 0, "part must be from 0 to 1", 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			inSweep(t, func(s *sweeper) {
				s.settings(`{"queues":{"default":{"lanes":2}}}`)
				invoked := s.divide(2, nil)
				var ids []string
				for i := 0; len(ids) < 3; i++ {
					if id := fmt.Sprint("task-", i); dispatch.Lane("default", id, 2) == "default#1" {
						s.put(id, fmt.Sprintf(`,"delay":%d`, []int{0, 2, 50}[len(ids)]))
						ids = append(ids, id)
					}
				}
				begin := time.Now()
				if test.part.End = begin.Add(test.end); test.end == 0 {
					test.part.End = time.Time{}
				}
				_, err := s.sweep.RunPart(s.Context(), test.part)
				if test.fault == "" != (err == nil) || err != nil && !strings.Contains(err.Error(), test.fault) {
					t.Errorf("error %v, want %q", err, test.fault)
				}
				if lasted := time.Since(begin); lasted != test.lasts {
					t.Errorf("it ended after %v, want %v", lasted, test.lasts)
				}
				s.wantOnce(ids[:test.handed]...)
				if len(invoked.parts) > 0 {
					t.Errorf("a part invoked %+v", invoked.parts)
				}
			})
		})
	}
}

// All runs of a divided tick look to its end, also where nothing was due in their lanes at first: what comes due there in the
// meantime, of which a sweep was told that ended, nobody else would find.
func TestPartsLookOn(t *testing.T) {
	inSweep(t, func(s *sweeper) {
		s.settings(`{"queues":{"default":{"lanes":2}}}`)
		s.sweep.Parts, s.sweep.Backlog = 2, 1
		var runs sync.WaitGroup
		s.sweep.InvokePart = func(ctx context.Context, p dispatch.Part) error {
			runs.Go(func() {
				time.Sleep(time.Second)
				if _, err := s.sweep.RunPart(ctx, p); err != nil {
					t.Error(err)
				}
			})
			return nil
		}
		var lane [2][]string // ids
		for i := 0; len(lane[0]) < 2 || len(lane[1]) < 2; i++ {
			id := fmt.Sprint("task-", i)
			n := int(dispatch.Lane("default", id, 2)[len("default#")] - '0')
			lane[n] = append(lane[n], id)
		}
		now := int(time.Now().Unix()/60) % 2 // the lane that is looked into first
		s.put(lane[now][0], "")
		runs.Go(s.tick)
		time.Sleep(30 * time.Second)
		s.put(lane[now][1], "")
		s.put(lane[1-now][1], "")
		began := time.Now()
		runs.Wait()
		s.wantOnce(lane[now][0], lane[now][1], lane[1-now][1])
		if lasted := time.Since(began); lasted != 30*time.Second {
			t.Errorf("the last run ended %v late", lasted-30*time.Second)
		}
	})
}
