package dispatch

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	keptAnswer = 1 << 10  // bytes of the last answer that a callback carries
	keptBody   = 64 << 10 // bytes of a task's own body that a callback carries; a larger one is left out
	// leastReport is more than the smallest report takes, in bytes.
	leastReport = 48 << 10
)

// report is the body of a callback: the task, its attempts, and the last answer.
type report struct {
	ID         string          `json:"id"`
	Run        int             `json:"run"`
	State      State           `json:"state"`
	Reason     string          `json:"reason,omitempty"`
	Queue      string          `json:"queue"`
	Tenant     string          `json:"tenant,omitempty"`
	Group      string          `json:"group,omitempty"`
	Identifier string          `json:"identifier,omitempty"`
	CreatedAt  time.Time       `json:"createdAt"`
	EndedAt    time.Time       `json:"endedAt"`
	Attempts   int             `json:"attempts"`
	Last       []reportAttempt `json:"last,omitempty"` // the last five, oldest first
	Type       string          `json:"type,omitempty"`
	Targets    []reportTarget  `json:"targets,omitempty"` // of a task with a type
	Request    reportRequest   `json:"request"`
	Answer     *reportAnswer   `json:"answer,omitempty"` // of a task without a type; absent where the last attempt had none
}

// reportTarget is what became of one target.
type reportTarget struct {
	Name     string          `json:"name"`
	Method   string          `json:"method"`
	URI      string          `json:"uri,omitempty"`
	State    State           `json:"state"`
	Reason   string          `json:"reason,omitempty"`
	Attempts int             `json:"attempts"`
	Last     []reportAttempt `json:"last,omitempty"`
	Answer   *reportAnswer   `json:"answer,omitempty"` // absent where it was done earlier, or had none
}

type reportAttempt struct {
	At     time.Time `json:"at"`
	Status int       `json:"status"`
	TookMs int64     `json:"tookMs"`
}

type reportRequest struct {
	Method string          `json:"method,omitempty"`
	URI    string          `json:"uri,omitempty"`
	Body   json.RawMessage `json:"body,omitempty"`
}

type reportAnswer struct {
	Status int    `json:"status"`
	Body   string `json:"body,omitempty"`
}

// callbacks returns the tasks that tell of a task's end: none, or one. answers are its targets', nil where no
// call was made.
func callbacks(t Task, d Doc, answers []*Answer, settings Settings, retention time.Duration) ([]Task, error) {
	c, kind := d.OnFailure, "failure"
	if t.State == Delivered {
		c, kind = d.OnSuccess, "success"
	}
	if c == nil || !t.State.Final() || t.State == Cancelled || t.State == Skipped {
		return nil, nil
	}
	doc := c.Doc
	doc.CreatedAt, doc.FirstDueAt = t.EndedAt, t.EndedAt
	if c.Lifetime > 0 {
		doc.ExpireAt = roundUp(t.EndedAt.Add(c.Lifetime))
	}
	encoded, err := telling(doc, newReport(t, d, answers))
	if err != nil {
		return nil, fmt.Errorf("making the callback of task %s: %w", t.ID, err)
	}
	id := t.ID + "/" + strconv.FormatInt(t.Generation, 10) + "/" + kind
	row := Task{
		ID: id, State: Scheduled, Queue: c.Queue, Tenant: t.Tenant, Run: 1, Doc: encoded, Hash: []byte(id),
		Timeout: doc.Timeout(), ExpireAt: doc.ExpireAt, DueAt: t.EndedAt, Lane: settings.Lane(c.Queue, t.Tenant, id),
		Generation: t.EndedAt.UnixMilli(), Version: doc.version(t.Tenant),
	}
	row.TTL = liveTTL(row, retention)
	return []Task{row}, nil
}

// telling returns the document whose body is the report, without the largest parts of it where a row could not
// hold them: a callback that could not be stored would keep its task from ending.
func telling(doc Doc, r report) (encoded []byte, err error) {
	for _, smaller := range []func(){func() {}, func() { r.Request.Body = nil }, r.strip} {
		smaller()
		if doc.Body, err = marshal(r); err != nil {
			return nil, err
		}
		if encoded, err = EncodeDoc(doc); err != nil || len(encoded) <= maxDoc {
			return encoded, err
		}
	}
	return encoded, nil
}

// strip leaves out what can be seen elsewhere.
func (r *report) strip() {
	for i := range r.Targets {
		r.Targets[i].URI, r.Targets[i].Last, r.Targets[i].Answer = "", nil, nil
	}
}

func newReport(t Task, d Doc, answers []*Answer) report {
	r := report{
		ID: t.ID, Run: t.Run, State: t.State, Reason: t.Reason, Queue: t.Queue, Tenant: t.Tenant, Group: t.Group, Identifier: d.Identifier,
		CreatedAt: d.CreatedAt, EndedAt: t.EndedAt, Attempts: t.attempts(), Type: d.Type, Request: reportRequest{Method: d.Method, URI: d.URI},
	}
	if len(d.Targets) == 0 {
		r.Last, r.Answer = lastOf(t.progress(0)), answerOf(answers, 0)
	}
	for i, target := range d.Targets {
		p := t.progress(i)
		one := reportTarget{target.Name, target.Method, target.URI, p.State, p.Error, p.Attempts, lastOf(p), answerOf(answers, i)}
		if one.State == "" {
			one.State, one.Reason = t.State, t.Reason // the only one, or it ended with the task
		}
		r.Targets = append(r.Targets, one)
	}
	if len(d.Body) <= keptBody {
		r.Request.Body = d.Body
	}
	return r
}

func answerOf(answers []*Answer, i int) *reportAnswer {
	if i >= len(answers) || answers[i] == nil || answers[i].Status == 0 {
		return nil
	}
	return &reportAnswer{Status: answers[i].Status, Body: validText(answers[i].Body)}
}

func lastOf(p Progress) []reportAttempt {
	var last []reportAttempt
	for _, one := range p.Last {
		last = append(last, reportAttempt{one.At, one.Status, one.Took.Milliseconds()})
	}
	return last
}

// validText cuts the beginning of an answer to what a callback carries, at a character's end; what is not
// text becomes U+FFFD.
func validText(s string) string {
	s = s[:min(len(s), keptAnswer)]
	for cut := len(s); cut > max(0, len(s)-utf8.UTFMax); cut-- {
		if utf8.ValidString(s[:cut]) {
			return s[:cut]
		}
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
