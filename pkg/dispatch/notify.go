package dispatch

import "context"

// EventKind says what happened to a task.
type EventKind string

// The kinds of events, as a bus has them.
const (
	TaskFailed       EventKind = "Task Failed"        // it has stopped, is exhausted or has expired; or it would have, and is held
	TaskKeepsFailing EventKind = "Task Keeps Failing" // as many attempts have failed as its notifyAttempts say
)

// Event tells of a task that somebody should look at. It carries nothing of what is sent, and not where to. Its fields
// only ever become more.
type Event struct {
	Kind       EventKind `json:"-"`
	ID         string    `json:"id"`
	Queue      string    `json:"queue"`
	Run        int       `json:"run"`
	State      State     `json:"state"`
	Reason     string    `json:"reason"` // of its end, or of the last attempt's failure
	Attempts   int       `json:"attempts"`
	Group      string    `json:"group,omitempty"`
	Identifier string    `json:"identifier,omitempty"`
}

// notify tells of what has just been settled, if somebody should look at it.
func (h *Handle) notify(ctx context.Context, t Task, failed bool, d Doc, a *Answer) {
	p := t.progress()
	e := Event{
		Kind: TaskFailed, ID: t.ID, Queue: t.Queue, Run: t.Run, State: t.State, Reason: t.Reason, Attempts: p.Attempts,
		Group: t.Group, Identifier: d.Identifier,
	}
	switch {
	case h.Notify == nil:
		return
	case failed:
	case a != nil && !t.State.Final() && p.Attempts == d.NotifyAttempts && Judge(d, *a) == OutcomeRetry:
		e.Kind, e.Reason = TaskKeepsFailing, p.Error
	default:
		return
	}
	h.Notify(ctx, e)
}
