// Package view shows tasks, to programs as JSON and to people as text. Neither shows what a header keeps secret.
package view

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// Task is a task as programs see it. Times are RFC 3339 in UTC with milliseconds at most.
type Task struct {
	ID           string         `json:"id"`
	State        dispatch.State `json:"state"`
	Reason       string         `json:"reason,omitempty"` // why it is in a final state
	Queue        string         `json:"queue"`
	Tenant       string         `json:"tenant,omitempty"`
	Run          int            `json:"run"` // 1, and 1 more for each run by hand
	CreatedAt    time.Time      `json:"createdAt,omitzero"`
	DueAt        time.Time      `json:"dueAt,omitzero"` // of a scheduled or blocked task: when it is looked at next
	ExpireAt     time.Time      `json:"expireAt,omitzero"`
	EndedAt      time.Time      `json:"endedAt,omitzero"`
	LeasedUntil  time.Time      `json:"leasedUntil,omitzero"`  // somebody may be sending it until then
	RemovedAt    time.Time      `json:"removedAt,omitzero"`    // when its row may be deleted
	Waits        string         `json:"waits,omitempty"`       // why it has not run yet
	WaitingSince time.Time      `json:"waitingSince,omitzero"` // since when its receiver has said "not yet", or it cannot be sent
	Cancelling   bool           `json:"cancelling,omitempty"`  // it was cancelled while blocked and ends at its turn
	Group        string         `json:"group,omitempty"`
	Prev         string         `json:"prev,omitempty"` // the member of the group it was put behind
	Next         string         `json:"next,omitempty"` // the member behind it
	Identifier   string         `json:"identifier,omitempty"`
	Attempts     int            `json:"attempts"`          // of this run that count
	Lapses       int            `json:"lapses,omitempty"`  // leases in a row that ended unsettled
	Error        string         `json:"error,omitempty"`   // of the last attempt, if it failed; or a note on what its receiver said
	History      []Attempt      `json:"history,omitempty"` // the last five attempts, oldest first
	Type         string         `json:"type,omitempty"`
	Targets      []Target       `json:"targets,omitempty"` // where a task with a type goes; each has what is said of one target here
	Request      *Request       `json:"request,omitempty"` // absent where it cannot be read
	Policy       *Policy        `json:"policy,omitempty"`
}

// Target is one of the targets of a task with a type, and what has become of it.
type Target struct {
	Name         string         `json:"name"`
	State        dispatch.State `json:"state"` // the task's, while it is open
	Reason       string         `json:"reason,omitempty"`
	NextAt       time.Time      `json:"nextAt,omitzero"` // when it is tried next
	EndedAt      time.Time      `json:"endedAt,omitzero"`
	WaitingSince time.Time      `json:"waitingSince,omitzero"`
	Attempts     int            `json:"attempts"`
	History      []Attempt      `json:"history,omitempty"`
	Sender       string         `json:"sender,omitempty"`
	Request      Request        `json:"request"` // its body or claims are the task's
	Policy       Policy         `json:"policy"`
}

// Attempt is one call whose outcome is known.
type Attempt struct {
	At     time.Time `json:"at"`
	Status int       `json:"status"` // 0: no answer came
	TookMs int64     `json:"tookMs"`
}

// Request is what is sent.
type Request struct {
	Method  string            `json:"method,omitempty"`
	URI     string            `json:"uri,omitempty"`
	Headers map[string]string `json:"headers,omitempty"` // values that are secrets are hidden
	Body    json.RawMessage   `json:"body,omitempty"`
	Claims  json.RawMessage   `json:"claims,omitempty"`
	Format  dispatch.Format   `json:"format,omitempty"`
}

// Policy is how a task is retried, and which answers mean what.
type Policy struct {
	SuccessCodes dispatch.Codes    `json:"successCodes,omitempty"`
	StopCodes    dispatch.Codes    `json:"stopCodes,omitempty"`
	WaitCodes    dispatch.Codes    `json:"waitCodes,omitempty"`
	Attempts     dispatch.Attempts `json:"attempts,omitzero"`
	HTTPTimeout  int               `json:"httpTimeout"`         // seconds
	Redirects    int               `json:"redirects,omitempty"` // followed at most

	GroupOnFailure dispatch.GroupPolicy `json:"groupOnFailure,omitempty"`
	When           string               `json:"when,omitempty"`      // sent only if this rule says yes
	OnFailure      string               `json:"onFailure,omitempty"` // who is told of a bad end: method and URI
	OnSuccess      string               `json:"onSuccess,omitempty"` // and of a good one
}

// Hidden stands for a header's value that is a secret.
const Hidden = "(hidden)"

