package simulate

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"example.com/dispatch/internal/simulate/table"
	"example.com/dispatch/pkg/dispatch"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

const (
	anywhere = "https://receiver.example"
	firstOf  = "https://first.example"
	secondOf = "https://second.example"
)

// outage is a time in which a receiver fails whatever is asked of it.
type outage struct {
	origin   string
	from, to time.Duration // after the beginning
	answers  []answer
}

// drawCircuits decides when circuits open, and which receivers are away for a while: in two of five runs circuits are on,
// and there are two receivers besides that of the callbacks.
func (p *plan) drawCircuits() {
	d := newDice(p.seed, "circuits")
	on := d.chance(0.4)
	if on {
		p.circuit = dispatch.CircuitSettings{Failures: 1 + d.below(3), Interval: one(d, 5, 10, 30)}
	} else if !d.chance(0.2) {
		return
	}
	for _, origin := range []string{anywhere, firstOf, secondOf} {
		if d.chance(0.7) {
			from := d.between(0, 2*time.Minute)
			answers := one(d, []answer{fails}, []answer{refuses, resets}, []answer{hangs, tooLate}, []answer{fails, hangs, refuses, half})
			p.outages = append(p.outages, outage{origin, from, from + d.between(5*time.Second, one(d, 20*time.Second, time.Minute, 5*time.Minute)), answers})
		}
	}
}

// origin is where a task, or a target, is called.
func (p *plan) origin(name string) string {
	if p.circuit.Failures == 0 {
		return anywhere
	}
	return one(newDice(p.seed, "origin", name), firstOf, firstOf, secondOf)
}

// away is what a receiver does with a call that is away.
func (w *world) away(name, uri string) (answer, bool) {
	for _, o := range w.plan.outages {
		if at := time.Since(w.begin); strings.HasPrefix(uri, o.origin+"/") && at >= o.from && at < o.to {
			w.started["away "+name]++
			return one(newDice(w.seed, "away", name, strconv.Itoa(w.started["away "+name])), o.answers...), true
		}
	}
	return "", false
}

// originOf is whose circuit a call's is.
func originOf(tenant, uri string) string {
	scheme, rest, _ := strings.Cut(uri, "://")
	host, _, _ := strings.Cut(rest, "/")
	if tenant != "" {
		tenant += " "
	}
	return tenant + scheme + "://" + host
}

// home is where the circuits are that the process asks: its instance, or the server.
func (p *process) home() *instance {
	if p.world.local != nil {
		return p.world.local.server.place
	}
	return p.place
}

// circuits are those of the process's home.
func (p *process) circuits(store dispatch.Store) *dispatch.Circuits {
	place, age := p.home(), circuitsAge
	if local := p.world.local; local != nil {
		if place.circuits != nil {
			return place.circuits
		}
		p, age = local.server, localCircuitsAge
		store = p.dressed()
	}
	if place.circuits == nil {
		place.circuits = &dispatch.Circuits{Age: age, Chance: func() float64 { return 0.5 }, Log: p.world.log}
	}
	c := place.circuits
	c.Store, c.Now, c.Token = reading{store, place}, p.now, p.tryToken
	return c
}

// tryToken names a call that tries a receiver.
func (p *process) tryToken() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tries++
	return p.name + " tries " + strconv.Itoa(p.tries)
}

// reading is a store that counts the reads under way.
type reading struct {
	dispatch.Store
	place *instance
}

// Load implements [dispatch.Store].
func (r reading) Load(ctx context.Context, name string) (dispatch.Document, error) {
	r.place.reads.Add(1)
	defer r.place.reads.Add(-1)
	return r.Store.Load(ctx, name)
}

// turn waits while the circuits are read: of several calls that waited for that the scheduler of goroutines would decide
// which goes first, and not the seed.
func (p *process) turn(c dispatch.Call) {
	place := p.home()
	for waits := true; waits; {
		p.effect("asks for "+c.Task.ID+"/"+c.Target, func(d *dice) time.Duration {
			if waits = place.reads.Load() > 0; waits {
				return d.between(5*time.Millisecond, 50*time.Millisecond)
			}
			return 0
		})
	}
}

// ofCircuits reports whether a request is for the circuits' document.
func ofCircuits(in any) bool {
	const id = "/doc/" + dispatch.CircuitsName
	switch in := in.(type) {
	case *dynamodb.GetItemInput:
		return text(in.Key, "id") == id
	case *dynamodb.PutItemInput:
		return text(in.Item, "id") == id
	}
	return false
}

// circuitsIn are the open circuits, by origin, in the row of their document.
func circuitsIn(r table.Row) map[string]dispatch.Circuit {
	b, _ := r["doc"].(*types.AttributeValueMemberB)
	if b == nil {
		return nil
	}
	return decodeCircuits(b.Value)
}

func decodeCircuits(body []byte) (all map[string]dispatch.Circuit) {
	if json.Unmarshal(body, &all) != nil {
		return nil
	}
	return all
}
