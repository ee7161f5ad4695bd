package simulate

import (
	"context"
	"fmt"
	"strconv"

	"example.com/dispatch/pkg/dispatch"
)

// drawParts decides whether ticks are divided, in a quarter of the runs: as soon as anything is due. In a fifth of those no
// part ever comes, not even when the faults are over.
func (p *plan) drawParts() {
	d := newDice(p.seed, "parts")
	if d.chance(0.25) {
		p.parts, p.lanes = 2+d.below(3), 2+d.below(4)
		p.partless = d.chance(0.2)
	}
}

// ticked has a sweep do what a tick is for.
func (w *world) ticked(p *process, s *dispatch.Sweep) {
	if w.defect.tick != nil {
		w.defect.tick(p, s)
		return
	}
	_, _ = s.Tick(p.ctx)
}

// woken has a sweep do what enqueue wakes it for.
func woken(p *process, s *dispatch.Sweep) { _, _ = s.Run(p.ctx) }

// invokePart runs a part of a tick, asynchronously, as handle is run.
func (p *process) invokePart(_ context.Context, part dispatch.Part) error {
	w := p.world
	name := fmt.Sprintf("part %d of %d for %s", part.Number, part.Of, p.name)
	return p.event(fmt.Sprintf("invokes part %d of %d", part.Number, part.Of), func() { w.checker.figures.Parts++ }, func() func() {
		w.started[name]++
		n := w.started[name]
		if w.plan.partless {
			return func() { w.tell("%s is lost", name) }
		}
		return func() {
			w.sweep(name+" "+strconv.Itoa(n), func(p *process, s *dispatch.Sweep) {
				if err := part.Check(); err != nil {
					w.checker.broken("%s: %v", p.name, err)
				}
				_, _ = s.RunPart(p.ctx, part)
			})
		}
	})
}
