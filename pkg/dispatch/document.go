package dispatch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"
)

// Doc is what was asked of a task, with defaults filled in and times made absolute: the part of the row
// that no attempt changes. Its JSON is the row's doc.
type Doc struct {
	CreatedAt time.Time              `json:"createdAt"`
	Type      string                 `json:"type,omitempty"`    // what it is; its route then says where it goes
	Targets   []Target               `json:"targets,omitempty"` // those of its route when it was enqueued; without a type none
	Method    string                 `json:"method,omitempty"`  // GET, POST, PUT, PATCH or DELETE
	URI       string                 `json:"uri,omitempty"`     // absolute
	Headers   map[string]HeaderValue `json:"headers,omitempty"`
	Body      json.RawMessage        `json:"body,omitempty"`   // a JSON string or any other JSON; at most one of Body and Claims
	Claims    json.RawMessage        `json:"claims,omitempty"` // an object that becomes a JWT
	Format    Format                 `json:"format,omitempty"`
	Sender    string                 `json:"-"` // of a call: see [Target] and [TenantSettings]

	SuccessCodes Codes    `json:"successCodes,omitempty"`
	StopCodes    Codes    `json:"stopCodes,omitempty"`
	WaitCodes    Codes    `json:"waitCodes,omitempty"`
	Attempts     Attempts `json:"attempts,omitzero"`
	HTTPTimeout  int      `json:"httpTimeout"`         // seconds, 1–600; the longest of its targets
	Redirects    int      `json:"redirects,omitempty"` // that one attempt follows, 0–5

	FirstDueAt time.Time `json:"dueAt"`             // of the first run
	ExpireAt   time.Time `json:"expireAt,omitzero"` // of the first run

	Identifier     string      `json:"identifier,omitempty"`     // a label
	GroupOnFailure GroupPolicy `json:"groupOnFailure,omitempty"` // of a member of a group
	When           string      `json:"when,omitempty"`           // a rule: sent only if it says yes
	NotifyAttempts int         `json:"notifyAttempts,omitempty"` // failed attempts after which somebody is told
	OnFailure      *Callback   `json:"onFailure,omitempty"`
	OnSuccess      *Callback   `json:"onSuccess,omitempty"`
}

// Target is one of the places that a task of a type goes to.
type Target struct {
	Name    string                 `json:"name"` // unlike the others' of its route
	Method  string                 `json:"method"`
	URI     string                 `json:"uri"`
	Headers map[string]HeaderValue `json:"headers,omitempty"`
	Format  Format                 `json:"format"`
	Sender  string                 `json:"sender,omitempty"` // the issuer of its signatures; "" for the service's own
	When    string                 `json:"when,omitempty"`   // a rule: sent there only if it says yes

	SuccessCodes Codes    `json:"successCodes"`
	StopCodes    Codes    `json:"stopCodes,omitempty"`
	WaitCodes    Codes    `json:"waitCodes,omitempty"`
	Attempts     Attempts `json:"attempts"`
	HTTPTimeout  int      `json:"httpTimeout"`         // seconds, 1–600
	Redirects    int      `json:"redirects,omitempty"` // that one attempt follows, 0–5
}

// GroupPolicy says what becomes of a group whose head ends badly.
type GroupPolicy string

// The group policies.
const (
	GoOn GroupPolicy = "next" // the next one goes
	Hold GroupPolicy = "hold" // the head is held, and all behind it, until a person retries, skips or cancels it
)

// Callback is a call that becomes a task of its own when a task ends.
type Callback struct {
	Queue    string        `json:"queue"`
	Lifetime time.Duration `json:"lifetime,omitempty"` // ns; 0: it does not expire
	Doc      Doc           `json:"doc"`                // without a body and times
}

// Format says what the body of a call looks like.
type Format string

// The formats.
const (
	Envelope Format = "envelope" // {"request": <body>, "__task": {…}}
	Raw      Format = "raw"      // the body as it is
)

// Attempts is a task's retry policy.
type Attempts struct {
	Limit       int     `json:"limit"`                 // attempts in all, at least 1
	Interval    int     `json:"interval,omitempty"`    // seconds between two attempts, at least 1
	Backoff     float64 `json:"backoff,omitempty"`     // the interval is multiplied by it after each attempt, 1–100
	MaxInterval int     `json:"maxInterval,omitempty"` // seconds that the interval grows to at most; 0: MaxInterval
	Jitter      float64 `json:"jitter,omitempty"`      // 0–1: the interval is multiplied by a random number in [1-jitter, 1+jitter]
	Intervals   []int   `json:"intervals,omitempty"`   // seconds after the first, second, … attempt instead of Interval and Backoff; the last one goes on
}

