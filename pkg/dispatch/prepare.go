package dispatch

import "context"

// Prepare validates one task as Run does and returns the row that Run would put. Nothing is stored, and nobody is told:
// it is for callers that put the row in a transaction of their own, whence the next sweep finds it. The task needs an id,
// so that a transaction that is repeated puts the same task; it cannot be of a group, whose chain only a store writes,
// and replaces no other. The error is an *InvalidInput if anything is wrong with the input.
func (e *Enqueue) Prepare(ctx context.Context, input []byte) (Task, error) {
	settings, err := e.Settings(ctx)
	if err != nil {
		return Task{}, err
	}
	now := e.Now()
	p := e.parser(settings, now)
	all, batch, _ := p.parse(input) // its error is that of all faults below
	if batch {
		p.faults.add("/tasks", "does not go here: give one task")
	} else if len(all) > 0 {
		p.alone(all[0])
	}
	if err := p.faults.err(); err != nil {
		return Task{}, err
	}
	rows, _, err := e.rows(all, settings, now, nil)
	if err != nil {
		return Task{}, err
	}
	return rows[0], nil
}

// alone says what a task cannot have that is put by its caller.
func (p *parser) alone(a asked) {
	if a.id == "" {
		p.faults.add("/id", "is required here: a transaction that is repeated must put the same task")
	}
	if a.group != "" {
		p.faults.add("/group", "does not go here: only enqueue can put a task behind the others of its group")
	}
	if a.onConflict != keep {
		p.faults.add("/onConflict", "must be keep here: only enqueue replaces a task")
	}
}
