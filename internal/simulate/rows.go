package simulate

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"example.com/dispatch/internal/simulate/table"
	"example.com/dispatch/pkg/dispatch"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

func refusedEdit(err error) bool {
	no := (*dispatch.StateError)(nil)
	return errors.As(err, &no) || errors.Is(err, dispatch.ErrLeased)
}

// change judges one row's change; p is who asked for it, nil for DynamoDB itself.
func (c *checker) change(p *process, ch table.Change) {
	if ch.ID == "/doc/"+dispatch.CircuitsName {
		c.circuits(p, circuitsIn(ch.After))
	}
	if strings.HasPrefix(ch.ID, "/") {
		return
	}
	t := c.task(ch.ID)
	before, after := ch.Before, ch.After
	t.row, c.changed = after, time.Now()
	c.placed(t)
	c.tenanted(t)
	switch {
	case after == nil:
		c.deleted(t, p, before)
	case before == nil || p != nil && final(before) && number(before, "ttl") != 0 && number(before, "ttl") <= p.now().Unix():
		c.put(t, p)
	case text(after, "lease") != "" && text(after, "lease") != text(before, "lease"):
		c.claimed(t, p, before)
	case number(after, "generation") != number(before, "generation"):
		c.changedByHand(t, p, before)
	case text(before, "lease") != "" && text(after, "lease") == "":
		c.settled(t, before)
	default: // a record, one who joins behind it, or its turn
		if final(after) || final(before) {
			c.broken("%s was %s, and became %s by nobody's hand", t.id, brief(before), brief(after))
		}
	}
}

// placed says that a row is in its index, and only then.
func (c *checker) placed(t *task) {
	if c.world.local != nil || t.row == nil {
		return
	}
	lane, s := text(t.row, "lane"), state(t.row)
	switch {
	case s == dispatch.Scheduled && (lane == "" || t.row["dueAt"] == nil):
		c.broken("%s is scheduled, and in no lane", t.id)
	case (s == dispatch.Blocked || s == dispatch.Held) && lane != "":
		c.broken("%s is %s, and in the lane %s", t.id, s, lane)
	}
}

func (c *checker) deleted(t *task, p *process, before table.Row) {
	if !final(before) {
		c.broken("%s was deleted while it was %s", t.id, state(before))
	}
	if p == nil && number(before, "ttl") > time.Now().Unix() {
		c.broken("%s was deleted before its time", t.id)
	}
}

func (c *checker) put(t *task, p *process) {
	*t = task{id: t.id, row: t.row, acked: t.acked, fresh: number(t.row, "generation"), claims: map[string]*claim{}, called: map[int64]int{}, ended: map[int64]dispatch.State{}, tells: map[string]bool{}}
	c.joins(t)
	c.told(t)
	if p != nil {
		if c.puts[p] == nil {
			c.puts[p] = map[string]bool{}
		}
		c.puts[p][t.id] = true
	}
	if lease := text(t.row, "lease"); lease != "" { // claimed in the same commit
		unclaimed := maps.Clone(t.row)
		delete(unclaimed, "lease")
		c.claimed(t, p, unclaimed)
	}
}

// told judges a callback's row: it tells of an end that there was.
func (c *checker) told(t *task) {
	id, _, yes := strings.Cut(t.id, "/")
	if !yes {
		return
	}
	var report struct {
		ID    string         `json:"id"`
		Run   int64          `json:"run"`
		State dispatch.State `json:"state"`
	}
	if err := json.Unmarshal(document(t.row).Body, &report); err != nil {
		c.broken("the callback %s says nothing: %v", t.id, err)
		return
	}
	of := c.tasks[id]
	if of == nil || report.ID != id || of.ended[report.Run] != report.State && !(state(of.row) == dispatch.Held && report.State.Failed()) {
		c.broken("the callback %s tells of run %d as %s, which it was not", t.id, report.Run, report.State)
	} else if !of.tells[t.id] {
		c.broken("the callback %s was not asked for", t.id)
	}
}

func (c *checker) joins(t *task) {
	c.order++
	t.order = c.order
}

// claimed judges a lease that was taken.
func (c *checker) claimed(t *task, p *process, before table.Row) {
	if state(before) != dispatch.Scheduled {
		c.broken("%s was claimed while it was %s", t.id, state(before))
	}
	if early := number(before, "dueAt") - dispatch.Millis(p.now().Add(dispatch.ClaimAhead)); early > 0 {
		c.broken("%s was claimed %d ms too early", t.id, early)
	}
	if text(before, "lease") != "" {
		t.lapses++
		c.figures.Lapses++
		c.lapsed(t, before)
	}
	if n := number(t.row, "lapses"); n != int64(t.lapses) {
		c.broken("%s had %d lapses in a row, and its row says %d", t.id, t.lapses, n)
	}
	t.claims[text(t.row, "lease")] = &claim{by: p, before: before, died: !c.world.running[p], taken: time.Now(), knew: p.home().seen.at}
	for _, one := range t.calls {
		if !one.over && one.by != p && !c.unstable {
			c.broken("%s was claimed by %s while %s called", t.id, p.name, one.by.name)
		}
	}
}

