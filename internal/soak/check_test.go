package main

import (
	"strings"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// Each part of the promise, broken once, is told.
func TestCheck(t *testing.T) {
	start := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	delivered := func(id string, attempts, ended int) dispatch.Task {
		return dispatch.Task{ID: id, State: dispatch.Delivered, EndedAt: at(ended), Progress: []dispatch.Progress{{Attempts: attempts}}}
	}
	sent := func(key string, attempt, generation, begun int, by string, status int) call {
		return call{Key: key, Attempt: attempt, Generation: int64(generation), By: by, Begun: at(begun), Ended: at(begun + 10), Status: status}
	}
	for _, c := range []struct {
		name   string
		change func(*evidence)
		wants  string // "": nothing is wrong
	}{
		{"as it should be", func(*evidence) {}, ""},
		{"lost before it was acknowledged", func(e *evidence) { e.asked = append(e.asked, &asked{id: "lost", attempts: 1}) }, ""},
		{"stored, and the acknowledgement lost", func(e *evidence) { e.asked[0].acknowledged = false }, ""},
		{"lost after it was acknowledged", func(e *evidence) { delete(e.rows, "a"); e.calls = e.calls[1:] }, "a was acknowledged and is not stored"},
		{"called, and not stored", func(e *evidence) { delete(e.rows, "a"); e.asked[0].acknowledged = false }, "a was called and is not stored"},
		{"delivered without a call", func(e *evidence) { e.calls = e.calls[1:] }, "a is delivered by 0 attempts, counted 1"},
		{"delivered by an answer that is none", func(e *evidence) { e.calls[0].Status = 500 }, "the receiver answered 500"},
		{"not ended", func(e *evidence) { e.rows["a"] = dispatch.Task{ID: "a", State: dispatch.Scheduled} }, "a is scheduled at the end"},
		{"ended badly", func(e *evidence) {
			e.rows["a"] = dispatch.Task{ID: "a", State: dispatch.Stopped, Reason: "10 lapses", EndedAt: at(99)}
		}, "a ended as stopped: 10 lapses"},
		{"called after its end", func(e *evidence) { e.rows["a"] = delivered("a", 1, -5) }, "a was called 5ms after its end"},
		{"called before its time", func(e *evidence) { e.asked[0].dueAt = at(3) }, "a was called 3ms before its time"},
		{"called after it was cancelled", func(e *evidence) {
			e.asked[0].cancel, e.asked[0].cancelled = true, at(-1)
			e.rows["a"] = dispatch.Task{ID: "a", State: dispatch.Cancelled, EndedAt: at(99)}
		}, "a was called 1ms after its cancelling was acknowledged"},
		{"delivered though cancelled", func(e *evidence) { e.asked[0].cancel, e.asked[0].cancelled = true, at(50) }, "a ended as delivered"},
		{"cancelled by nobody", func(e *evidence) { e.rows["a"] = dispatch.Task{ID: "a", State: dispatch.Cancelled, EndedAt: at(99)} }, "a ended as cancelled"},
		{"an attempt is counted that was not made", func(e *evidence) { e.rows["a"] = delivered("a", 2, 99) }, "counted 2, wants 1"},
		{"an attempt is left out", func(e *evidence) { e.calls[0].Attempt = 2 }, "a attempt 2 comes after 0 others"},
		{"made again by another after a kill", func(e *evidence) { e.calls = append(e.calls, sent("a", 1, 2, 20, "new", 200)) }, ""},
		{"at once with another that was killed", func(e *evidence) { e.calls = append(e.calls, sent("a", 1, 2, 5, "new", 200)) }, ""},
		{"made again without a claim", func(e *evidence) { e.calls = append(e.calls, sent("a", 1, 1, 20, "new", 200)) }, "a second call of generation 1"},
		{"made again by the same", func(e *evidence) { e.calls = append(e.calls, sent("a", 1, 2, 20, "old", 200)) }, "a attempt 1 was made twice by old"},
		{"made again though nobody was killed", func(e *evidence) {
			e.killed = nil
			e.calls = append(e.calls, sent("a", 1, 2, 20, "new", 200))
		}, "1 tasks of old were called again, which was not killed"},
		{"made by two at once", func(e *evidence) {
			e.killed = nil
			e.calls = append(e.calls, sent("a", 1, 2, 5, "new", 200))
		}, "a attempt 1 was made by old and new at once"},
		{"more again than can be in flight", func(e *evidence) {
			e.workers = 1
			e.calls = append(e.calls, sent("a", 1, 2, 20, "new", 200), sent("b", 1, 2, 40, "new", 200))
		}, "2 tasks of old were called again, which has 1 at once"},
		{"not asked for", func(e *evidence) { e.calls = append(e.calls, sent("x", 1, 1, 0, "old", 200)) }, `a call for "x"`},
		{"out of order", func(e *evidence) { e.asked[0].group, e.asked[1].group = "g", "g"; e.calls[0].Begun = at(35) }, "b was called 5ms before a"},
		{"in order", func(e *evidence) { e.asked[0].group, e.asked[1].group = "g", "g" }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := evidence{
				asked:  []*asked{{id: "a", attempts: 1, acknowledged: true, dueAt: at(0)}, {id: "b", attempts: 1, acknowledged: true, dueAt: at(0)}},
				calls:  []call{sent("a", 1, 1, 0, "old", 200), sent("b", 1, 1, 30, "old", 200)},
				rows:   map[string]dispatch.Task{"a": delivered("a", 1, 99), "b": delivered("b", 1, 99)},
				killed: map[string]bool{"old": true}, workers: 8,
			}
			c.change(&e)
			r := &report{}
			e.check(r)
			got := strings.Join(r.violations, "\n")
			if c.wants == "" && got != "" || !strings.Contains(got, c.wants) {
				t.Errorf("it tells %q, want %q", got, c.wants)
			}
		})
	}
}
