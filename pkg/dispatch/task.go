package dispatch

import (
	"errors"
	"fmt"
	"time"
)

// FormatVersion is the newest version of the row's format that this code knows: a claim leaves rows of a newer
// one alone. 2 added targets and ARNs, 3 redirects, tenants and headers that are secrets, 4 compressed documents (in DynamoDB); a row without them is still written as 1, which older code knows.
const FormatVersion = 4

// ErrNewer is of a change to a task whose row is of a newer version than this code knows, by whom it is left alone: what
// it would write might break what it does not know of.
var ErrNewer = errors.New("its row was written by a newer version of dispatch, and is left alone")

// known fails with ErrNewer for a row of a newer version.
func (t Task) known() error {
	if t.Version > FormatVersion {
		return fmt.Errorf("task %s: %w: version %d, and this program knows up to %d", t.ID, ErrNewer, t.Version, FormatVersion)
	}
	return nil
}

// State is where a task is in its life; see the diagram in the package's documentation.
type State string

// The states. Scheduled, Blocked and Held are live, the others are final.
const (
	Scheduled State = "scheduled" // somebody looks at it at DueAt; leased while it also has a lease
	Blocked   State = "blocked"   // waits behind the head of its group
	Held      State = "held"      // the head of a group that failed and waits for a person
	Delivered State = "delivered" // the receiver answered with a success code
	Stopped   State = "stopped"   // a stop code, or ten lapses in a row
	Exhausted State = "exhausted" // the last attempt failed, or it waited 14 days
	Expired   State = "expired"   // expireAt came first
	Skipped   State = "skipped"   // a rule said no
	Cancelled State = "cancelled" // by a person or a producer
)

// Final reports whether a task in this state is never attempted again, unless by hand.
func (s State) Final() bool { return s != Scheduled && s != Blocked && s != Held }

// Failed reports whether the state is an end that nobody asked for: such tasks are kept in their queue's history.
func (s State) Failed() bool { return s == Stopped || s == Exhausted || s == Expired }

// Task is one outgoing call that must happen: its row. All times are UTC with a resolution of one
// millisecond (TTL: one second); the zero time means that there is none.
type Task struct {
	ID      string
	State   State
	Reason  string    // why it is in a final state, at most 200 bytes
	Queue   string    // the tasks that share limits
	Tenant  string    // on whose behalf it is, "" for nobody's in particular
	Run     int       // 1, and 1 more for each run by hand
	EndedAt time.Time // when it became final

	Doc  []byte // what was asked, as JSON; see [Doc]
	Hash []byte // SHA-256 of the input before defaults and delays: tells a repeated enqueue from a conflicting one

	Timeout  time.Duration // of one attempt, whole seconds; copied out of Doc for the conditions
	ExpireAt time.Time     // never sent from then on; copied out of Doc for the conditions

	DueAt time.Time // when somebody must look at it next; of a failure in the history: its end
	Lane  string    // the shard of the due index it belongs to, "" for none; it is in the index unless Blocked or Held; see [Lane]

	Lease      string    // who holds it: a random token, "" for nobody
	Until      time.Time // the lease's end
	Generation int64     // begins at the time of the put in ms, 1 more per claim and per edit: fences every later write

	Progress []Progress // per target, in their order; empty before the first attempt
	Lapses   int        // leases in a row that ended unsettled
	Flag     bool       // cancelled while blocked: it ends at its turn, without a call

	Identifier string // a label, while live: its index costs nothing for tasks without one

	Group string // tasks of one group run one after another, "" for none
	Prev  string // the id of the member it was put behind
	Next  string // the id of the member behind it; written by the store alone

	TTL     time.Time // from then on the row counts as absent and may be deleted
	Version int       // of the row's format
}

// Leased reports whether the task is held by somebody at now.
func (t Task) Leased(now time.Time) bool { return t.Lease != "" && now.Before(t.Until) }

// progress returns what is known of the task's i-th target so far.
func (t Task) progress(i int) Progress {
	if i >= len(t.Progress) {
		return Progress{}
	}
	return t.Progress[i]
}

// attempts returns how many were counted; of several targets, at the one that had the most.
func (t Task) attempts() int {
	most := 0
	for _, p := range t.Progress {
		most = max(most, p.Attempts)
	}
	return most
}

// Progress is what is known of one target of a task. Every write bills the whole row, so it stays small.
type Progress struct {
	State   State     // of one of several targets: how it ended, "" while it is open
	EndedAt time.Time // of one of several: when
	NextAt  time.Time // of one of several that is open: when it is tried next; zero: at once

	Attempts     int       // counted attempts of this run; waiting spends none
	WaitingSince time.Time // since when the receiver has said "not yet", or nothing could be sent, and nothing else
	Last         []Attempt // the last five, oldest first
	Error        string    // of the last attempt that failed, at most 200 bytes
}

// Attempt is one call whose outcome is known.
type Attempt struct {
	At     time.Time     // when it was sent
	Status int           // the answer's HTTP status, 0 if none came
	Took   time.Duration // until the answer was read, or the failure known
}

// Hint is an id that may be due. It is never a right to send: only a claim is.
type Hint struct {
	ID     string    `json:"id"`
	Queue  string    `json:"queue,omitempty"`
	Tenant string    `json:"tenant,omitempty"` // "" also where whoever made the hint does not know it
	DueAt  time.Time `json:"dueAt,omitzero"`
}

// IsDue reports whether the hint is to be handed over at now: from the beginning of the millisecond in which its task
// is due. What is due at once is due at the end of the millisecond, and may be stored before that; handle waits for it.
func (h Hint) IsDue(now time.Time) bool { return !h.DueAt.After(roundUp(now)) }

// Hint returns the hint that hands this task over.
func (t Task) Hint() Hint { return Hint{ID: t.ID, Queue: t.Queue, Tenant: t.Tenant, DueAt: t.DueAt} }

// Millis returns t as the rows keep it, in ms since 1970; 0 for the zero time.
func Millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// FromMillis is the inverse of [Millis].
func FromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
