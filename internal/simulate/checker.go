package simulate

import (
	"encoding/json"
	"fmt"
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
}

func newChecker(w *world) *checker {
	return &checker{
		world: w, tasks: map[string]*task{}, wanted: map[string]spec{}, contents: map[string]map[string]bool{}, handed: map[*process]map[string]int{},
		edits: map[*process]int{}, puts: map[*process]map[string]bool{}, unstable: w.faults.skew > agree,
	}
}

// broken notes the first violation.
func (c *checker) broken(format string, args ...any) {
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
	d, err := dispatch.DecodeDoc(b.Value)
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
		if n := c.handed[p][name]; n > 1 && h.Queue != limited {
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

// begins judges a call that is about to be made.
func (c *checker) begins(p *process, made dispatch.Call, kind answer) *call {
	c.figures.Calls++
	t := c.task(made.Task.ID)
	one := &call{task: t, by: p, lease: made.Task.Lease, target: made.Target, answer: kind}
	now := dispatch.Millis(p.now())
	switch {
	case t.row == nil:
		c.broken("%s is called, and is not there", t.id)
	case now < number(t.row, "dueAt") && text(t.row, "lease") == one.lease:
		c.broken("%s is called %d ms before its time", t.id, number(t.row, "dueAt")-now)
	case number(t.row, "expireAt") != 0 && now >= number(t.row, "expireAt") && text(t.row, "lease") == one.lease:
		c.broken("%s is called %d ms after its expiry", t.id, now-number(t.row, "expireAt"))
	case c.unstable:
	case final(t.row):
		c.broken("%s is called after it ended as %s", t.id, state(t.row))
	case text(t.row, "lease") != one.lease:
		c.broken("%s is called by %s, who does not hold it: %s", t.id, p.name, brief(t.row))
	case number(t.row, "flag") != 0:
		c.broken("%s is called after it was cancelled", t.id)
	}
	for _, other := range t.calls {
		if !other.over && other.by != p && !c.unstable {
			c.broken("%s is called by %s and %s at once", t.id, other.by.name, p.name)
		}
	}
	c.limits(t)
	c.turn(t)
	if want := c.wanted[t.id]; want.ID != "" && !c.contents[t.id][content(made.Doc.Body)] {
		c.broken("%s is called with what nobody asked for: %s", t.id, made.Doc.Body)
	}
	t.calls = append(t.calls, one)
	t.called[number(t.row, "run")]++
	if l := t.claims[one.lease]; l != nil {
		l.calls = append(l.calls, one)
	} else {
		c.broken("%s is called under a lease that nobody took", t.id)
	}
	return one
}

// content is what the body of a call says.
func content(body []byte) string {
	var b struct {
		Content string `json:"content"`
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return ""
	}
	return b.Content
}

// pauses notes that somebody was told that the limited queue is paused, or goes on.
func (c *checker) pauses(paused bool) {
	c.paused = time.Time{}
	if paused {
		c.paused = time.Now()
	}
}

// pauseTime is when a pause that was acknowledged must be known: the settings' age, and the time between reading them
// and the call.
const pauseTime = handleAge + 10*time.Second

// limits says that a call keeps to the settings of the limited queue, where nothing is late and clocks agree.
func (c *checker) limits(t *task) {
	f := c.world.faults
	if c.queueOf(t) != limited || f.stalled+f.slow+f.lost+f.failed+f.throttled+f.conflict > 0 || f.skew > time.Second {
		return
	}
	if !c.paused.IsZero() && time.Since(c.paused) > pauseTime {
		c.broken("%s is called %v after its queue was paused", t.id, time.Since(c.paused))
	}
	busy := map[*task]bool{t: true}
	for _, other := range c.tasks {
		for _, one := range other.calls {
			if !one.over && c.queueOf(other) == limited {
				busy[other] = true
			}
		}
	}
	if most := c.world.plan.limited.InFlight; most > 0 && len(busy) > most {
		c.broken("%d calls of the limited queue are under way, the limit is %d", len(busy), most)
	}
}

func (c *checker) queueOf(t *task) string { return text(t.row, "queue") }

func (c *checker) ends(one *call) { one.over, one.ended = true, time.Now() }

// turn says that it is a member's turn: all that came before it in its group have ended.
func (c *checker) turn(t *task) {
	group := text(t.row, "group")
	if group == "" {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(c.tasks)) {
		other := c.tasks[id]
		if other != t && other.row != nil && text(other.row, "group") == group && other.order < t.order && !final(other.row) {
			c.broken("%s is called before %s of its group has ended, which is %s", t.id, id, state(other.row))
		}
	}
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