// lapsed judges a lease that ended unsettled, where clocks agree: its holder must have died, or stood still, or tried to
// settle it to the end. Where the store never fails it must have died.
func (c *checker) lapsed(t *task, before table.Row) {
	l, f := t.claims[text(before, "lease")], c.world.faults
	switch {
	case l == nil || l.died || c.unstable || f.stalled > 0:
	case f.throttled+f.failed+f.lost+f.conflict+f.slow == 0:
		c.broken("%s lapsed, though %s, who held it, lived", t.id, l.by.name)
	case len(l.calls) > 0 && l.calls[len(l.calls)-1].over:
		until := time.UnixMilli(number(before, "until")).Add(-l.by.place.skew)
		if until.Sub(l.tried) > patience && until.Sub(l.calls[len(l.calls)-1].ended) > patience {
			c.broken("%s lapsed, and %s, who held it, gave up settling", t.id, l.by.name)
		}
	}
}

// patience is more than the longest time between two tries at a settle: one that gets no answer, and the pauses.
const patience = 15 * time.Second

// settling notes a try at a settle.
func (c *checker) settling(p *process, in any) {
	var values table.Row
	switch in := in.(type) {
	case *dynamodb.UpdateItemInput:
		values = in.ExpressionAttributeValues
	case *dynamodb.TransactWriteItemsInput:
		if u := in.TransactItems[0].Update; u != nil {
			values = u.ExpressionAttributeValues
		}
	}
	if lease := text(values, ":was_lease"); lease != "" {
		c.tries(lease)
	}
}

func (c *checker) tries(lease string) {
	for _, t := range c.tasks {
		if l := t.claims[lease]; l != nil {
			l.tried = time.Now()
		}
	}
}

// changedByHand judges an edit.
func (c *checker) changedByHand(t *task, p *process, before table.Row) {
	c.edits[p]++
	if is, was := content(document(t.row).Body), content(document(before).Body); is != was && !strings.HasPrefix(p.name, "enqueue") {
		c.broken("%s says %q and said %q, by %s", t.id, is, was, p.name)
	}
	again := number(t.row, "run") != number(before, "run")
	if final(before) && !again {
		c.broken("%s was %s, and became %s in the same run", t.id, brief(before), brief(t.row))
	}
	if final(before) && !final(t.row) {
		c.joins(t)
	}
	for _, one := range t.calls {
		if !one.over && !c.unstable {
			c.broken("%s was changed by %s while %s called", t.id, p.name, one.by.name)
		}
	}
	t.lapses = int(number(t.row, "lapses"))
	if final(t.row) {
		c.end(t)
	}
}

// end judges a final state.
func (c *checker) end(t *task) {
	run, s := number(t.row, "run"), state(t.row)
	if was, twice := t.ended[run]; twice {
		c.broken("%s ended as %s, and as %s in the same run", t.id, was, s)
	}
	t.ended[run] = s
	if s != dispatch.Delivered && text(t.row, "reason") == "" {
		c.broken("%s ended as %s without a reason", t.id, s)
	}
	if s.Failed() != strings.Contains(text(t.row, "lane"), "!failed#") {
		c.broken("%s ended as %s, and is in the lane %q", t.id, s, text(t.row, "lane"))
	}
	if (s == dispatch.Delivered || s == dispatch.Exhausted) && t.called[run] == 0 {
		c.broken("%s ended as %s, and was never called", t.id, s)
	}
	if s == dispatch.Stopped && t.called[run] == 0 {
		c.broken("%s was stopped, and was never called: %s", t.id, text(t.row, "reason"))
	}
	if t.row["identifier"] != nil {
		c.broken("%s ended, and keeps its identifier", t.id)
	}
	if number(t.row, "ttl") == 0 {
		c.broken("%s ended, and its row stays for ever", t.id)
	}
	doc := document(t.row)
	if s == dispatch.Delivered && doc.OnSuccess != nil {
		t.promise("success")
	}
	if s.Failed() && doc.OnFailure != nil {
		t.promise("failure")
	}
}

// promise notes a callback that the task's end must have put.
func (t *task) promise(kind string) {
	t.tells[fmt.Sprintf("%s/%d/%s", t.id, number(t.row, "generation"), kind)] = true
}
