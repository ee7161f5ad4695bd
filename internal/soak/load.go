package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// door is where producers come in. An error means that what was asked is not acknowledged: it may be done or not.
type door interface {
	enqueue(ctx context.Context, task map[string]any) (dispatch.Receipt, error)
	cancel(ctx context.Context, id string) error // errNotNow: it may be in flight, or has ended
}

var (
	// errNotNow is a cancel's that is refused.
	errNotNow = errors.New("it cannot be cancelled now")
	// errWrong is an answer that no fault explains.
	errWrong = errors.New("wrong answer")
)

// asked is what a producer asked for, and what it was told.
type asked struct {
	id           string
	group        string    // in which it comes behind those asked for before it
	targets      []string  // names; nil: it goes to one URL
	attempts     int       // that it takes to deliver it, at each target
	acknowledged bool      // by a receipt
	dueAt        time.Time // of the receipt
	cancel       bool      // it was asked to be cancelled
	cancelled    time.Time // when that was acknowledged; zero: it was not
}

// load has producers enqueue without pause, and notes what they asked and were told.
type load struct {
	door     door
	receiver string // URL
	pause    time.Duration
	seed     uint64

	mu      sync.Mutex
	asked   []*asked
	refused int // answers that were errors, or did not come
	wrong   []error
}

// severalType is a task's type that goes to the targets of several.
const severalType = "several"

func several() []string { return []string{"one", "two"} }

// settings have a route for tasks that go to several targets.
func (l *load) settings() string {
	return fmt.Sprintf(`{"routes": {%q: {"targets": [
		{"name": "one", "uri": %q, "attempts": {"interval": 1}}, {"name": "two", "uri": %q, "attempts": {"interval": 1}}]}}}`,
		severalType, l.receiver+answers, l.receiver+dawdles)
}

// run has so many producers at work until the context ends.
func (l *load) run(ctx context.Context, producers int) {
	var wg sync.WaitGroup
	for p := range producers {
		wg.Go(func() {
			one := &producer{load: l, name: fmt.Sprintf("p%d", p), chance: rand.New(rand.NewPCG(l.seed, uint64(p)))}
			for ctx.Err() == nil {
				one.next(ctx)
				one.rest(ctx, l.pause)
			}
		})
	}
	wg.Wait()
}

type producer struct {
	*load
	name   string
	last   int
	chance *rand.Rand
}

// next asks for one thing.
func (p *producer) next(ctx context.Context) {
	switch n := p.chance.IntN(100); {
	case n < 50:
		p.enqueue(ctx, &asked{attempts: 1}, p.to(answers))
	case n < 65:
		p.enqueue(ctx, &asked{attempts: 1}, p.to(dawdles))
	case n < 75:
		p.enqueue(ctx, &asked{attempts: attemptsAt(fails)}, p.to(fails))
	case n < 80:
		p.enqueue(ctx, &asked{attempts: attemptsAt(hangsUp)}, p.to(hangsUp))
	case n < 86:
		task := p.to(answers)
		task["delay"] = 1 + p.chance.IntN(2)
		p.enqueue(ctx, &asked{attempts: 1}, task)
	case n < 91:
		p.enqueue(ctx, &asked{attempts: 1, targets: several()}, map[string]any{"type": severalType})
	case n < 95:
		p.cancelled(ctx)
	default:
		p.group(ctx)
	}
}

func (p *producer) to(path string) map[string]any {
	return map[string]any{"uri": p.receiver + path, "attempts": map[string]any{"interval": 1}}
}

// enqueue asks for a task. Half of what is not acknowledged is asked for again under the same id, until it is.
func (p *producer) enqueue(ctx context.Context, a *asked, task map[string]any) bool {
	p.last++
	a.id = fmt.Sprintf("%s-%d", p.name, p.last)
	task["id"] = a.id
	p.mu.Lock()
	p.asked = append(p.asked, a)
	p.mu.Unlock()
	for again := p.chance.IntN(2) == 0; ; {
		receipt, err := p.door.enqueue(ctx, task)
		if err == nil {
			p.mu.Lock()
			a.acknowledged = true
			if !receipt.Existing { // of one that was there already it may be its next try's
				a.dueAt = receipt.DueAt
			}
			p.mu.Unlock()
			return true
		}
		p.note(ctx, err)
		if !again || !p.rest(ctx, 10*time.Millisecond) {
			return false
		}
	}
}

// cancelled asks for a task in the future, and then that it be cancelled.
func (p *producer) cancelled(ctx context.Context) {
	task := p.to(answers)
	task["delay"] = 1
	a := &asked{attempts: 1, cancel: true}
	if !p.enqueue(ctx, a, task) {
		return
	}
	p.rest(ctx, time.Duration(p.chance.Int64N(int64(1200*time.Millisecond))))
	switch err := p.door.cancel(ctx, a.id); {
	case err == nil:
		p.mu.Lock()
		a.cancelled = time.Now()
		p.mu.Unlock()
	case !errors.Is(err, errNotNow):
		p.note(ctx, err)
	}
}

// group asks for some members of a new group. Those behind one that was not acknowledged are not asked for.
func (p *producer) group(ctx context.Context) {
	name := fmt.Sprintf("g-%s-%d", p.name, p.last)
	for range 2 + p.chance.IntN(4) {
		path := []string{answers, dawdles, fails}[p.chance.IntN(3)]
		task := p.to(path)
		task["group"] = name
		if !p.enqueue(ctx, &asked{attempts: attemptsAt(path), group: name}, task) {
			return
		}
	}
}

func (p *producer) note(ctx context.Context, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case errors.Is(err, errWrong):
		p.wrong = append(p.wrong, err)
	case ctx.Err() == nil:
		p.refused++
	}
}

// rest waits, and reports whether the load goes on.
func (p *producer) rest(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
