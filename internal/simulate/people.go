package simulate

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

func (w *world) rule(rule string, _ dispatch.Call) (bool, error) { return rule != "no", nil }

// produce has a producer enqueue tasks, and again until it gets an answer.
func (w *world) produce(specs []spec, try int) {
	w.started["enqueue "+specs[0].ID]++
	name := "enqueue " + specs[0].ID + " " + strconv.Itoa(w.started["enqueue "+specs[0].ID])
	answered := false
	w.todo++
	w.checker.wants(specs)
	limit := enqueueTime
	if w.arrives() {
		limit = w.plan.handles
	}
	w.start("enqueue", name, limit, func(p *process) {
		store := p.dressed()
		if w.arrives() {
			a := &arrivals{Store: store, p: p, handle: p.handle(store)}
			defer a.run()
			store = a
		}
		e := &dispatch.Enqueue{
			Store: store, Settings: p.settings(enqueueAge, store), Invoke: p.invoke, Wake: p.wake, Retention: dispatch.MinRetention,
			TasksPerHandle: w.plan.perHandle, CheckRule: func(string) error { return nil }, CheckURL: func(*url.URL) error { return nil },
			Now: p.now, Log: w.log,
		}
		if w.plan.precision != dispatch.PrecisionSecond {
			e.Wake = nil
		}
		receipts, err := e.Run(p.ctx, input(specs), strconv.Itoa)
		p.effect("answers", func(d *dice) time.Duration {
			if err != nil && !errors.Is(err, dispatch.ErrNotStored) {
				p.tell("is told: %v", err)
				return 0
			}
			if !w.calm && d.chance(w.faults.lost) {
				p.tell("has answered, and the answer is lost")
				return 0
			}
			answered = err == nil
			p.tell("answers %s", statesOf(receipts))
			w.checker.answered(p, specs, receipts)
			return 0
		})
	})
	d := newDice(w.seed, "producer", name)
	w.schedule.in(enqueueTime+2*time.Second+d.between(0, 20*time.Second), name, func() {
		w.todo--
		if !answered && try < 20 {
			w.produce(specs, try+1)
		}
	})
}

func statesOf(receipts dispatch.Receipts) string {
	var all []string
	for _, r := range receipts.Tasks {
		one := r.ID + " " + string(r.State)
		if r.Error != nil {
			one += " " + r.Error.Title
		}
		all = append(all, one)
	}
	return strings.Join(all, ", ")
}

// editing is what a person does to a task.
type editing string

const (
	cancelling   editing = "cancel"
	retrying     editing = "retry"
	skipping     editing = "skip"
	rescheduling editing = "reschedule"
	clearing     editing = "clear"
)

func (w *world) edit(kind editing, id string, to time.Duration) {
	w.started["edit "+id]++
	name := fmt.Sprintf("%s %s %d", kind, id, w.started["edit "+id])
	w.start("edit", name, enqueueTime, func(p *process) {
		store := p.dressed()
		e := &dispatch.Editor{Store: store, Settings: p.settings(enqueueAge, store), Invoke: p.invoke, Retention: dispatch.MinRetention, Now: p.now}
		var err error
		switch kind {
		case cancelling:
			_, err = e.Cancel(p.ctx, id)
		case retrying:
			_, err = e.Retry(p.ctx, id)
		case skipping:
			_, err = e.Skip(p.ctx, id)
		case rescheduling:
			_, err = e.Reschedule(p.ctx, id, p.now().Add(to))
		case clearing:
			if r := store.Get(p.ctx, []string{id})[0]; r.Err == nil {
				_, err = e.Clear(p.ctx, r.Task, 0)
			}
		}
		p.effect("answers", func(*dice) time.Duration {
			p.tell("is told: %v", err)
			w.checker.edited(p, kind, id, err)
			return 0
		})
	})
}

// pause stops the limited queue, or has it go on.
func (w *world) pause(paused bool) {
	w.set(fmt.Sprintf("pause %v", paused), limited, func(q *dispatch.QueueSettings) { q.Paused = paused }, func(err error) {
		if err == nil || !paused {
			w.checker.pauses(paused)
		}
	})
}

// raise gives the default queue another lane.
func (w *world) raise() {
	w.set("raise lanes", dispatch.DefaultQueue, func(q *dispatch.QueueSettings) { q.Lanes++ }, func(error) {})
}

// set has a person change a queue's settings.
func (w *world) set(what, queue string, change func(*dispatch.QueueSettings), told func(error)) {
	w.started[what]++
	w.start("edit", fmt.Sprintf("%s %d", what, w.started[what]), enqueueTime, func(p *process) {
		store := p.dressed()
		s, version, err := dispatch.LoadSettings(p.ctx, store)
		if q := s.Queues[queue]; err == nil {
			change(&q)
			if q.Paused != s.Queues[queue].Paused || q.Lanes != s.Queues[queue].Lanes {
				s.Queues[queue] = q
				_, err = dispatch.SaveSettingsOver(p.ctx, store, s, version)
			}
		}
		p.effect("answers", func(*dice) time.Duration {
			p.tell("is told: %v", err)
			told(err)
			return 0
		})
	})
}

// reconcile has people see to what waits for them, once the faults are over.
func (w *world) reconcile() {
	if w.silent {
		return
	}
	w.pause(false) // again and again: a pause may have been under way
	for _, id := range w.checker.held() {
		w.edit(skipping, id, 0)
	}
	w.schedule.in(2*time.Minute, "people", w.reconcile)
}
