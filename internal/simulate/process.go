package simulate

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"time"
)

// process is one invocation of a function, or one act of a producer or an operator. All that it does to the world is an
// effect; between any two of them it can be killed, and then does nothing more.
type process struct {
	world  *world
	name   string
	place  *instance
	ctx    context.Context
	cancel context.CancelFunc
	dead   chan struct{}

	mu     sync.Mutex
	counts map[string]int // effects of each name
	tokens int
	killed bool
	told   bool // of its beginning
}

// instance is where a function runs, one invocation after another: it has a clock, and remembers the settings.
type instance struct {
	name     string
	skew     time.Duration
	busy     bool
	settings settingsCache
}

// start runs a function as a process that has so much time.
func (w *world) start(kind, name string, limit time.Duration, run func(p *process)) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	p := &process{
		world: w, name: name, place: w.instance(kind), ctx: ctx, cancel: cancel, dead: make(chan struct{}), counts: map[string]int{},
	}
	w.running[p] = true
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
	i := &instance{name: kind, busy: true}
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
	p.mu.Lock()
	p.killed = true
	p.mu.Unlock()
	p.tell("is killed")
	p.world.checker.died(p)
	close(p.dead)
	p.cancel()
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
	p.mu.Lock()
	killed := p.killed
	p.counts[name]++
	d := newDice(p.world.seed, p.name, name, strconv.Itoa(p.counts[name]))
	p.mu.Unlock()
	if killed {
		runtime.Goexit()
	}
	name = p.name + " " + name
	done := make(chan struct{})
	p.world.schedule.in(0, name, func() {
		if !p.world.running[p] {
			return
		}
		takes := happens(d)
		if takes == 0 {
			close(done)
			return
		}
		p.world.schedule.in(takes, name+" returns", func() { close(done) })
	})
	select {
	case <-done:
	case <-p.dead:
	}
	p.mu.Lock()
	killed = p.killed
	p.mu.Unlock()
	if killed {
		runtime.Goexit()
	}
}
