// Package simulate runs the verbs, and the store in DynamoDB, in a world whose every event is drawn from a seed: functions
// that are killed between any two of their effects, writes whose answers are lost and that land late, indexes that lag,
// clocks that disagree, invokes and ticks that come twice, late, or not at all, receivers that hang. The code is the real
// one; only the clock, the table behind the SDK's client, the invokes and the receivers are models. What the receivers
// and the callers saw, and every row's history, are checked against the promise.
//
// A run happens in a bubble of testing/synctest, and one thing at a time. The same seed is the same run, to the last
// letter of its story.
package simulate

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"example.com/dispatch/internal/simulate/table"
	"example.com/dispatch/pkg/dispatch"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// world is one run.
type world struct {
	seed     uint64
	faults   faults
	defect   defect
	plan     plan
	schedule *schedule
	table    *table.Table
	local    *local // instead of the table
	checker  *checker
	story    io.Writer // nil: nobody listens
	log      *slog.Logger

	begin     time.Time
	processes sync.WaitGroup
	running   map[*process]bool
	instances map[string][]*instance
	started   map[string]int // how often each thing was done so far: what it is named by, and its dice
	calm      bool           // the faults are over
	silent    bool           // there are no ticks
	todo      int            // acts that have not begun, and producers that have no answer
	followed  map[string]time.Time
}

// options are how a run is told: all of it, or a part that fails as well.
type options struct {
	defect  defect
	without map[string]bool // faults
	leave   map[int]bool    // of the plan's acts, by their index, and -1: that all is asked for again; nil: all
	story   io.Writer
	file    string // of the store in SQLite, which is new; "" for DynamoDB
}

// result is what a run found.
type result struct {
	violation string // of the promise, the first; "" for none
	acts      int
	figures   figures
}

// figures count what happened in runs.
type figures struct {
	Tasks, Calls, Hints, Kills, Lapses int

	Opened, Tries, Waits int // circuits, calls that tried their receivers, and tasks put back

	Parts int // of ticks, that were invoked
}

func (f *figures) add(g figures) {
	f.Tasks += g.Tasks
	f.Calls += g.Calls
	f.Hints += g.Hints
	f.Kills += g.Kills
	f.Lapses += g.Lapses
	f.Opened += g.Opened
	f.Tries += g.Tries
	f.Waits += g.Waits
	f.Parts += g.Parts
}

// run is the whole run of a seed. It must be called in a bubble.
func run(seed uint64, o options) result {
	d := newDice(seed, "world")
	w := &world{
		seed: seed, faults: drawFaults(d), defect: o.defect, schedule: newSchedule(), table: &table.Table{}, story: o.story,
		running: map[*process]bool{}, instances: map[string][]*instance{}, started: map[string]int{}, followed: map[string]time.Time{},
		log: slog.New(slog.DiscardHandler),
	}
	w.faults.blind = w.faults != (faults{}) && newDice(seed, "blind").chance(0.1)
	for name, none := range w.faults.kinds() {
		if o.without[name] {
			none()
		}
	}
	time.Sleep(d.between(0, time.Hour))
	w.begin = time.Now()
	w.plan = drawPlan(seed)
	if w.faults.smallest {
		w.table.Page = 3
	}
	w.table.Propagate = w.propagate
	if o.file != "" {
		w.faults.skew = 0 // one machine has one clock
		w.plan.parts = 0  // and one sweep
	}
	w.checker = newChecker(w)
	if o.file != "" {
		if err := w.openLocal(o.file); err != nil {
			return result{violation: err.Error()}
		}
		defer func() { w.local.store.Close() }()
	}
	w.tell("faults: %s", w.faults)
	w.live(o.leave)
	return result{violation: w.checker.violation, acts: len(w.plan.acts), figures: w.checker.figures}
}

