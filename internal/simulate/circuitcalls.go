package simulate

import (
	"slices"
	"strings"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// counts notes what came of a call.
func (c *checker) counts(one *call) {
	place := one.by.home()
	s, origin := &place.seen, one.origin
	if one.by.place.over() || one.answer == notSent {
		return
	}
	if s.inARow == nil {
		s.inARow, s.reached, s.counted, s.last, s.answered = map[string]int{}, map[string]bool{}, map[string]int{}, map[string]time.Time{}, map[string]bool{}
	}
	if one.answer.means() != dispatch.OutcomeRetry {
		s.inARow[origin], s.counted[origin], s.answered[origin] = 0, 0, true
		return
	}
	most := c.world.plan.circuit.Failures
	s.inARow[origin]++
	if s.inARow[origin] >= most {
		s.reached[origin] = true
	}
	const inARow = 9 * time.Minute // a minute less than it is
	if time.Since(s.last[origin]) > inARow {
		s.counted[origin] = 0
	}
	opening := s.inARow[origin] > most && time.Since(s.last[origin]) < lately // by the one before, which counted more than is sure
	s.last[origin] = time.Now()
	closed := c.open[origin] == nil && c.closed[origin].Before(one.began.Add(-lately))
	if opening || !closed || !s.sincere(one.began) {
		s.counted[origin] = 0
		return
	}
	if s.counted[origin]++; most > 0 && s.counted[origin] >= most {
		s.counted[origin], one.opens = 0, true
	}
}

// waits judges what a lease did by its receivers' circuits.
func (c *checker) waits(t *task, l *claim) {
	s := &l.by.home().seen
	for _, one := range l.calls {
		circuit := c.open[one.origin]
		switch {
		case one.by.place.over() || !s.sincere(one.began) || one.answer == notSent:
		case one.opens && c.opened[one.origin].Before(one.ended):
			c.broken("%s fails %d times in a row, and its circuit stays closed", one.origin, c.world.plan.circuit.Failures)
		case circuit != nil && circuit.Since.Equal(one.tries) && one.answer.means() != dispatch.OutcomeRetry:
			c.broken("%s answers %s, and its circuit stays open", one.origin, one.by.name)
		}
	}
	was, is, doc := progress(l.before), progress(t.row), document(t.row)
	for i := range is {
		target := doc.To(i)
		name := ""
		if len(doc.Targets) > 1 {
			name = doc.Targets[i].Name
		}
		called := slices.ContainsFunc(l.calls, func(one *call) bool { return one.target == name })
		unchanged := i < len(was) && was[i].NextAt.Equal(is[i].NextAt) && was[i].Error == is[i].Error && (len(is) > 1 || number(l.before, "dueAt") == number(t.row, "dueAt"))
		if called || unchanged || !dispatch.HeldBack(is[i]) || text(t.row, "state") != string(dispatch.Scheduled) {
			continue
		}
		c.figures.Waits++
		since, _, _ := strings.Cut(strings.TrimPrefix(is[i].Error, "circuit open since "), ": ")
		origin := originOf(text(t.row, "tenant"), target.URI)
		switch at, known := s.open[origin+" since "+since]; {
		case c.world.local != nil && i < len(was) && was[i].Error == is[i].Error: // not admitted, this time
		case !known:
			c.broken("%s waits for the circuit of %s since %s, of which %s cannot know", t.id, origin, since, l.by.name)
		case at.Before(l.knew) && s.sincere(l.taken) && c.world.local == nil:
			c.broken("%s waits for the circuit of %s since %s, which %s knows to be closed", t.id, origin, since, l.by.name)
		}
		due := time.UnixMilli(number(t.row, "dueAt")).Sub(l.by.now())
		if most := longest + c.world.faults.skew; due > most {
			c.broken("%s waits %v for the circuit of %s, more than %v", t.id, due, origin, most)
		}
	}
}

// longest is more than a task waits for a circuit, by its clock: the time of a call, the pause between two tries, and
// what those that wait are spread over.
const longest = 45*time.Second + 30*time.Second + 5*time.Minute + 10*time.Second
