package simulate

import "example.com/dispatch/pkg/dispatch"

// defect is what a run is made to do wrong, to see that it is found out. The zero value is none.
type defect struct {
	name   string
	door   func(w *world, p *process, in any) (any, error)   // instead of [world.do]
	store  func(s dispatch.Store, p *process) dispatch.Store // around every process's store
	handle func(h *dispatch.Handle)                          // to every handle
	send   func(p *process, d *dice)                         //
}
