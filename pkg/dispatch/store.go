package dispatch

import (
	"context"
	"errors"
	"iter"
	"time"
)

// What callers of a Store must tell apart. Stores wrap them with what was being done.
var (
	ErrNotFound  = errors.New("not found")         // no such task or document
	ErrRefused   = errors.New("claim refused")     // not due, not scheduled, leased by another, too long for the time left, or of a newer format
	ErrLeaseLost = errors.New("lease lost")        // the settle came from somebody who no longer holds the task
	ErrLeased    = errors.New("task is leased")    // an edit met a task that somebody may be sending
	ErrConflict  = errors.New("changed meanwhile") // a compare-and-set met another version
	ErrTooLarge  = errors.New("row too large")     // over [MaxRow]
)

// MaxRow is the largest row in bytes that every store keeps: DynamoDB's limit on an item, 400 KB.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
const MaxRow = 400 << 10

// Store keeps tasks. It speaks of tasks and leases, never of HTTP, and has no clock: whoever calls says
// what time it is.
//
// The contract, which package storetest runs against every implementation:
//
//   - Every write is durable when its method returns without an error, and atomic: a crash, a lost
//     answer or a cancelled context leaves it done or not done. After an error other than this file's
//     sentinels it may be either.
//   - A write whose answer was lost may be repeated by calling the method again with the same
//     arguments; it is then recognised as one's own.
//   - One item's failure never fails another of the same call. Results are in the order of the arguments.
//   - Methods repeat what was throttled or left unprocessed until the context ends.
//   - All methods are safe for concurrent use.
type Store interface {
	// Put stores each task whose id is absent or whose row is past its TTL at now. Where a row is
	// there already, Result.Existing is true and Result.Task is that row, unchanged; a row with the
	// task's own Generation, Hash and Doc was put by an earlier try of this call and is not Existing. Fails
	// with ErrTooLarge for a row over MaxRow, with room for what attempts add. The ids of one call differ.
	//
	// A task without a group may be put with a lease: as one that was put and claimed in one commit.
	//
	// A task with a Group is put behind the group's last live member, as Blocked, with Prev, and that
	// member's Next set to it in the same commit; where the group has no live member it stays Scheduled.
	// Members of a group are put in the order of the arguments. Where one of them fails, those behind it
	// in the same group and call are not put, and fail as well.
	Put(ctx context.Context, now time.Time, tasks []Task) []Result

	// Get reads tasks as they are (strongly consistent), ErrNotFound for those that are absent. A row
	// past its TTL may still be returned.
	Get(ctx context.Context, ids []string) []Result

	// Due yields a hint for every task in the lane whose DueAt is not after upTo, oldest first, leased
	// ones too; its Queue and Tenant are the lane's. It may be stale: an entry may carry an old DueAt, be of a task that has ended, or be
	// missing for a moment. Blocked and held tasks are not in it. It reads page by page while it is iterated over; an error ends it.
	Due(ctx context.Context, lane string, upTo time.Time) iter.Seq2[Hint, error]

	// Claim takes a lease on each task: Lease=l.Token, Until=l.At+Timeout+[LeaseMargin], Generation+1,
	// and returns the row as it then is. A task can be claimed if its state is Scheduled, DueAt is not
	// after l.At+[ClaimAhead], Timeout is not over l.Left, Version not over FormatVersion, and it has no
	// lease, or one whose Until is not after l.At: then also Lapses+1. Claiming again with the same
	// Token returns the row as claimed. Otherwise the error is ErrRefused, with the row as it is in
	// Result.Task, or ErrNotFound. ErrRefused may also come of a lease that was over, where another write
	// took it away meanwhile.
	Claim(ctx context.Context, ids []string, l Lease) []Result

	// Settle ends the lease of a claimed task, if the row's Lease and Generation are still t's, and
	// writes t's State, Reason, EndedAt, DueAt, Lane, Identifier, Progress, Lapses and TTL (and nothing
	// else of it); Lease and Until are removed. A row without a lease that has t's Generation was settled
	// by an earlier try of this call: nil. Fails with ErrLeaseLost otherwise, also if the row is gone.
	//
	// The callbacks, if any, are put in the same commit; one whose id is there already was put by an
	// earlier try. Where a member of a group becomes final, the same commit makes the member behind it
	// Scheduled, if that is Blocked, its DueAt untouched, and the result is the hint of that one; so it
	// is when an earlier try did it. The zero Hint means that nobody waited.
	Settle(ctx context.Context, t Task, callbacks ...Task) (Hint, error)

	// Record writes t's Progress (and nothing else of it) of a claimed task whose calls are not all over, if
	// the row's Lease and Generation are still t's; ErrLeaseLost otherwise, also if the row is gone. The
	// lease stays. It tries once, unlike the others: nothing fences an earlier try that comes late from a
	// later Record, so after an error the caller makes no other.
	Record(ctx context.Context, t Task) error

	// Edit reads a task, lets edit change it and writes it whole with Generation+1 and without a lease,
	// if nothing else wrote meanwhile; else it begins again, so edit may run several times. An error of
	// edit is returned as it is and nothing is written; edit itself decides what state allows what, and
	// returns ErrLeased for a task that is Leased. Returns the row as written.
	//
	// Group, Prev and Next are the store's: what edit does to them is ignored, and what others wrote to
	// Next meanwhile is kept. Where a live member of a group becomes final the member behind it is
	// handed the turn as by Settle, and its hint returned; where a final one becomes live it joins its
	// group behind the last live member, as by Put. edit must not make a Blocked task Scheduled or final.
	Edit(ctx context.Context, id string, edit func(*Task) error) (Task, Hint, error)

	// Delete removes a task if its Generation is this one and its state is final; ErrConflict if it is
	// not, nil if the task is absent.
	Delete(ctx context.Context, id string, generation int64) error

	// List yields tasks: of f.Lanes, each in the order of DueAt (f.Newest: latest first); or those with an
	// Identifier that f names, or any where f.Identified; or of the whole store, in no order. It may be
	// stale as Due may be; of the whole store it misses nothing that was put before it began.
	List(ctx context.Context, f Filter) iter.Seq2[Task, error]

	// Load reads a document, ErrNotFound if there is none.
	Load(ctx context.Context, name string) (Document, error)

	// Save writes a document if the stored one's Version is d.Version-1 (0: there is none);
	// ErrConflict otherwise, unless the stored one is d itself.
	Save(ctx context.Context, d Document) error
}

