package simulate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"example.com/dispatch/internal/simulate/table"
	"example.com/dispatch/pkg/dispatch"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// checker holds the world to the promise, by what the callers and the receivers saw, and by every change of every row.
// It learns all things in the order in which they happened.
type checker struct {
	world     *world
	violation string // the first
	figures   figures

	tasks    map[string]*task
	changed  time.Time                    // when a task's row last did
	order    int                          // of joining groups
	wanted   map[string]spec              // what was asked for last
	contents map[string]map[string]bool   // and ever
	paused   time.Time                    // since when the limited queue is, and everybody knows; zero: it is not
	handed   map[*process]map[string]int  // by sweeps: hints and how often
	edits    map[*process]int             // rows that people changed
	puts     map[*process]map[string]bool // rows that enqueue put
	unstable bool                         // clocks lie too far apart for all of the promise
	open     map[string]*open             // circuits, by origin
	opened   map[string]time.Time         // when one last was, by origin
	closed   map[string]time.Time         // and was closed
}

// task is what is known of one.
type task struct {
	id     string
	row    table.Row // as it is, nil for none
	acked  bool      // its producer was told that it is stored
	fresh  int64     // the generation that it was put with
	order  int       // in its group, of those that joined it
	calls  []*call
	claims map[string]*claim // by lease
	lapses int               // in a row
	called map[int64]int     // calls of each run
	ended  map[int64]dispatch.State
	tells  map[string]bool // callbacks that were promised
}

// claim is one lease.
type claim struct {
	by     *process
	before table.Row
	calls  []*call
	died   bool      // its holder
	tried  time.Time // when its holder last tried to settle it
	taken  time.Time
	knew   time.Time // when its holder had last read the circuits
}

// call is what a sender did, and the receiver answered.
type call struct {
	task   *task
	by     *process
	lease  string
	target string
	answer answer
	over   bool
	ended  time.Time

	began  time.Time
	origin string
	tries  time.Time // the circuit, by when it opened, of a call that tries its receiver; zero: of none
	opens  bool      // whether the circuit must open by its failure
}

func newChecker(w *world) *checker {
	return &checker{
		world: w, tasks: map[string]*task{}, wanted: map[string]spec{}, contents: map[string]map[string]bool{}, handed: map[*process]map[string]int{},
		open: map[string]*open{}, opened: map[string]time.Time{}, closed: map[string]time.Time{}, edits: map[*process]int{}, puts: map[*process]map[string]bool{}, unstable: w.faults.skew > agree,
	}
}

// broken notes the first violation.
func (c *checker) broken(format string, args ...any) {
	if note := c.world.defect.note; note != nil {
		note(fmt.Sprintf(format, args...))
		return
	}
	if c.violation == "" {
		c.violation = fmt.Sprintf(format, args...)
		c.world.tell("VIOLATION: %s", c.violation)
	}
}

func (c *checker) task(id string) *task {
	t, ok := c.tasks[id]
	if !ok {
		t = &task{id: id, claims: map[string]*claim{}, called: map[int64]int{}, ended: map[int64]dispatch.State{}, tells: map[string]bool{}}
		c.tasks[id] = t
	}
	return t
}

func state(r table.Row) dispatch.State { return dispatch.State(text(r, "state")) }

func final(r table.Row) bool { return state(r).Final() }

func progress(r table.Row) []dispatch.Progress {
	b, _ := r["progress"].(*types.AttributeValueMemberB)
	if b == nil {
		return nil
	}
	p, err := dispatch.DecodeProgress(b.Value)
	if err != nil {
		return nil
	}
	return p
}

func document(r table.Row) dispatch.Doc {
	b, _ := r["doc"].(*types.AttributeValueMemberB)
	if b == nil {
		return dispatch.Doc{}
	}
	doc := b.Value
	if r["packed"] != nil {
		doc, _ = io.ReadAll(flate.NewReader(bytes.NewReader(doc))) // what is wrong with it is in no way what was asked for
	}
	d, err := dispatch.DecodeDoc(doc)
	if err != nil {
		return dispatch.Doc{}
	}
	return d
}

