package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/dispatch/functions/internal/functiontest"
	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/storetest"
)

// An event is a tick, a part of one, or neither; what is no part, though it says so, is refused.
func TestEvent(t *testing.T) {
	tick := functiontest.Example(t, "tick.json")
	for _, c := range []struct {
		name, event string
		fault       string // of the event; "" for none
		invoked     int    // parts
		hinted      int    // of 100 tasks in two lanes
	}{
		{"a tick", tick, "", 1, 50},
		{"woken", `{}`, "", 0, 100},
		{"nothing", ``, "", 0, 100},
		{"null", `null`, "", 0, 100},
		{"by hand", `{"why": "to see"}`, "", 0, 100},
		{"a part", functiontest.Example(t, "part.json"), "", 0, 50},
		{"the other part", `{"part":0,"of":2}`, "", 0, 50},
		{"a part that says it is a tick", `{"detail-type":"Scheduled Event","part":0,"of":2}`, "", 0, 50},
		{"a part without a lane", `{"part":3,"of":4}`, "", 0, 0},
		{"a part of a tick that is over", `{"part":0,"of":2,"end":"1999-12-31T23:59:59Z"}`, "", 0, 0},
		{"a part of nothing", `{"part":0}`, "both", 0, 0},
		{"no part", `{"of":2}`, "both", 0, 0},
		{"a part that is null", `{"part":null,"of":2}`, "both", 0, 0},
		{"a part below all", `{"part":-1,"of":2}`, "part must be", 0, 0},
		{"a part beyond all", `{"part":2,"of":2}`, "part must be", 0, 0},
		{"a part of one", `{"part":0,"of":1}`, "of must be", 0, 0},
		{"a part of none", `{"part":0,"of":0}`, "of must be", 0, 0},
		{"a part of too many", `{"part":0,"of":1000000000}`, "of must be", 0, 0},
		{"a part of more than there are numbers", `{"part":0,"of":100000000000000000000}`, "reading", 0, 0},
		{"half a part", `{"part":0.5,"of":2}`, "reading", 0, 0},
		{"a part in words", `{"part":"0","of":2}`, "reading", 0, 0},
		{"an end that is no time", `{"part":0,"of":2,"end":"soon"}`, "reading", 0, 0},
		{"a text", `"tick"`, "reading", 0, 0},
		{"a list", `[]`, "reading", 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &storetest.Memory{}
				_, err := dispatch.SaveSettings(t.Context(), store, dispatch.Settings{Queues: map[string]dispatch.QueueSettings{"default": {Lanes: 2}}})
				if err != nil {
					t.Fatal(err)
				}
				put100(t, store)
				invoked, hinted := 0, 0
				verb := &dispatch.Sweep{
					Store: store, Settings: dispatch.CachedSettings(store, time.Now, 0), Precision: dispatch.PrecisionMinute, TasksPerHandle: 1,
					Limit: 1000, Parallel: 1, Parts: 4, Backlog: 10, Now: time.Now, Log: slog.New(slog.DiscardHandler),
					Invoke:     func(_ context.Context, hints []dispatch.Hint) error { hinted += len(hints); return nil },
					InvokePart: func(context.Context, dispatch.Part) error { invoked++; return nil },
				}
				e, err := readEvent([]byte(c.event))
				if err == nil {
					_, err = e.run(t.Context(), verb)
				}
				if (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
					t.Errorf("error %v, want %q", err, c.fault)
				}
				if invoked != c.invoked || hinted < c.hinted*4/5 || hinted > c.hinted*6/5 {
					t.Errorf("%d parts were invoked, %d of 100 handed over; want %d, about %d", invoked, hinted, c.invoked, c.hinted)
				}
			})
		})
	}
}

// put100 stores a hundred tasks that are due.
func put100(t *testing.T, store dispatch.Store) {
	t.Helper()
	verb := dispatch.Enqueue{
		Store: store, Settings: dispatch.CachedSettings(store, time.Now, 0), Retention: dispatch.DefaultRetention,
		Invoke: func(context.Context, []dispatch.Hint) error { return errors.New("none") }, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	}
	for i := range 100 {
		if _, err := verb.Run(t.Context(), fmt.Appendf(nil, `{"id":"task-%d","uri":"https://example.com/"}`, i), nil); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(time.Millisecond)
}
