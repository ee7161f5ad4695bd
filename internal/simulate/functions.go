package simulate

import (
	"context"
	"errors"
	"strconv"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// How long the functions may run, as template.yaml says, and how late they learn of settings, as their mains do.
const (
	enqueueTime = 28 * time.Second
	sweepTime   = 85 * time.Second
	handleTime  = 660 * time.Second

	enqueueAge = time.Minute
	sweepAge   = 10 * time.Second
	handleAge  = 30 * time.Second

	circuitsAge      = 10 * time.Second
	localCircuitsAge = 100 * time.Millisecond
)

// tick runs sweep once a minute, more or less.
func (w *world) tick(n int) {
	d := newDice(w.seed, "tick", strconv.Itoa(n))
	times := 1
	if !w.calm && d.chance(w.faults.tickMissed) {
		times = 0
	} else if !w.calm && d.chance(w.faults.tickTwice) {
		times = 2
	}
	for i := range times {
		w.schedule.in(d.between(0, 40*time.Second), "sweep", func() { w.sweep("sweep "+strconv.Itoa(n)+"ab"[i:i+1], w.ticked) })
	}
	w.schedule.in(time.Minute, "tick", func() {
		if !w.silent {
			w.tick(n + 1)
		}
	})
}

// sweep runs sweep in one of its ways.
func (w *world) sweep(name string, run func(p *process, s *dispatch.Sweep)) {
	w.start("sweep", name, sweepTime, func(p *process) {
		store := p.dressed()
		s := &dispatch.Sweep{
			Store: store, Settings: p.settings(sweepAge, store), Invoke: p.invoke, Precision: w.plan.precision,
			TasksPerHandle: w.plan.perHandle, Limit: w.plan.sweeps, Parallel: 8, Now: p.now, Log: w.log,
			Parts: w.plan.parts, Backlog: 1, InvokePart: p.invokePart,
		}
		run(p, s)
	})
}

func (w *world) handle(name string, hints []dispatch.Hint) {
	w.start("handle", name, w.plan.handles, func(p *process) { _ = p.handle(p.dressed()).Run(p.ctx, hints) })
}

// handle is the verb as the process runs it.
func (p *process) handle(store dispatch.Store) *dispatch.Handle {
	w := p.world
	h := &dispatch.Handle{
		Store: store, Settings: p.settings(handleAge, store), Send: p.send, Retention: dispatch.MinRetention,
		Rule: w.rule, Now: p.now, Token: p.token, Chance: func() float64 { return 0.5 }, Log: w.log,
	}
	h.Circuits = p.circuits(store)
	if w.local != nil || w.plan.circuit.Failures > 0 {
		h.Admit = p.admit
	}
	if w.defect.call != nil {
		w.defect.call(p, h)
	}
	return h
}

// dressed is the process's store, in the dress of the defect that the run has.
func (p *process) dressed() dispatch.Store {
	if p.world.defect.store != nil {
		return p.world.defect.store(p.store(), p)
	}
	return p.store()
}

var errInvoke = errors.New("the invoke was refused, or its answer lost")

// invoke runs handle, asynchronously: later, twice, or not at all.
func (p *process) invoke(_ context.Context, hints []dispatch.Hint) error {
	w := p.world
	name := "invokes handle for"
	for _, h := range hints {
		name += " " + h.ID
	}
	return p.event(name, func() { w.checker.handedOver(p, hints) }, func() func() {
		w.started["handle "+hints[0].ID]++
		n := w.started["handle "+hints[0].ID]
		return func() { w.handle("handle "+hints[0].ID+" "+strconv.Itoa(n), hints) }
	})
}

// event invokes a function, asynchronously. Each time that it is to run gets a run of its own.
func (p *process) event(name string, taken func(), again func() (run func())) (err error) {
	w := p.world
	p.effect(name, func(d *dice) time.Duration {
		p.tell("%s", name)
		f := w.faults
		if w.calm {
			f = faults{}
		}
		times := 1
		switch {
		case d.chance(f.killed):
			w.schedule.in(time.Millisecond, p.name+" dies", p.kill)
			times = d.below(2)
		case d.chance(f.refused):
			err = errInvoke
			times = d.below(2)
		case d.chance(f.dropped):
			times = 0
		case d.chance(f.twice):
			times = 2
		}
		if err == nil {
			taken()
		}
		for range times {
			delay := d.between(5*time.Millisecond, 40*time.Millisecond)
			if d.chance(f.delayed) {
				delay += d.between(0, time.Minute)
			}
			w.schedule.in(delay, name, again())
		}
		return d.between(5*time.Millisecond, 20*time.Millisecond)
	})
	return err
}

// wake runs sweep, asynchronously.
func (p *process) wake(context.Context) error {
	w := p.world
	p.effect("wakes sweep", func(d *dice) time.Duration {
		if w.calm || !d.chance(w.faults.dropped) {
			w.schedule.in(d.between(5*time.Millisecond, 40*time.Millisecond), "wake", func() { w.sweep("sweep for "+p.name, woken) })
		}
		return 10 * time.Millisecond
	})
	return nil
}

// admit refuses a call now and then, as the server does whose receivers have their share of workers. In Lambda it admits
// all, when it is their turn to ask for their circuits.
func (p *process) admit(_ context.Context, c dispatch.Call) (done func(), ok bool) {
	p.turn(c)
	if p.world.local == nil {
		return func() {}, true
	}
	d := newDice(p.world.seed, p.name, "admits", c.Task.ID, c.Target, strconv.Itoa(c.Attempt))
	return func() {}, p.world.calm || !d.chance(p.world.faults.refused)
}
