// Package view shows tasks, to programs as JSON and to people as text. Neither shows what a header keeps secret.
package view

import (
	"encoding/json"
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
	Run          int            `json:"run"` // 1, and 1 more for each run by hand
	CreatedAt    time.Time      `json:"createdAt,omitzero"`
	DueAt        time.Time      `json:"dueAt,omitzero"` // of a scheduled or blocked task: when it is looked at next
	ExpireAt     time.Time      `json:"expireAt,omitzero"`
	EndedAt      time.Time      `json:"endedAt,omitzero"`
	LeasedUntil  time.Time      `json:"leasedUntil,omitzero"`  // somebody may be sending it until then
	RemovedAt    time.Time      `json:"removedAt,omitzero"`    // when its row may be deleted
	Waits        string         `json:"waits,omitempty"`       // why it has not run yet
	WaitingSince time.Time      `json:"waitingSince,omitzero"` // since when its receiver has said "not yet"
	Cancelling   bool           `json:"cancelling,omitempty"`  // it was cancelled while blocked and ends at its turn
	Group        string         `json:"group,omitempty"`
	Prev         string         `json:"prev,omitempty"` // the member of the group it was put behind
	Next         string         `json:"next,omitempty"` // the member behind it
	Identifier   string         `json:"identifier,omitempty"`
	Attempts     int            `json:"attempts"`          // of this run that count
	Lapses       int            `json:"lapses,omitempty"`  // leases in a row that ended unsettled
	Error        string         `json:"error,omitempty"`   // of the last attempt, if it failed; or a note on what its receiver said
	History      []Attempt      `json:"history,omitempty"` // the last five attempts, oldest first
	Request      *Request       `json:"request,omitempty"` // absent where it cannot be read
	Policy       *Policy        `json:"policy,omitempty"`
}

// Attempt is one call whose outcome is known.
type Attempt struct {
	At     time.Time `json:"at"`
	Status int       `json:"status"` // 0: no answer came
	TookMs int64     `json:"tookMs"`
}

// Request is what is sent.
type Request struct {
	Method  string            `json:"method"`
	URI     string            `json:"uri"`
	Headers map[string]string `json:"headers,omitempty"` // values that are secrets are hidden
	Body    json.RawMessage   `json:"body,omitempty"`
	Claims  json.RawMessage   `json:"claims,omitempty"`
	Format  dispatch.Format   `json:"format"`
}

// Policy is how a task is retried, and which answers mean what.
type Policy struct {
	SuccessCodes dispatch.Codes    `json:"successCodes"`
	StopCodes    dispatch.Codes    `json:"stopCodes,omitempty"`
	WaitCodes    dispatch.Codes    `json:"waitCodes,omitempty"`
	Attempts     dispatch.Attempts `json:"attempts"`
	HTTPTimeout  int               `json:"httpTimeout"` // seconds

	GroupOnFailure dispatch.GroupPolicy `json:"groupOnFailure,omitempty"`
	When           string               `json:"when,omitempty"`      // sent only if this rule says yes
	OnFailure      string               `json:"onFailure,omitempty"` // who is told of a bad end: method and URI
	OnSuccess      string               `json:"onSuccess,omitempty"` // and of a good one
}

// Hidden stands for a header's value that is a secret.
const Hidden = "(hidden)"

// New shows a task as it is at now.
func New(t dispatch.Task, now time.Time) Task {
	v := Task{
		ID: t.ID, State: t.State, Reason: t.Reason, Queue: t.Queue, Run: t.Run,
		ExpireAt: t.ExpireAt, EndedAt: t.EndedAt, RemovedAt: t.TTL, Lapses: t.Lapses,
		Cancelling: t.Flag && !t.State.Final(), Group: t.Group, Prev: t.Prev, Next: t.Next, Identifier: t.Identifier,
	}
	if !t.State.Final() {
		v.DueAt = t.DueAt
	}
	if t.Leased(now) {
		v.LeasedUntil = t.Until
	}
	for _, p := range t.Progress {
		v.Attempts += p.Attempts
		v.Error = p.Error
		if !t.State.Final() {
			v.WaitingSince = p.WaitingSince
		}
		for _, a := range p.Last {
			v.History = append(v.History, Attempt{a.At, a.Status, a.Took.Milliseconds()})
		}
	}
	d, err := dispatch.DecodeDoc(t.Doc)
	if err != nil {
		return v
	}
	v.CreatedAt, v.Identifier = d.CreatedAt, d.Identifier
	v.Request = &Request{d.Method, d.URI, hideSecrets(d.Headers), d.Body, d.Claims, d.Format}
	v.Policy = &Policy{
		SuccessCodes: d.SuccessCodes, StopCodes: d.StopCodes, WaitCodes: d.WaitCodes, Attempts: d.Attempts, HTTPTimeout: d.HTTPTimeout,
		GroupOnFailure: d.GroupOnFailure, When: d.When, OnFailure: told(d.OnFailure), OnSuccess: told(d.OnSuccess),
	}
	return v
}

func told(c *dispatch.Callback) string {
	if c == nil {
		return ""
	}
	return c.Doc.Method + " " + c.Doc.URI
}

// hideSecrets hides the values of headers that name a secret: what is shown ends up in terminals and tickets.
func hideSecrets(headers map[string]string) map[string]string {
	shown := make(map[string]string, len(headers))
	for name, value := range headers {
		if isSecret(name) {
			value = Hidden
		}
		shown[name] = value
	}
	return shown
}

func isSecret(name string) bool {
	lower := strings.ToLower(name)
	for _, word := range []string{"auth", "cookie", "token", "secret", "password", "key", "signature", "session"} {
		if strings.Contains(lower, word) {
			return true
		}
	}
	return false
}
