package client

import (
	"encoding/json"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// Task is one call to be made, as enqueue takes it; docs/task.md explains each field. A field with its zero value is left
// out, and gets its default from enqueue, from the task's queue or from its route. Needed is URI or Type alone.
type Task struct {
	ID         string     `json:"id,omitempty"`         // name and idempotency key, 1–128 of A-Z a-z 0-9 _ . : -; "": the client makes one
	OnConflict OnConflict `json:"onConflict,omitempty"` // what becomes of a task that has this ID

	URI     string          `json:"uri,omitempty"`     // where the call goes: an absolute https URL, or an ARN
	Type    string          `json:"type,omitempty"`    // instead of URI: the settings' routes say where the call goes
	Method  string          `json:"method,omitempty"`  // GET, POST, PUT, PATCH or DELETE; POST unless given
	Headers map[string]any  `json:"headers,omitempty"` // by name; each a string, or a Secret
	Body    any             `json:"body,omitempty"`    // what is sent: whatever encoding/json makes of it
	Claims  any             `json:"claims,omitempty"`  // what is sent, as a signed JWT: an object; not beside Body
	Format  dispatch.Format `json:"format,omitempty"`  // Envelope unless given

	DueAt    time.Time `json:"dueAt,omitzero"`     // when it is sent, at the earliest; now unless given
	Delay    float64   `json:"delay,omitempty"`    // the same in seconds from now
	ExpireAt time.Time `json:"expireAt,omitzero"`  // never sent from then on
	Lifetime float64   `json:"lifetime,omitempty"` // the same in seconds from now, 1–315,360,000

	SuccessCodes []string `json:"successCodes,omitzero"` // delivered: codes ("404"), classes ("4xx"), ranges ("500-503"); 2xx unless given
	StopCodes    []string `json:"stopCodes,omitzero"`    // nothing more is tried
	WaitCodes    []string `json:"waitCodes,omitzero"`    // not yet: asked again, without counting; 425 unless given, an empty list names none
	Attempts     Attempts `json:"attempts,omitzero"`     // how it is retried
	HTTPTimeout  int      `json:"httpTimeout,omitempty"` // seconds for one attempt, 1–600
	Redirects    int      `json:"redirects,omitempty"`   // that one attempt follows, 0–5

	Queue          string               `json:"queue,omitempty"`          // tasks that share limits
	Tenant         string               `json:"tenant,omitempty"`         // on whose behalf it is: the settings say what its tasks may use
	Group          string               `json:"group,omitempty"`          // tasks that run one after another, in the order of their enqueue
	GroupOnFailure dispatch.GroupPolicy `json:"groupOnFailure,omitempty"` // what becomes of the group when this task ends badly
	Identifier     string               `json:"identifier,omitempty"`     // a label to find tasks by
	When           string               `json:"when,omitempty"`           // a rule: sent only if it says yes
	NotifyAttempts int                  `json:"notifyAttempts,omitempty"` // failed attempts after which an error is logged
	OnFailure      *Callback            `json:"onFailure,omitempty"`      // a call when the task ended badly
	OnSuccess      *Callback            `json:"onSuccess,omitempty"`      // a call when the task was delivered
}

// Attempts are a task's retry policy.
type Attempts struct {
	Limit       int     `json:"limit,omitempty"`       // attempts in all, 1–1,000,000
	Interval    int     `json:"interval,omitempty"`    // seconds between two attempts, 1–1,209,600
	Backoff     float64 `json:"backoff,omitempty"`     // multiplies the interval after each attempt, 1–100
	MaxInterval int     `json:"maxInterval,omitempty"` // seconds that the interval grows to at most
	Jitter      float64 `json:"jitter,omitempty"`      // 0–1: spreads the interval at random by this share of it
	Intervals   []int   `json:"intervals,omitempty"`   // the intervals one by one, instead of the three above
}

// Secret is the name of a secret, as a header's value: what the header says is looked up for each attempt, where the call is
// made, and never stored or shown.
type Secret string

// MarshalJSON implements [json.Marshaler].
func (s Secret) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Secret string `json:"secret"`
	}{string(s)})
}

// Callback is a call that tells of a task's end: a task of its own.
type Callback struct {
	URI          string          `json:"uri,omitempty"`
	Method       string          `json:"method,omitempty"` // not GET
	Headers      map[string]any  `json:"headers,omitempty"`
	Format       dispatch.Format `json:"format,omitempty"`
	Redirects    int             `json:"redirects,omitempty"`
	HTTPTimeout  int             `json:"httpTimeout,omitempty"` // seconds
	SuccessCodes []string        `json:"successCodes,omitzero"`
	StopCodes    []string        `json:"stopCodes,omitzero"`
	WaitCodes    []string        `json:"waitCodes,omitzero"`
	Attempts     Attempts        `json:"attempts,omitzero"`
	Queue        string          `json:"queue,omitempty"`
	Lifetime     float64         `json:"lifetime,omitempty"` // seconds from the end of the task on
}

// OnConflict says what becomes of a task whose ID is there already. Keep holds unless another is given.
type OnConflict string

// What becomes of a task whose ID is there already. The last two need an ID.
const (
	Keep            OnConflict = "keep"            // it stays; other content is a conflict
	ReplaceFinished OnConflict = "replaceFinished" // one that has ended runs again with the new content
	Replace         OnConflict = "replace"         // so does it, and one that is still to be sent takes the new content and time
)
