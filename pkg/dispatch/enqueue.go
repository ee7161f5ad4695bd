package dispatch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"time"
)

// Enqueue is the first verb: it validates tasks and puts their rows. What it tells the other functions is
// a courtesy; the rows are in their lanes already.
type Enqueue struct {
	Store    Store
	Settings func(context.Context) (Settings, error)
	Invoke   func(context.Context, []Hint) error // runs handle for tasks that are due now; nil: the sweep will
	Wake     func(context.Context) error         // runs sweep for tasks due within the minute; nil: the next tick will

	Retention      time.Duration // how long final rows stay, at least MinRetention
	TasksPerHandle int           // hints handed over together, at least 1
	AllowHTTP      bool          // plain http targets, besides https
	CanSign        bool          // there is a key for claims

	CheckRule func(rule string) error // says what is wrong with a rule; nil: tasks may have none
	CheckARN  func(ARN) error         // says why no task may go there; nil: tasks go to URLs only
	CheckURL  func(*url.URL) error    // says why no task may go to a well-formed URL; nil: it is found out when it is called

	CheckSecret func(name string) error // says why no header may have the secret; nil: there are none

	Now func() time.Time
	Log *slog.Logger

	mu    sync.Mutex
	woken time.Time
}

// Receipt is what enqueue answers for one task.
type Receipt struct {
	ID       string    `json:"id"`
	State    State     `json:"state,omitempty"`
	DueAt    time.Time `json:"dueAt,omitzero"`
	Existing bool      `json:"existing"`           // the id was enqueued before; State is that task's
	Replaced bool      `json:"replaced,omitempty"` // and it now has this content, as onConflict asked
	Error    *Problem  `json:"error,omitempty"`
}

// Receipts are the receipts of one call, in the order of its tasks.
type Receipts struct {
	Tasks []Receipt `json:"tasks"`
	Batch bool      `json:"-"` // the input was a list; otherwise it was one task, and Tasks has one
}

// ErrNotStored says that the store failed for some tasks of a call; their receipts say which. Enqueueing
// them again under the same ids is safe.
var ErrNotStored = errors.New("not all tasks could be stored")

const (
	handOverTime = 10 * time.Second // what enqueue spends at most on telling the others
	handOverWide = 32               // invokes side by side
)

// Run enqueues one task, or {"tasks": […]}. newID names the i-th task where it has no id. The error is an
// *InvalidInput if anything is wrong with the input, and nothing is stored then; ErrNotStored, with all
// receipts, if the store failed for some.
func (e *Enqueue) Run(ctx context.Context, input []byte, newID func(i int) string) (Receipts, error) {
	settings, err := e.Settings(ctx)
	if err != nil {
		return Receipts{}, err
	}
	now := e.Now()
	p := e.parser(settings, now)
	all, batch, err := p.parse(input)
	if err != nil {
		return Receipts{Batch: batch}, err
	}
	rows, at, err := e.rows(all, settings, now, newID)
	if err != nil {
		return Receipts{Batch: batch}, err
	}
	results := e.Store.Put(ctx, now, rows)
	replaced := e.replaceAll(ctx, all, at, rows, results)
	receipts := Receipts{Tasks: make([]Receipt, len(all)), Batch: batch}
	var failed error
	taken := make([]bool, len(rows))
	for i := range all {
		row, r := rows[at[i]], results[at[i]]
		receipts.Tasks[i] = receipt(row.ID, r, all[i].hash, taken[at[i]])
		receipts.Tasks[i].Replaced = replaced[at[i]]
		if receipts.Tasks[i].Error != nil && receipts.Tasks[i].Error.Status >= 500 {
			failed = errors.Join(failed, fmt.Errorf("task %s: %w", row.ID, r.Err))
		}
		taken[at[i]] = true
	}
	e.tell(ctx, results, replaced, now)
	if failed != nil {
		return receipts, fmt.Errorf("%w: %w", ErrNotStored, failed)
	}
	return receipts, nil
}

func (e *Enqueue) parser(settings Settings, now time.Time) parser {
	return parser{now: now, settings: settings, allowHTTP: e.AllowHTTP, canSign: e.CanSign, checkRule: e.CheckRule, checkARN: e.CheckARN, checkURL: e.CheckURL, checkSecret: e.CheckSecret}
}

// rows makes the rows to put, one per id, and says which of them each task of the input is.
func (e *Enqueue) rows(all []asked, settings Settings, now time.Time, newID func(int) string) (rows []Task, at []int, err error) {
	var f faults
	first := map[string]int{}
	for i, a := range all {
		if a.id == "" {
			a.id = newID(i)
		}
		if n, ok := first[a.id]; ok {
			at = append(at, n)
			continue
		}
		row, err := e.row(a, settings, now)
		if err != nil {
			return nil, nil, err
		}
		if most := maxDoc - targetRoom*len(a.doc.Targets); len(row.Doc) > most {
			f.add(a.pointer, "is too large: %d bytes stored, %d at most; put the content elsewhere and send where it is", len(row.Doc), most)
		}
		first[a.id] = len(rows)
		at = append(at, len(rows))
		rows = append(rows, row)
	}
	return rows, at, f.err()
}