// wants notes what a producer asks for.
func (c *checker) wants(specs []spec) {
	for _, s := range specs {
		c.wanted[s.ID] = s
		if c.contents[s.ID] == nil {
			c.contents[s.ID] = map[string]bool{}
		}
		c.contents[s.ID][s.Body["content"].(string)] = true
	}
}

// answered notes what enqueue told its caller.
func (c *checker) answered(p *process, specs []spec, receipts dispatch.Receipts) {
	for i, r := range receipts.Tasks {
		if r.Error != nil || i >= len(specs) {
			continue
		}
		t := c.task(r.ID)
		t.acked = true
		if t.row == nil && len(t.ended) == 0 {
			c.broken("%s was acknowledged, and is not there", r.ID)
		}
		if r.Existing && c.puts[p][r.ID] && number(t.row, "generation") == t.fresh { // nobody wrote to it since

			c.broken("%s put %s itself, and took it for existing", p.name, r.ID)
		}
	}
}

// edited notes what a person was told of an edit.
func (c *checker) edited(p *process, kind editing, id string, err error) {
	n := c.edits[p]
	delete(c.edits, p)
	switch {
	case err == nil && kind != clearing && n != 1:
		c.broken("%s was said to be done, and wrote %d times", p.name, n)
	case refusedEdit(err) && n != 0:
		c.broken("%s was refused, and wrote %d times: %v", p.name, n, err)
	}
}

// handedOver notes what a sweep invokes handle for.
func (c *checker) handedOver(p *process, hints []dispatch.Hint) {
	c.figures.Hints += len(hints)
	if c.handed[p] == nil {
		c.handed[p] = map[string]int{}
	}
	for _, h := range hints {
		name := fmt.Sprintf("%s due %d", h.ID, dispatch.Millis(h.DueAt))
		c.handed[p][name]++
		if n := c.handed[p][name]; n > 1 && h.Queue != limited && (h.Tenant != red || c.world.plan.red == dispatch.TenantQueue{}) {
			c.broken("%s handed %s over %d times", p.name, h.ID, n)
		}
	}
}

// died notes that a process was killed.
func (c *checker) died(p *process) {
	c.figures.Kills++
	for _, t := range c.tasks {
		for _, one := range t.calls {
			if one.by == p {
				one.over = true
			}
		}
		for _, l := range t.claims {
			if l.by == p {
				l.died = true
			}
		}
	}
}

// held are the tasks that wait for a person.
func (c *checker) held() (ids []string) {
	for _, id := range slices.Sorted(maps.Keys(c.tasks)) {
		if state(c.tasks[id].row) == dispatch.Held {
			ids = append(ids, id)
		}
	}
	return ids
}

func (c *checker) allEnded() bool {
	for _, t := range c.tasks {
		if t.row != nil && !final(t.row) {
			return false
		}
	}
	return true
}

// atEnd judges what is left once nothing more happens.
func (c *checker) atEnd() {
	if c.violation != "" {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(c.tasks)) {
		t := c.tasks[id]
		c.figures.Tasks++
		switch {
		case t.row == nil && t.acked && len(t.ended) == 0:
			c.broken("%s was acknowledged, and is lost", id)
		case t.row == nil:
		case !final(t.row):
			c.broken("%s has not ended: it is %s, due %s", id, brief(t.row), time.UnixMilli(number(t.row, "dueAt")).UTC().Format(time.TimeOnly))
		}
		for callback := range t.tells {
			if c.tasks[callback] == nil {
				c.broken("%s promised to tell of its end, and has not", id)
			}
		}
	}
	for _, r := range c.world.table.Rows() {
		if strings.HasPrefix(text(r, "id"), "/group/") {
			c.broken("the row %s is left, with the tail %s", text(r, "id"), text(r, "tail"))
		}
	}
}

// afterRetention judges what is left once all is forgotten: the settings, what is used of limits, and nothing else.
func (c *checker) afterRetention() {
	if c.violation != "" {
		return
	}
	for _, r := range c.world.table.Rows() {
		if id := text(r, "id"); !strings.HasPrefix(id, "/doc/") {
			c.broken("the row of %s stays: %s", id, brief(r))
		}
	}
}
