package dispatch_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// flood puts n tasks of a tenant, due now.
func (s *sweeper) flood(tenant string, n int) {
	s.Helper()
	for i := range n {
		s.put(fmt.Sprint(tenant, "-", i), `,"tenant":"`+tenant+`"`)
	}
}

// place returns how many were handed over before a task, -1 if it was not.
func (s *sweeper) place(id string) int {
	before := 0
	for _, event := range s.events {
		if slices.Contains(event, id) {
			return before
		}
		before += len(event)
	}
	return -1
}

// However much one tenant has due, and however slowly it is handed over, another's tasks are among the first.
func TestOneTenantsFloodDelaysNoOther(t *testing.T) {
	for _, test := range []struct{ name, settings string }{
		{"in one queue", `{"tenants":{"acme":{},"globex":{}}}`},
		{"in many lanes", `{"queues":{"default":{"lanes":4}},"tenants":{"acme":{"lanes":4},"globex":{}}}`},
		{"beyond the queue's own limit", `{"queues":{"default":{"sweepLimit":30}},"tenants":{"acme":{},"globex":{}}}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			inSweep(t, func(s *sweeper) {
				s.settings(test.settings)
				s.sweep.Limit, s.sweep.Parallel, s.sweep.TasksPerHandle = 100, 2, 1
				s.sweep.Invoke = func(ctx context.Context, hints []dispatch.Hint) error {
					time.Sleep(100 * time.Millisecond)
					return s.invoke(ctx, hints)
				}
				s.flood("acme", 1000)
				time.Sleep(time.Second)
				s.put("plain", "")
				s.put("globex", `,"tenant":"globex"`)
				s.put("later", `,"tenant":"globex","delay":20`) // the limit is used up by then
				s.run()
				for _, id := range []string{"globex", "plain"} {
					if n := s.place(id); n < 0 || n > 10 {
						t.Errorf("%s: %d were handed over before it", id, n)
					}
				}
				if at := s.at["later"]; at != 21100*time.Millisecond {
					t.Errorf("one that was due after 21 s was handed over after %v", at)
				}
			})
		})
	}
}

// A sweep's limit holds for all its tenants together, but for what each is left in any case.
func TestTenantsShareTheSweepLimit(t *testing.T) {
	inSweep(t, func(s *sweeper) {
		s.settings(`{"tenants":{"acme":{},"globex":{}}}`)
		s.sweep.Limit = 90
		s.flood("acme", 200)
		s.sweep.Precision = dispatch.PrecisionMinute
		if r := s.run(); r.HandedOver != 90 {
			t.Errorf("one tenant alone: %d were handed over, want the limit", r.HandedOver)
		}
	})
	inSweep(t, func(s *sweeper) {
		s.settings(`{"tenants":{"acme":{},"globex":{}}}`)
		s.sweep.Limit = 90
		s.flood("acme", 200)
		s.flood("globex", 200)
		s.run()
		mine := 0
		for id := range s.times {
			if id[0] == 'g' {
				mine++
			}
		}
		if all := len(s.times); all < 90 || all > 150 || mine < 30 || all-mine < 30 {
			t.Errorf("%d were handed over, %d of them globex's", all, mine)
		}
	})
}

// A tenant's lanes are swept at each time of its tasks, also where it was named after they were put, and whether or not
// it is retired.
func TestSweepFindsATenantsTasks(t *testing.T) {
	inSweep(t, func(s *sweeper) {
		s.put("before", `,"tenant":"acme","delay":3.25`)
		s.settings(`{"queues":{"default":{},"bulk":{}},"tenants":{"acme":{"lanes":2}}}`)
		s.put("own", `,"tenant":"acme","delay":1.5`)
		s.put("bulk", `,"tenant":"acme","queue":"bulk","delay":40.125`)
		s.settings(`{"queues":{"default":{},"bulk":{}},"tenants":{"acme":{"lanes":3,"retired":true}}}`)
		s.run()
		s.wantOnce("before", "own", "bulk")
		for id, want := range map[string]time.Duration{"own": 1500, "before": 3250, "bulk": 40125} {
			if s.at[id] != want*time.Millisecond {
				t.Errorf("%s after %v", id, s.at[id])
			}
		}
	})
	inSweep(t, func(s *sweeper) { // one that is named while a sweep runs
		s.sweep.Precision = dispatch.PrecisionAlways
		go func() {
			time.Sleep(10*time.Second + 100*time.Millisecond)
			s.settings(`{"tenants":{"acme":{}}}`)
			s.put("a", `,"tenant":"acme","delay":2`)
		}()
		s.run()
		s.wantOnce("a")
		if s.at["a"] != 12100*time.Millisecond {
			t.Errorf("after %v", s.at["a"])
		}
	})
	inSweep(t, func(s *sweeper) { // one of a tenant that had nothing to do, while there is something to do for others
		s.settings(`{"tenants":{"acme":{},"globex":{}}}`)
		s.put("first", `,"tenant":"globex","delay":40`)
		go func() {
			time.Sleep(5*time.Second + 100*time.Millisecond)
			s.put("a", `,"tenant":"acme","delay":10`)
			s.put("plain", `,"delay":20`)
		}()
		s.run()
		s.wantOnce("first", "a", "plain")
		if s.at["a"] != 15100*time.Millisecond || s.at["plain"] != 25100*time.Millisecond {
			t.Errorf("after %v", s.at)
		}
	})
	inSweep(t, func(s *sweeper) { // where there is nothing to do for anybody a sweep ends at once
		s.settings(`{"tenants":{"acme":{},"globex":{}}}`)
		s.put("first", `,"tenant":"globex","delay":90`)
		s.run()
		if took := time.Since(s.start); took != 0 {
			t.Errorf("it took %v to find nothing", took)
		}
	})
	inSweep(t, func(s *sweeper) { // only those that are asked for
		s.settings(`{"tenants":{"acme":{},"globex":{}}}`)
		for _, name := range []string{"acme", "globex"} {
			s.put(name, `,"tenant":"`+name+`"`)
		}
		s.put("plain", "")
		for _, test := range []struct{ tenant, id string }{{"acme", "acme"}, {"", "plain"}} {
			clear(s.times)
			s.sweep.Tenant = &test.tenant
			s.run()
			s.wantOnce(test.id)
		}
	})
}

// No more of a tenant is handed over in a look than its limits can let begin; others that share its lanes come at once.
func TestSweepKnowsTenantsLimits(t *testing.T) {
	for _, test := range []struct {
		name, settings string
		want           int // of acme, in the first look
	}{
		{"of one that is named", `{"tenants":{"acme":{"inFlight":3},"globex":{}}}`, 3},
		{"of one that is named, in a queue", `{"tenants":{"acme":{"queues":{"default":{"rate":4}},"inFlight":9},"globex":{}}}`, 4},
		{"of those that are not named", `{"tenants":{"*":{"inFlight":3}}}`, 3},
		{"of those that are not named, in a queue", `{"tenants":{"*":{"queues":{"default":{"inFlight":2}}}}}`, 2},
	} {
		inSweep(t, func(s *sweeper) {
			s.settings(test.settings)
			s.sweep.Precision = dispatch.PrecisionMinute
			s.flood("acme", 50)
			time.Sleep(time.Second)
			s.put("globex", `,"tenant":"globex"`)
			s.put("plain", "")
			s.run()
			if n := len(s.times) - 2; n != test.want || s.times["globex"] != 1 || s.times["plain"] != 1 {
				t.Errorf("%s: %v were handed over, want %d of acme's, and the others", test.name, s.times, test.want)
			}
		})
	}
}
