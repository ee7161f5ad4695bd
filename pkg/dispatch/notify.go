package dispatch

import (
	"context"
	"time"
)

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
	Tenant     string    `json:"tenant,omitempty"`
	Run        int       `json:"run"`
	State      State     `json:"state"`
	Reason     string    `json:"reason"` // of its end, or of the last attempt's failure
	Attempts   int       `json:"attempts"`
	Group      string    `json:"group,omitempty"`
	Identifier string    `json:"identifier,omitempty"`
	Type       string    `json:"type,omitempty"`
	Target     string    `json:"target,omitempty"` // which of several keeps failing
}

// notifyTime is what telling may take: a group's next task waits for it.
const notifyTime = 2 * time.Second

func event(kind EventKind, t Task, d Doc, target, reason string, attempts int) Event {
	return Event{
		Kind: kind, ID: t.ID, Queue: t.Queue, Tenant: t.Tenant, Run: t.Run, State: t.State, Reason: reason, Attempts: attempts,
		Group: t.Group, Identifier: d.Identifier, Type: d.Type, Target: target,
	}
}

// keepsFailing reports whether this attempt at the i-th target of the task, which is as it left it, is the n-th that
// failed, and not the last.
func keepsFailing(t Task, c Call, i int, o Outcome) bool {
	return o == OutcomeRetry && c.Attempt == c.Doc.NotifyAttempts && !t.State.Final() && t.progress(i).State == ""
}

// notify tells of what has just been settled.
func (h *Handle) notify(ctx context.Context, t Task, failed bool, d Doc, events []Event) {
	if failed {
		events = append(events, event(TaskFailed, t, d, "", t.Reason, t.attempts()))
	}
	if h.Notify == nil || len(events) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, notifyTime)
	defer cancel()
	for _, e := range events {
		h.Notify(ctx, e)
	}
}
