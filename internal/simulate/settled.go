package simulate

import (
	"time"

	"example.com/dispatch/internal/simulate/table"
	"example.com/dispatch/pkg/dispatch"
)

// settled judges the end of a lease.
func (c *checker) settled(t *task, before table.Row) {
	l := t.claims[text(before, "lease")]
	if l == nil {
		return
	}
	if final(before) {
		c.broken("%s was settled after it ended as %s", t.id, state(before))
	}
	t.lapses = int(number(t.row, "lapses"))
	c.counted(t, l)
	c.waits(t, l)
	if final(t.row) {
		c.end(t)
		return
	}
	if state(t.row) == dispatch.Held && document(t.row).OnFailure != nil {
		t.promise("failure")
	}
	if state(t.row) == dispatch.Scheduled && len(l.calls) > 0 {
		expire := number(t.row, "expireAt")
		late := expire
		if len(document(t.row).Targets) > 1 {
			// A call that was not admitted is put back by a second, whatever its expiry, which it then meets: it may be
			// over already if another target's took long.
			late = max(expire, l.tried.Add(l.by.place.skew).UnixMilli()) + time.Second.Milliseconds()
		}
		if expire != 0 && number(t.row, "dueAt") > late {
			c.broken("%s is to be tried again after its expiry", t.id)
		}
		c.paced(t, l.calls[len(l.calls)-1])
	}
}

// paced says that a task is tried again when its policy says, or its receiver.
func (c *checker) paced(t *task, last *call) {
	doc := document(t.row)
	if len(doc.Targets) > 1 || number(t.row, "expireAt") != 0 {
		return // one of the targets is due earlier; the last try is pulled forward
	}
	pause := time.Duration(float64(doc.Attempts.Interval) * (1 - doc.Attempts.Jitter) * float64(time.Second))
	if last.answer == saysWait {
		pause = saidPause
	}
	ended := last.ended.Add(last.by.place.skew)
	if next := time.UnixMilli(number(t.row, "dueAt")); next.Sub(ended) < pause-10*time.Millisecond {
		c.broken("%s is to be tried again after %v, its policy says %v", t.id, next.Sub(ended), pause)
	}
}

// counted says that what was counted under a lease is what was called.
func (c *checker) counted(t *task, l *claim) {
	was, is, doc := progress(l.before), progress(t.row), document(t.row)
	names := []string{""}
	if len(doc.Targets) > 1 {
		names = nil
		for _, target := range doc.Targets {
			names = append(names, target.Name)
		}
	}
	for i, name := range names {
		made, last := 0, dispatch.Outcome("")
		for _, one := range l.calls {
			if one.target == name {
				if last = one.answer.means(); last != dispatch.OutcomeWait {
					made++
				}
			}
		}
		n := attempts(is, i) - attempts(was, i)
		if n != made {
			c.broken("%s: %d attempts were counted of %d calls%s", t.id, n, made, of(name))
		}
		if limit := doc.To(i).Attempts.Limit; attempts(is, i) > limit {
			c.broken("%s: %d attempts, the limit is %d%s", t.id, attempts(is, i), limit, of(name))
		}
		if len(names) == 1 {
			c.obeyed(t, last)
		}
	}
}

func of(name string) string {
	if name == "" {
		return ""
	}
	return " at " + name
}

func attempts(p []dispatch.Progress, i int) int {
	if i >= len(p) {
		return 0
	}
	return p[i].Attempts
}

// obeyed says that the task became what its last answer means.
func (c *checker) obeyed(t *task, last dispatch.Outcome) {
	s := state(t.row)
	held := s == dispatch.Held
	var ok bool
	switch last {
	case dispatch.OutcomeDelivered:
		ok = s == dispatch.Delivered
	case dispatch.OutcomeStopped:
		ok = s == dispatch.Stopped || held
	case dispatch.OutcomeRetry:
		ok = s == dispatch.Scheduled || s == dispatch.Exhausted || s == dispatch.Expired || held
	case dispatch.OutcomeWait:
		ok = s == dispatch.Scheduled || s == dispatch.Expired || held
	default: // nobody was called
		ok = s != dispatch.Delivered && s != dispatch.Exhausted
	}
	if !ok {
		c.broken("%s became %s, though the last outcome was %q", t.id, s, last)
	}
}