// New shows a task as it is at now. redact are the headers that the settings hide besides those whose names say that they
// are secrets.
func New(t dispatch.Task, now time.Time, redact []string) Task {
	v := Task{
		ID: t.ID, State: t.State, Reason: t.Reason, Queue: t.Queue, Tenant: t.Tenant, Run: t.Run,
		ExpireAt: t.ExpireAt, EndedAt: t.EndedAt, RemovedAt: t.TTL, Lapses: t.Lapses,
		Cancelling: t.Flag && !t.State.Final(), Group: t.Group, Prev: t.Prev, Next: t.Next, Identifier: t.Identifier,
	}
	if !t.State.Final() {
		v.DueAt = t.DueAt
	}
	if t.Leased(now) {
		v.LeasedUntil = t.Until
	}
	d, err := dispatch.DecodeDoc(t.Doc)
	if len(d.Targets) == 0 {
		v.tried(t)
	}
	for i, target := range d.Targets {
		one := newTarget(t, d, i, target, redact)
		v.Attempts = max(v.Attempts, one.Attempts)
		v.Targets = append(v.Targets, one)
	}
	v.WaitingSince = cmp.Or(v.WaitingSince, allWait(v.Targets))
	if err != nil {
		return v
	}
	v.Type = d.Type
	v.CreatedAt, v.Identifier = d.CreatedAt, d.Identifier
	v.Request = &Request{d.Method, d.URI, hideSecrets(d.Headers, redact), d.Body, d.Claims, d.Format}
	v.Policy = &Policy{
		SuccessCodes: d.SuccessCodes, StopCodes: d.StopCodes, WaitCodes: d.WaitCodes, Attempts: d.Attempts, HTTPTimeout: d.HTTPTimeout, Redirects: d.Redirects,
		GroupOnFailure: d.GroupOnFailure, When: d.When, OnFailure: told(d.OnFailure), OnSuccess: told(d.OnSuccess),
	}
	return v
}

// tried shows the attempts of a task with one target.
func (v *Task) tried(t dispatch.Task) {
	for _, p := range t.Progress {
		v.Attempts, v.Error, v.History = p.Attempts, p.Error, history(p)
		if !t.State.Final() {
			v.WaitingSince = p.WaitingSince
		}
	}
}

func newTarget(t dispatch.Task, d dispatch.Doc, i int, target dispatch.Target, redact []string) Target {
	to := d.To(i)
	v := Target{
		Name: target.Name, State: t.State, Reason: t.Reason, EndedAt: t.EndedAt, Sender: target.Sender,
		Request: Request{Method: to.Method, URI: to.URI, Headers: hideSecrets(to.Headers, redact), Format: to.Format},
		Policy: Policy{
			SuccessCodes: to.SuccessCodes, StopCodes: to.StopCodes, WaitCodes: to.WaitCodes,
			Attempts: to.Attempts, HTTPTimeout: to.HTTPTimeout, Redirects: to.Redirects, When: target.When,
		},
	}
	if i < len(t.Progress) {
		p := t.Progress[i]
		v.Attempts, v.History, v.Reason = p.Attempts, history(p), p.Error
		if p.State != "" {
			v.State, v.EndedAt = p.State, p.EndedAt
		} else if !t.State.Final() {
			v.NextAt, v.WaitingSince = p.NextAt, p.WaitingSince
		}
	}
	return v
}

// allWait returns since when one of the open targets has waited, if all of them do.
func allWait(targets []Target) time.Time {
	var since time.Time
	for _, t := range targets {
		switch {
		case t.State.Final():
		case t.WaitingSince.IsZero():
			return time.Time{}
		case since.IsZero() || t.WaitingSince.Before(since):
			since = t.WaitingSince
		}
	}
	return since
}

func history(p dispatch.Progress) []Attempt {
	var all []Attempt
	for _, a := range p.Last {
		all = append(all, Attempt{a.At, a.Status, a.Took.Milliseconds()})
	}
	return all
}

func told(c *dispatch.Callback) string {
	if c == nil {
		return ""
	}
	return c.Doc.Method + " " + c.Doc.URI
}

// hideSecrets hides the values of headers that name a secret: what is shown ends up in terminals and tickets.
func hideSecrets(headers map[string]dispatch.HeaderValue, redact []string) map[string]string {
	shown := make(map[string]string, len(headers))
	for name, value := range headers {
		switch {
		case value.Secret != "":
			shown[name] = "(secret " + value.Secret + ")"
		case isSecret(name, redact):
			shown[name] = Hidden
		default:
			shown[name] = value.Text
		}
	}
	return shown
}

func isSecret(name string, redact []string) bool {
	lower := strings.ToLower(name)
	for _, word := range []string{"auth", "cookie", "token", "secret", "password", "key", "signature", "session"} {
		if strings.Contains(lower, word) {
			return true
		}
	}
	return slices.ContainsFunc(redact, func(listed string) bool { return strings.EqualFold(listed, name) })
}