// The defaults, and the limits that a task's own settings cannot pass.
const (
	DefaultQueue       = "default"
	DefaultInterval    = 60      // seconds
	DefaultBackoff     = 1.0     // every interval the same
	DefaultHTTPTimeout = 30      // seconds
	DefaultLimit       = 1440    // attempts of a task that does not expire: a day of minutes
	MaxInterval        = 1209600 // seconds: 14 days
	MaxHTTPTimeout     = 600     // seconds: leaves a Lambda function time to settle
	MaxRedirects       = 5       // of one attempt
	MaxWaiting         = 14 * 24 * time.Hour
	MaxLapses          = 10
	DefaultNotify      = 5             // failed attempts
	MinRetention       = 8 * time.Hour // more than enqueue's event age, so that no re-sent put finds its row gone
	DefaultRetention   = 7 * 24 * time.Hour
)

// Lifetime returns how long after its creation a task expires, 0 if never.
func (d Doc) Lifetime() time.Duration {
	if d.ExpireAt.IsZero() {
		return 0
	}
	return d.ExpireAt.Sub(d.CreatedAt)
}

// Timeout returns the longest that one attempt may take.
func (d Doc) Timeout() time.Duration { return time.Duration(d.HTTPTimeout) * time.Second }

// Wait returns the time from the n-th attempt (from 1) to the next, before jitter.
func (a Attempts) Wait(n int) time.Duration {
	if len(a.Intervals) > 0 {
		return time.Duration(a.Intervals[min(n, len(a.Intervals))-1]) * time.Second
	}
	most := MaxInterval
	if a.MaxInterval > 0 {
		most = a.MaxInterval
	}
	seconds := float64(a.Interval) * math.Pow(a.Backoff, float64(n-1))
	if !(seconds < float64(most)) {
		seconds = float64(most)
	}
	return time.Duration(seconds * float64(time.Second))
}

// defaultLimit is how often the interval fits into the task's life, rounded up: a retry that could only
// come after the expiry is not promised.
func defaultLimit(interval int, firstDueAt, expireAt time.Time) int {
	if expireAt.IsZero() {
		return DefaultLimit
	}
	step := time.Duration(interval) * time.Second
	return min(max(1, int((expireAt.Sub(firstDueAt)+step-1)/step)), maxLimit)
}

// To returns what is asked of the call to the i-th target; of a task without a type that is d itself.
func (d Doc) To(i int) Doc {
	if i >= len(d.Targets) {
		return d
	}
	t := d.Targets[i]
	d.Method, d.URI, d.Headers, d.Format, d.Sender = t.Method, t.URI, t.Headers, t.Format, t.Sender
	d.SuccessCodes, d.StopCodes, d.WaitCodes, d.Attempts, d.HTTPTimeout = t.SuccessCodes, t.StopCodes, t.WaitCodes, t.Attempts, t.HTTPTimeout
	d.Redirects = t.Redirects
	return d
}

// version returns the least version of the row's format whose code knows all that is asked on behalf of a tenant.
func (d Doc) version(tenant string) int {
	v := 1
	if tenant != "" {
		v = 3
	}
	if len(d.Targets) > 0 || IsARN(d.URI) {
		v = max(v, 2)
	}
	if d.Redirects > 0 || slices.ContainsFunc(d.Targets, func(t Target) bool { return t.Redirects > 0 }) {
		v = 3
	}
	if hasSecrets(d.Headers) || slices.ContainsFunc(d.Targets, func(t Target) bool { return hasSecrets(t.Headers) }) {
		v = 3
	}
	for _, c := range []*Callback{d.OnFailure, d.OnSuccess} {
		if c != nil {
			v = max(v, c.Doc.version(""))
		}
	}
	return v
}

func hasSecrets(headers map[string]HeaderValue) bool {
	for _, value := range headers {
		if value.Secret != "" {
			return true
		}
	}
	return false
}

// EncodeDoc returns the bytes that a row keeps.
func EncodeDoc(d Doc) ([]byte, error) {
	b, err := marshal(d)
	if err != nil {
		return nil, fmt.Errorf("encoding a task's document: %w", err)
	}
	return b, nil
}

// marshal writes JSON in which a body reads back as it was given: without escapes for HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// DecodeDoc is the inverse of [EncodeDoc].
func DecodeDoc(b []byte) (Doc, error) {
	if d, ok := plainDoc(b); ok {
		return d, nil
	}
	var d Doc
	if err := json.Unmarshal(b, &d); err != nil {
		return Doc{}, fmt.Errorf("decoding a task's document: %w", err)
	}
	return d, nil
}