// live is all that happens: the acts of the plan, under faults; then peace, until every task has ended; then the end of
// the retention.
func (w *world) live(leave map[int]bool) {
	w.settle()
	for i, a := range w.plan.acts {
		if leave == nil || leave[i] {
			w.todo++
			w.schedule.in(a.at, "act "+strconv.Itoa(i), func() { w.todo--; a.begin(w) })
		}
	}
	w.tick(0)
	w.schedule.in(w.plan.peace, "peace", func() {
		w.calm = true
		w.tell("the faults are over")
		w.reconcile()
	})
	w.await("the end", w.plan.peace+settling, func() bool { return w.calm && w.quiet() })
	w.checker.atEnd()
	if again := w.plan.again; again > 0 && (leave == nil || leave[-1]) {
		w.forget(again)
		w.silent = false
		w.tick(1000)
		w.reconcile()
		w.produce(w.plan.first, 1)
		w.await("the second end", settling, w.quiet)
		w.checker.atEnd()
	}
	w.forget(dispatch.MinRetention + 2*time.Hour)
	w.checker.afterRetention()
	for _, p := range w.everybody() {
		p.kill()
	}
	for _, all := range w.instances {
		for _, i := range all {
			if !i.over() {
				close(i.dead)
			}
		}
	}
	over := make(chan struct{})
	go func() { w.processes.Wait(); close(over) }()
	<-over
	time.Sleep(time.Minute) // what still pauses before another try of its own finds itself dead
}

// everybody is all processes, in the order of their names.
func (w *world) everybody() []*process {
	return slices.SortedFunc(maps.Keys(w.running), func(a, b *process) int { return strings.Compare(a.name, b.name) })
}

// await has everything happen until it is over, for so long at most.
func (w *world) await(name string, most time.Duration, over func() bool) {
	stop := w.checker.violation != ""
	w.schedule.in(most, name, func() { stop = true })
	w.schedule.run(func() bool { return stop || w.checker.violation != "" || over() })
}

// forget lets time pass without ticks, in which rows come to the end of their retention.
func (w *world) forget(time time.Duration) {
	w.silent = true
	w.await("the silence ends", time, func() bool { return false })
}

const (
	// settling is how long after the faults everything may take to end.
	settling = 3 * time.Hour
	// stuck is how long nothing has changed where nothing will: more than any interval between two attempts.
	stuck = 30 * time.Minute
)

// quiet reports whether no more is to be expected: nothing is due, and nobody is at work but the ticks.
func (w *world) quiet() bool {
	return w.todo == 0 && len(w.running) == 0 && (w.checker.allEnded() || time.Since(w.checker.changed) > stuck)
}

// tell adds a line to the story.
func (w *world) tell(format string, args ...any) {
	if w.story != nil {
		fmt.Fprintf(w.story, "%10.3f  %s\n", time.Since(w.begin).Seconds(), fmt.Sprintf(format, args...))
	}
}

// propagate brings an index up to date, at once or late, the changes of one row in their order.
func (w *world) propagate(id string, update func()) {
	w.started["follow "+id]++
	d := newDice(w.seed, "index", id, strconv.Itoa(w.started["follow "+id]))
	at := time.Now().Add(d.between(0, 5*time.Millisecond))
	if !w.calm && d.chance(w.faults.lagging) {
		at = at.Add(d.between(0, w.faults.lag))
	}
	if last := w.followed[id]; at.Before(last) {
		at = last
	}
	w.followed[id] = at
	w.schedule.at(at, fmt.Sprintf("index %s %06d", id, w.started["follow "+id]), update)
}

// expire has the time to live delete a row at its second, or up to an hour later.
func (w *world) expire(c table.Change) {
	ttl := number(c.After, "ttl")
	if ttl == 0 || ttl == number(c.Before, "ttl") {
		return
	}
	d := newDice(w.seed, "ttl", c.ID, strconv.FormatInt(ttl, 10))
	at := time.Unix(ttl, 0)
	if d.chance(0.7) {
		at = at.Add(d.between(0, time.Hour))
	}
	w.schedule.at(at, "ttl of "+c.ID, func() {
		w.changed(nil, w.table.Remove(c.ID, func(r table.Row) bool { return number(r, "ttl") == ttl }))
	})
}

func numbers(i int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(i, 10)}
}

func texts(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func text(r table.Row, name string) string {
	if v, ok := r[name].(*types.AttributeValueMemberS); ok {
		return v.Value
	}
	return ""
}

func number(r table.Row, name string) int64 {
	if v, ok := r[name].(*types.AttributeValueMemberN); ok {
		n, _ := strconv.ParseInt(v.Value, 10, 64)
		return n
	}
	return 0
}