const (
	// LeaseMargin is how much longer than its timeout a task is leased: time to begin, to settle, and
	// for clocks that disagree.
	LeaseMargin = 30 * time.Second
	// ClaimAhead is how long before its time a task may be claimed; it is sent at its time all the same.
	ClaimAhead = 2 * time.Second
	// Skew is how far the clocks of two handlers may lie apart without both sending the same task.
	Skew = 20 * time.Second
)

// Lease is what a claim asks for.
type Lease struct {
	Token string        // random, one per call of Claim
	At    time.Time     // the claimer's time
	Left  time.Duration // how long the claimer itself has; tasks with a longer timeout are refused
}

// Result is what became of one item of a call.
type Result struct {
	Task     Task
	Existing bool // Put: the id was there already
	Err      error
}

// Filter says which tasks List yields. Zero fields do not filter.
type Filter struct {
	Lanes       []string // only these lanes
	Identifiers []string // only tasks with one of these Identifiers: live ones
	Identified  bool     // only tasks with an Identifier: live ones
	Queue       string
	Tenant      string
	State       State
	Newest      bool // latest DueAt first, within each lane
}

// Document is a small versioned piece of JSON in the same store: settings.
type Document struct {
	Name    string // as ids, without a slash
	Version int64  // 1 for the first
	Body    []byte
}
