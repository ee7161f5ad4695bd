package simulate

import (
	"encoding/json"
	"fmt"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// plan is what people and programs do in a run.
type plan struct {
	acts      []act
	peace     time.Duration // when the faults are over
	precision dispatch.Precision
	perHandle int
	sweeps    int                    // hints that a sweep hands over at most
	handles   time.Duration          // how long a handle may run
	again     time.Duration          // when, after all has ended, a task is asked for again whose retention may be over; 0: never
	first     []spec                 // all that is asked for
	lanes     int                    // of the default queue
	parts     int                    // that a tick is divided into at most; 0: none is
	partless  bool                   // none of them ever comes
	limited   dispatch.QueueSettings // of the queue of that name
	circuit   dispatch.CircuitSettings
	outages   []outage
	tenants   bool // tasks are on behalf of tenants
	red       dispatch.TenantQueue
	seed      uint64
	scripts   map[string][]answer // by task and, of several targets, target: what its receiver does, call by call; the last goes on
}

// act is something that somebody does.
type act struct {
	at    time.Duration
	begin func(w *world)
}

// spec is one task as a producer asks for it.
type spec struct {
	ID         string         `json:"id"`
	URI        string         `json:"uri,omitempty"`
	Type       string         `json:"type,omitempty"`
	Body       map[string]any `json:"body"`
	Queue      string         `json:"queue,omitempty"`
	Group      string         `json:"group,omitempty"`
	OnGroup    string         `json:"groupOnFailure,omitempty"`
	Identifier string         `json:"identifier,omitempty"`
	Delay      float64        `json:"delay,omitempty"`
	Lifetime   float64        `json:"lifetime,omitempty"`
	Timeout    int            `json:"httpTimeout,omitempty"`
	Attempts   map[string]any `json:"attempts,omitempty"`
	StopCodes  []int          `json:"stopCodes,omitempty"`
	When       string         `json:"when,omitempty"`
	OnConflict string         `json:"onConflict,omitempty"`
	OnFailure  map[string]any `json:"onFailure,omitempty"`
	OnSuccess  map[string]any `json:"onSuccess,omitempty"`
	Tenant     string         `json:"tenant,omitempty"`
}

const (
	typed   = "both" // the type that has several targets
	limited = "limited"
)

var targets = []string{"one", "two", "three"}

func drawPlan(seed uint64) plan {
	d := newDice(seed, "plan")
	p := plan{
		seed:  seed,
		peace: d.between(time.Minute, 5*time.Minute), precision: one(d, dispatch.PrecisionSecond, dispatch.PrecisionMinute, dispatch.PrecisionMinute),
		perHandle: one(d, 1, 1, 3), sweeps: one(d, 1000, 1000, 3), handles: one(d, handleTime, handleTime, 75*time.Second), scripts: map[string][]answer{}, lanes: 1 + d.below(2),
		limited: dispatch.QueueSettings{Lanes: 1, InFlight: d.below(3), Rate: float64(d.below(2))},
	}
	p.drawCircuits()
	p.drawTenants()
	p.drawParts()
	if d.chance(0.2) {
		p.acts = append(p.acts, act{d.between(0, p.peace), func(w *world) { w.raise() }})
	}
	if d.chance(0.2) {
		p.again = dispatch.MinRetention + d.between(-10*time.Minute, time.Hour)
	}
	n, grouped := 1+d.below(5), one(d, 0, 0.2, 0.9)
	within := one(d, p.peace, 20*time.Second, 300*time.Millisecond) // all is asked for within so long
	for i := 0; i < n; {
		size := 1
		var group string
		if d.chance(grouped) {
			size, group = 1+d.below(3), one(d, "g", "g", "h")
		}
		var specs []spec
		for range size {
			specs = append(specs, p.task(d, fmt.Sprintf("t%d", i), group))
			i++
		}
		p.first = append(p.first, specs...)
		at := d.between(0, within)
		p.enqueue(d, at, specs)
		for _, s := range specs {
			p.meddle(d, at, s)
		}
	}
	return p
}

// task draws one task, and what its receivers do.
func (p *plan) task(d *dice, id, group string) spec {
	s := spec{
		ID: id, Body: map[string]any{"content": id}, Group: group, Timeout: one(d, 1, 5, 30, 45), StopCodes: []int{410},
		Attempts: map[string]any{"limit": 1 + d.below(4), "interval": one(d, 1, 7, 30), "backoff": one(d, 1, 2), "jitter": one(d, 0, 0.3)},
	}
	if d.chance(0.5) {
		s.Delay = d.between(0, one(d, 2*time.Second, time.Minute, 4*time.Minute)).Seconds()
	}
	if d.chance(0.4) {
		s.Lifetime = s.Delay + d.between(2*time.Second, one(d, 30*time.Second, 10*time.Minute)).Seconds()
	}
	if group != "" && d.chance(0.4) {
		s.OnGroup = string(dispatch.Hold)
	}
	if d.chance(0.2) {
		s.Queue = limited
	}
	if d.chance(0.2) {
		s.Identifier = "label"
	}
	if d.chance(0.05) {
		s.When = "no"
	}
	s.Tenant = p.tenant(id)
	callback := map[string]any{"uri": "https://receiver.example/callback", "attempts": map[string]any{"limit": 3, "interval": 5}}
	if d.chance(0.3) {
		s.OnFailure = callback
	}
	if d.chance(0.3) {
		s.OnSuccess = callback
	}
	if d.chance(0.2) {
		s.Type, s.Timeout, s.Attempts, s.StopCodes = typed, 0, nil, nil
		for _, name := range targets {
			p.scripts[id+"/"+name] = script(d)
		}
		return s
	}
	s.URI = p.origin(id) + "/" + id
	p.scripts[id] = script(d)
	return s
}

// enqueue has producers ask for the tasks, mostly once.
func (p *plan) enqueue(d *dice, at time.Duration, specs []spec) {
	p.acts = append(p.acts, act{at, func(w *world) { w.produce(specs, 1) }})
	if d.chance(0.2) {
		p.acts = append(p.acts, act{at + d.between(0, 3*time.Minute), func(w *world) { w.produce(specs, 1) }})
	}
	if d.chance(0.15) {
		other := specs[0]
		other.Body = map[string]any{"content": other.ID + " again"}
		other.OnConflict = one(d, "", "replace", "replaceFinished")
		p.acts = append(p.acts, act{at + d.between(0, 3*time.Minute), func(w *world) { w.produce([]spec{other}, 1) }})
	}
}

// meddle has people change the task by hand.
func (p *plan) meddle(d *dice, at time.Duration, s spec) {
	often := one(d, 0, 0.2, 0.7)
	for range one(d, 3, 3, 8) {
		if !d.chance(often) {
			continue
		}
		when := at + d.between(0, one(d, 20*time.Second, 3*time.Minute))
		kind := one(d, cancelling, retrying, retrying, skipping, rescheduling, clearing)
		to := d.between(0, 2*time.Minute)
		p.acts = append(p.acts, act{when, func(w *world) { w.edit(kind, s.ID, to) }})
	}
	if s.Queue == limited && d.chance(0.3) {
		when := at + d.between(0, time.Minute)
		p.acts = append(p.acts,
			act{when, func(w *world) { w.pause(true) }},
			act{when + d.between(0, 2*time.Minute), func(w *world) { w.pause(false) }})
	}
}

// input is what the producer sends.
func input(specs []spec) []byte {
	b, err := json.Marshal(map[string]any{"tasks": specs})
	if err != nil {
		panic(err)
	}
	return b
}

// queues are the settings of a run.
func (p *plan) settings() []byte {
	var all []map[string]any
	for _, name := range targets {
		all = append(all, map[string]any{
			"name": name, "uri": p.origin(name) + "/" + name, "httpTimeout": 20, "stopCodes": []int{410},
			"attempts": map[string]any{"limit": 2, "interval": 10},
		})
	}
	settings := map[string]any{
		"queues":  map[string]any{"default": map[string]any{"lanes": p.lanes}},
		"routes":  map[string]any{typed: map[string]any{"targets": all}},
		"circuit": p.circuit,
	}
	if p.tenants {
		settings["tenants"] = map[string]any{red: p.red, blue: map[string]any{}}
	}
	b, err := json.Marshal(settings)
	if err != nil {
		panic(err)
	}
	return b
}
