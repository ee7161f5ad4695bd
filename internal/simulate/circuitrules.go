package simulate

import (
	"errors"
	"maps"
	"slices"
	"time"

	"example.com/dispatch/internal/simulate/table"
	"example.com/dispatch/pkg/dispatch"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// open is an open circuit, as its document has it.
type open struct {
	dispatch.Circuit
	landed time.Time               // when it opened
	rights map[*instance]time.Time // to try it that no call has used, and when they were taken; where clocks disagree several have one
}

// seen is what an instance knows of circuits, and what its calls met.
type seen struct {
	at       time.Time            // when it last read the document, or wrote it
	open     map[string]time.Time // when it last was told of a circuit, by origin and when it opened
	knows    map[string]time.Time // from when on it goes by that, at the latest
	troubled time.Time            // until when it could not read or write the document as it should
	inARow   map[string]int       // failures, by origin
	reached  map[string]bool      // whether there ever were enough of them for a circuit
	counted  map[string]int       // those in a row that must open it
	last     map[string]time.Time // failure, by origin
	answered map[string]bool      // whether a receiver ever did as it should
}

const (
	// lately is how long what went wrong with the circuits' document can matter: a failed read is not repeated for so long,
	// and no change of it takes longer.
	lately = circuitsAge + 5*time.Second
	// changing is how long a change of the document takes at most. What was read for one the process goes by when it is over.
	changing = 3 * time.Second
	// looked is how late a circuit is known where no request fails or is slow.
	looked = circuitsAge + 2*time.Second
	// together is how far clocks may lie apart for one call at a time to try a receiver.
	together = time.Second
)

// circuitOf tells a circuit from one of the same origin before it, as errors of tasks do.
func circuitOf(origin string, since time.Time) string {
	return origin + " since " + since.UTC().Format(time.RFC3339)
}

// asked notes what a process is answered, so long from now, that asked for the circuits, or wrote them. Its calls wait for
// a read that is under way; of a write they know when it has been answered.
func (c *checker) asked(p *process, in, out any, err error, answer time.Duration) {
	if put, ok := in.(*dynamodb.PutItemInput); ok && err != nil { // it is there already if an earlier answer was lost
		no := (*types.ConditionalCheckFailedException)(nil)
		if errors.As(err, &no) && table.Same(no.Item["doc"], put.Item["doc"]) && number(no.Item, "generation") == number(put.Item, "generation") {
			err = nil
		}
	}
	if err != nil || !ofCircuits(in) {
		return
	}
	switch in := in.(type) {
	case *dynamodb.GetItemInput:
		c.learns(p, circuitsIn(out.(*dynamodb.GetItemOutput).Item), time.Now(), changing)
	case *dynamodb.PutItemInput:
		landed := time.Now()
		c.world.schedule.in(answer+1, p.name+" knows of circuits", func() { c.learns(p, circuitsIn(in.Item), landed, 0) })
	}
}

// learns notes that a process knows which circuits were open then, and goes by it so long from now at the latest.
func (c *checker) learns(p *process, all map[string]dispatch.Circuit, at time.Time, later time.Duration) {
	s := &p.home().seen
	if at.After(s.at) {
		s.at = at
	}
	if s.open == nil {
		s.open, s.knows = map[string]time.Time{}, map[string]time.Time{}
	}
	for origin, circuit := range all {
		name := circuitOf(origin, circuit.Since)
		if at.After(s.open[name]) {
			s.open[name] = at
		}
		if knows, told := s.knows[name]; !told || time.Now().Add(later).Before(knows) {
			s.knows[name] = time.Now().Add(later)
		}
	}
}

// troubled notes that a process cannot read or write the circuits as it should, until so long from now.
func (c *checker) troubled(p *process, lasts time.Duration) {
	p.home().seen.troubled = time.Now().Add(lasts)
}

// sincere reports whether nothing was wrong with the document since then, or shortly before.
func (s *seen) sincere(since time.Time) bool { return s.troubled.Before(since.Add(-lately)) }

// circuits judges a change of the document.
func (c *checker) circuits(p *process, now map[string]dispatch.Circuit) {
	s := &p.home().seen
	for _, origin := range slices.Sorted(maps.Keys(now)) {
		is, was := now[origin], c.open[origin]
		switch {
		case was == nil:
			c.figures.Opened++
			c.world.tell("the circuit of %s opens", origin)
			if c.world.plan.circuit.Failures == 0 {
				c.broken("the circuit of %s opened, and circuits are off", origin)
			} else if !s.reached[origin] {
				c.broken("%s opened the circuit of %s after %d failures in a row", p.name, origin, s.inARow[origin])
			}
			c.open[origin] = &open{Circuit: is, landed: time.Now(), rights: map[*instance]time.Time{}}
			delete(s.counted, origin) // who opens a circuit counts from the beginning
			c.opened[origin] = time.Now()
			continue
		case !is.Since.Equal(was.Since):
			c.broken("%s opened the circuit of %s, which is open", p.name, origin)
		case is.Probe != was.Probe:
			c.world.tell("%s may try %s", p.name, origin)
			if early := was.ProbeAt.Sub(p.now()); early > 0 {
				c.broken("%s may try %s %v too early", p.name, origin, early)
			}
			was.rights[p.home()] = time.Now()
		case is.Tries > was.Tries+1:
			c.broken("%s counts %d tries of %s, and there were %d", p.name, is.Tries, origin, was.Tries)
		}
		was.Circuit = is
	}
	for _, origin := range slices.Sorted(maps.Keys(c.open)) {
		if _, is := now[origin]; is {
			continue
		}
		c.world.tell("the circuit of %s is closed", origin)
		if !s.answered[origin] {
			c.broken("%s closed the circuit of %s, which never answered it", p.name, origin)
		}
		delete(c.open, origin)
		c.closed[origin] = time.Now()
	}
}

// heldBack judges a call that is about to be made by its receiver's circuit: while it is open only one call at a time
// tries the receiver. Others are made by those who do not know it yet, who could not read or write the document, and of
// tasks that would expire.
func (c *checker) heldBack(p *process, one *call, made dispatch.Call) {
	s, circuit, f := &p.home().seen, c.open[one.origin], c.world.faults
	if circuit == nil {
		return
	}
	if expire := number(one.task.row, "expireAt"); expire != 0 && !p.now().Before(time.UnixMilli(expire).Add(-made.Doc.Timeout())) {
		return // sent whether or not another tries the receiver
	}
	if taken, ok := circuit.rights[p.home()]; ok && time.Since(taken) < lately {
		delete(circuit.rights, p.home())
		one.tries = circuit.Since
		c.figures.Tries++
		for _, t := range c.tasks {
			for _, other := range t.calls {
				if other != one && !other.over && other.origin == one.origin && other.tries.Equal(one.tries) && f.skew <= together {
					c.broken("%s and %s try %s at once", p.name, other.by.name, one.origin)
				}
			}
		}
		return
	}
	soundly := f.throttled+f.failed+f.lost+f.slow+f.stalled == 0 && !f.blind
	switch {
	case !s.sincere(time.Now()):
	case !s.at.Before(circuit.landed) && !time.Now().Before(s.knows[circuitOf(one.origin, circuit.Since)]):
		c.broken("%s calls %s, whose circuit it knows to be open", p.name, one.origin)
	case soundly && time.Since(circuit.landed) > looked:
		c.broken("%s calls %s, whose circuit has been open for %v", p.name, one.origin, time.Since(circuit.landed))
	}
}
