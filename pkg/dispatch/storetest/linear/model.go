package linear

import (
	"errors"
	"fmt"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"github.com/anishathalye/porcupine"
)

// row is what the model knows of a task: what claims, settles and edits look at or change.
type row struct {
	there                bool
	state                dispatch.State
	content              string
	run, lapses          int
	attempts             int
	generation           int64
	lease                string
	until, dueAt, endsAt int64 // ms
}

func rowOf(t dispatch.Task) row {
	r := row{
		there: true, state: t.State, content: string(t.Doc), run: t.Run, lapses: t.Lapses, generation: t.Generation,
		lease: t.Lease, until: dispatch.Millis(t.Until), dueAt: dispatch.Millis(t.DueAt), endsAt: dispatch.Millis(t.EndedAt),
	}
	if len(t.Progress) > 0 {
		r.attempts = t.Progress[0].Attempts
	}
	return r
}

// verb is what a call does.
type verb string

const (
	put     verb = "put"
	get     verb = "get"
	claim   verb = "claim"
	settle  verb = "settle"
	record  verb = "record"
	cancel  verb = "cancel"
	replace verb = "replace"
	retry   verb = "retry"
	remove  verb = "delete"

	saw verb = "saw a lapse" // the first half of a claim that another write overtook
)

// call is what a client asked for.
type call struct {
	verb  verb
	at    time.Time     // the client's clock
	token string        // claim; saw: the lease that it is not
	task  dispatch.Task // put, replace: what is put; settle, record: the claimed task as it is to be; delete: the one that was seen
}

// answer is what it was told.
type answer struct {
	row      row   // as it was answered; nothing where there is an error, but for a claim that was refused
	existing bool  // put
	err      error // one of the store's, or of the edit's; nil
	unknown  bool  // no answer came: the call was done, or not
}

func (a answer) equal(b answer) bool {
	return a.row == b.row && a.existing == b.existing && errors.Is(a.err, b.err) && errors.Is(b.err, a.err)
}

// errState is the edits' own.
var errState = errors.New("not in this state")

// model is the contract of [dispatch.Store] for one task, one call after another.
func model() porcupine.Model {
	m := porcupine.NondeterministicModel{
		Init: func() []any { return []any{row{}} },
		Step: func(state, input, output any) []any {
			was, said := state.(row), output.(answer)
			is, want := step(was, input.(call))
			switch asked := input.(call); {
			case asked.verb == saw && was.lapsed(asked.at) && was.lease != asked.token:
				return []any{was}
			case asked.verb == saw:
				return nil
			case said.unknown && is != was:
				return []any{was, is}
			case said.unknown:
				return []any{was}
			case said.equal(want):
				return []any{is}
			}
			return nil
		},
		DescribeOperation: func(input, output any) string { return describe(input.(call), output.(answer)) },
		DescribeState:     func(state any) string { return fmt.Sprintf("%+v", state) },
	}
	return m.ToModel()
}

// step makes one call of a row, and says what it must answer.
func step(r row, c call) (row, answer) {
	no := func(err error) (row, answer) { return r, answer{err: err} }
	yes := func(r row) (row, answer) { return r, answer{row: r} }
	holder := r.lease == c.task.Lease && r.generation == c.task.Generation
	switch {
	case c.verb == put && r.there:
		return r, answer{row: r, existing: true}
	case c.verb == put:
		return rowOf(c.task), answer{} // what it answers with is not looked at
	case c.verb == settle && r.there && r.lease == "" && r.generation == c.task.Generation:
		return no(nil) // it was settled before
	case (c.verb == settle || c.verb == record) && (!r.there || !holder):
		return no(dispatch.ErrLeaseLost)
	case c.verb == settle:
		s := rowOf(c.task)
		r.state, r.endsAt, r.dueAt, r.attempts, r.lapses, r.lease, r.until = s.state, s.endsAt, s.dueAt, s.attempts, s.lapses, "", 0
		return no(nil)
	case c.verb == record:
		r.attempts = rowOf(c.task).attempts
		return no(nil)
	case c.verb == remove && r.there && (r.generation != c.task.Generation || !r.state.Final()):
		return no(dispatch.ErrConflict)
	case c.verb == remove:
		return row{}, answer{}
	case !r.there:
		return no(dispatch.ErrNotFound)
	case c.verb == get:
		return yes(r)
	case c.verb == claim:
		return claimed(r, c)
	}
	t := dispatch.Task{State: r.state, Lease: r.lease, Until: dispatch.FromMillis(r.until), Run: r.run, DueAt: dispatch.FromMillis(r.dueAt),
		EndedAt: dispatch.FromMillis(r.endsAt), Lapses: r.lapses, Doc: []byte(r.content), Progress: []dispatch.Progress{{Attempts: r.attempts}}}
	if err := c.edit(&t); err != nil {
		return no(err)
	}
	is := rowOf(t)
	is.generation, is.lease, is.until = r.generation+1, "", 0
	return yes(is)
}

// due reports whether a claim may have the row, its lease apart.
func (r row) due(at time.Time) bool {
	return r.state == dispatch.Scheduled && r.dueAt <= dispatch.Millis(at.Add(dispatch.ClaimAhead))
}

// lapsed reports whether the row could be claimed for a lapse.
func (r row) lapsed(at time.Time) bool {
	return r.due(at) && r.lease != "" && r.until <= dispatch.Millis(at)
}

func claimed(r row, c call) (row, answer) {
	at := dispatch.Millis(c.at)
	switch {
	case r.lease == c.token:
		return r, answer{row: r}
	case !r.due(c.at), r.lease != "" && r.until > at:
		return r, answer{row: r, err: dispatch.ErrRefused}
	case r.lease != "":
		r.lapses++
	}
	r.lease, r.until, r.generation = c.token, at+(timeout+dispatch.LeaseMargin).Milliseconds(), r.generation+1
	return r, answer{row: r}
}

// edit changes a task as people and producers do, or says why not.
func (c call) edit(t *dispatch.Task) error {
	switch {
	case t.Leased(c.at):
		return dispatch.ErrLeased
	case c.verb == cancel && t.State.Final(), c.verb == retry && !t.State.Final():
		return errState
	case c.verb == cancel:
		t.State, t.EndedAt, t.DueAt, t.Lane, t.Lapses = dispatch.Cancelled, c.at, time.Time{}, "", 0
		return nil
	case c.verb == replace:
		t.Doc, t.Hash = c.task.Doc, c.task.Hash
	}
	t.State, t.EndedAt, t.DueAt, t.Lane = dispatch.Scheduled, time.Time{}, c.at, c.task.Lane
	t.Run++
	t.Progress, t.Lapses = nil, 0
	return nil
}

func describe(c call, a answer) string {
	s := fmt.Sprintf("%s at %d", c.verb, dispatch.Millis(c.at))
	switch c.verb {
	case claim:
		s += " token " + c.token
	case settle, record:
		s += fmt.Sprintf(" %s of %s, generation %d", c.task.State, c.task.Lease, c.task.Generation)
	case put, replace:
		s += fmt.Sprintf(" %s, generation %d", c.task.Doc, c.task.Generation)
	case remove:
		s += fmt.Sprintf(" generation %d", c.task.Generation)
	}
	switch {
	case a.unknown:
		return s + " → no answer"
	case a.err != nil:
		return fmt.Sprintf("%s → %v %+v", s, a.err, a.row)
	}
	return fmt.Sprintf("%s → existing %v %+v", s, a.existing, a.row)
}
