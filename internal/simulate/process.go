package simulate

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// process is one invocation of a function, or one act of a producer or an operator. All that it does to the world is an
// effect; between any two of them it can be killed, and then does nothing more.
type process struct {
	world  *world
	name   string
	place  *instance
	ctx    context.Context
	cancel context.CancelFunc

	mu     sync.Mutex
	counts map[string]int // effects of each name
	tokens int
	tries  int  // tokens of circuits
	told   bool // of its beginning
}

// instance is where a function runs, one invocation after another: it has a clock, and remembers the settings and the
// circuits. What an invocation leaves under way when it ends stands still until the next one begins.
type instance struct {
	name     string
	skew     time.Duration
	busy     bool
	by       *process // the last one
	settings settingsCache
	circuits *dispatch.Circuits
	reads    atomic.Int32 // of the circuits that are under way
	frozen   []func()
	dead     chan struct{} // closed when it is
	seen     seen
}

func (i *instance) over() bool {
	select {
	case <-i.dead:
		return true
	default:
		return false
	}
}

// start runs a function as a process that has so much time.
func (w *world) start(kind, name string, limit time.Duration, run func(p *process)) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	p := &process{
		world: w, name: name, place: w.instance(kind), ctx: ctx, cancel: cancel, counts: map[string]int{},
	}
	w.running[p] = true
	p.place.by = p
	p.place.thaw(w)
	w.schedule.in(limit+time.Second, name+" is out of time", p.kill)
	w.processes.Go(func() {
		run(p)
		p.effect("ends", func(*dice) time.Duration {
			p.place.busy = false
			delete(w.running, p)
			return 0
		})
	})
}

// instance returns one that is free, or a new one.
func (w *world) instance(kind string) *instance {
	d := newDice(w.seed, "instance", kind, strconv.Itoa(w.started[kind]))
	w.started[kind]++
	for _, i := range w.instances[kind] {
		if !i.busy && d.chance(0.7) {
			i.busy = true
			return i
		}
	}
	i := &instance{name: kind, busy: true, dead: make(chan struct{})}
	if w.faults.skew > 0 {
		i.skew = d.between(-w.faults.skew/2, w.faults.skew/2)
	}
	w.instances[kind] = append(w.instances[kind], i)
	return i
}

// kill ends the process where it is. Its instance is gone with it.
func (p *process) kill() {
	if !p.world.running[p] {
		return
	}
	delete(p.world.running, p)
	p.tell("is killed")
	p.world.checker.died(p)
	close(p.place.dead)
	p.cancel()
}

// die kills the process, or, of what it has left under way, whoever goes on with it.
func (p *process) die() {
	switch place := p.place; {
	case p.world.running[place.by]:
		place.by.kill()
	case !place.over():
		place.busy = true // nobody gets it any more
		close(place.dead)
	}
}

// tell adds a line to the story, about the process. Of one that does nothing worth telling there is none.
func (p *process) tell(format string, args ...any) {
	if !p.told && p.place.skew != 0 {
		format += fmt.Sprintf(" (its clock: %+.1f s)", p.place.skew.Seconds())
	}
	p.told = true
	p.world.tell("%s", p.name+" "+fmt.Sprintf(format, args...))
}

// now is the time by the process's clock.
func (p *process) now() time.Time { return time.Now().Add(p.place.skew).UTC() }

// token is a lease's, new at each call.
func (p *process) token() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tokens++
	return p.name + "/" + strconv.Itoa(p.tokens)
}

// effect has something happen as the next thing of the world, and returns so long after as it says. The dice are this
// effect's own. It does not return in a process that was killed.
func (p *process) effect(name string, happens func(*dice) (takes time.Duration)) {
	if p.place.over() {
		runtime.Goexit()
	}
	p.mu.Lock()
	p.counts[name]++
	d := newDice(p.world.seed, p.name, name, strconv.Itoa(p.counts[name]))
	p.mu.Unlock()
	name = p.name + " " + name
	done := make(chan struct{})
	p.world.schedule.in(0, name, func() {
		p.place.awake(func() {
			takes := happens(d)
			if takes == 0 {
				close(done)
				return
			}
			p.world.schedule.in(takes, name+" returns", func() { p.place.awake(func() { close(done) }) })
		})
	})
	select {
	case <-done:
	case <-p.place.dead:
	}
	if p.place.over() {
		runtime.Goexit()
	}
}

// awake has something happen if the instance lives, as soon as it is not frozen.
func (i *instance) awake(happens func()) {
	switch {
	case i.over():
	case i.busy:
		happens()
	default:
		i.frozen = append(i.frozen, happens)
	}
}

// thaw has go on what stood still.
func (i *instance) thaw(w *world) {
	for n, happens := range i.frozen {
		w.schedule.in(0, i.name+" thaws "+strconv.Itoa(n), func() { i.awake(happens) })
	}
	i.frozen = nil
}