func (e *Enqueue) row(a asked, settings Settings, now time.Time) (Task, error) {
	doc, err := EncodeDoc(a.doc)
	if err != nil {
		return Task{}, err
	}
	t := Task{
		ID: a.id, State: Scheduled, Queue: a.queue, Tenant: a.tenant, Run: 1,
		Doc: doc, Hash: a.hash, Timeout: a.doc.Timeout(), ExpireAt: a.doc.ExpireAt,
		DueAt: a.doc.FirstDueAt, Lane: settings.Lane(a.queue, a.tenant, a.id),
		Generation: now.UnixMilli(), Version: a.doc.version(a.tenant),
		Identifier: a.doc.Identifier, Group: a.group,
	}
	t.TTL = liveTTL(t, e.Retention)
	return t, nil
}

// liveTTL is when a live row may go: long after its expiry, which somebody will have seen by then. A task
// that does not expire stays until it is final, and so does a member of a group, whose chain would break.
func liveTTL(t Task, retention time.Duration) time.Time {
	if t.ExpireAt.IsZero() || t.Group != "" {
		return time.Time{}
	}
	return t.ExpireAt.Add(retention).Add(time.Second - 1).Truncate(time.Second)
}

func receipt(id string, r Result, hash []byte, repeated bool) Receipt {
	switch {
	case errors.Is(r.Err, ErrTooLarge):
		return Receipt{ID: id, Error: &Problem{Title: "Too large", Status: 413, Detail: "the row would pass the store's limit"}}
	case errors.Is(r.Err, ErrLeased):
		return Receipt{ID: id, State: r.Task.State, Existing: true, Error: &Problem{Title: "Conflict", Status: 409, Detail: "it may be under way and cannot be replaced now"}}
	case errors.Is(r.Err, ErrNewer):
		return Receipt{ID: id, State: r.Task.State, Existing: true, Error: &Problem{Title: "Conflict", Status: 409, Detail: "a newer version of dispatch has stored it, and this one does not replace it"}}
	case errors.Is(r.Err, errOtherGroup):
		return Receipt{ID: id, State: r.Task.State, Existing: true, Error: &Problem{Title: "Conflict", Status: 409, Detail: "a task cannot change its group; use another id"}}
	case errors.Is(r.Err, errOtherTenant):
		return Receipt{ID: id, State: r.Task.State, Existing: true, Error: &Problem{Title: "Conflict", Status: 409, Detail: "a task cannot change its tenant; use another id"}}
	case r.Err != nil:
		if p, ok := Unwritable(r.Err); ok {
			return Receipt{ID: id, Error: &p}
		}
		return Receipt{ID: id, Error: &Problem{Title: "Not stored", Status: 503, Detail: "the store did not answer in time; enqueue it again under the same id"}}
	case !bytes.Equal(r.Task.Hash, hash):
		return Receipt{ID: id, State: r.Task.State, Existing: true, Error: &Problem{Title: "Conflict", Status: 409, Detail: "this id has been enqueued with other content"}}
	default:
		return Receipt{ID: id, State: r.Task.State, DueAt: r.Task.DueAt, Existing: r.Existing || repeated}
	}
}

// tell hands over what is due now and wakes the sweep for what is due before its next tick.
func (e *Enqueue) tell(ctx context.Context, results []Result, replaced []bool, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, handOverTime)
	defer cancel()
	var due []Hint
	soon := false
	for i, r := range results {
		switch {
		case r.Err != nil || r.Existing && !replaced[i] || r.Task.State != Scheduled || r.Task.Lease != "" && !r.Existing:
		case r.Task.Hint().IsDue(e.Now()):
			due = append(due, r.Task.Hint())
		case r.Task.DueAt.Before(now.Add(time.Minute)):
			soon = true
		}
	}
	if e.Invoke != nil {
		failed := handOver(ctx, due, max(1, e.TasksPerHandle), handOverWide, e.Invoke)
		for _, err := range failed {
			e.Log.LogAttrs(ctx, slog.LevelInfo, "handle not invoked; the sweep will", slog.Any("error", err))
		}
	}
	if soon && e.Wake != nil && e.mayWake(now) {
		if err := e.Wake(ctx); err != nil {
			e.Log.LogAttrs(ctx, slog.LevelInfo, "sweep not woken; its next tick will", slog.Any("error", err))
		}
	}
}

// mayWake reports whether this process has not woken the sweep in the last minute.
func (e *Enqueue) mayWake(now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if now.Sub(e.woken) < time.Minute {
		return false
	}
	e.woken = now
	return true
}

// handOver invokes for all hints, in events of size hints, several side by side, and returns what failed.
func handOver(ctx context.Context, hints []Hint, size, wide int, invoke func(context.Context, []Hint) error) []error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed []error
	slots := make(chan struct{}, wide)
	for len(hints) > 0 {
		event := hints[:min(size, len(hints))]
		hints = hints[len(event):]
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := invoke(ctx, event); err != nil {
				mu.Lock()
				failed = append(failed, err)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return failed
}
