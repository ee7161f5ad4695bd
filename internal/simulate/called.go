package simulate

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// begins judges a call that is about to be made.
func (c *checker) begins(p *process, made dispatch.Call, kind answer) *call {
	c.figures.Calls++
	t := c.task(made.Task.ID)
	one := &call{task: t, by: p, lease: made.Task.Lease, target: made.Target, answer: kind, began: time.Now(), origin: originOf(made.Task.Tenant, made.Doc.URI)}
	now := dispatch.Millis(p.now())
	switch {
	case t.row == nil:
		c.broken("%s is called, and is not there", t.id)
	case now < number(t.row, "dueAt") && text(t.row, "lease") == one.lease:
		c.broken("%s is called %d ms before its time", t.id, number(t.row, "dueAt")-now)
	case number(t.row, "expireAt") != 0 && now >= number(t.row, "expireAt") && text(t.row, "lease") == one.lease:
		c.broken("%s is called %d ms after its expiry", t.id, now-number(t.row, "expireAt"))
	case number(t.row, "flag") != 0:
		c.broken("%s is called after it was cancelled", t.id)
	case c.unstable:
	case final(t.row):
		c.broken("%s is called after it ended as %s", t.id, state(t.row))
	case text(t.row, "lease") != one.lease:
		c.broken("%s is called by %s, who does not hold it: %s", t.id, p.name, brief(t.row))
	}
	for _, other := range t.calls {
		if !other.over && other.by != p && !c.unstable {
			c.broken("%s is called by %s and %s at once", t.id, other.by.name, p.name)
		}
	}
	if is := text(t.row, "tenant"); is != made.Task.Tenant {
		c.broken("%s is called on behalf of %q, and it is %q's", t.id, made.Task.Tenant, is)
	}
	c.limits(t)
	c.heldBack(p, one, made)
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

// limits says that a call keeps to the settings of the limited queue and tenant, where nothing is late and clocks agree.
func (c *checker) limits(t *task) {
	f := c.world.faults
	if f.stalled+f.slow+f.lost+f.failed+f.throttled+f.conflict > 0 || f.skew > time.Second {
		return
	}
	if c.queueOf(t) == limited && !c.paused.IsZero() && time.Since(c.paused) > pauseTime {
		c.broken("%s is called %v after its queue was paused", t.id, time.Since(c.paused))
	}
	c.inFlight(t, "queue", limited, c.world.plan.limited.InFlight)
	c.inFlight(t, "tenant", red, c.world.plan.red.InFlight)
}

// inFlight says that no more calls are under way of those that have this name than are allowed, 0 for any number.
func (c *checker) inFlight(t *task, whose, name string, most int) {
	if most == 0 || text(t.row, whose) != name {
		return
	}
	busy := map[*task]bool{t: true}
	for _, other := range c.tasks {
		for _, one := range other.calls {
			if !one.over && text(other.row, whose) == name {
				busy[other] = true
			}
		}
	}
	if len(busy) > most {
		c.broken("%d calls of the %s %s are under way, the limit is %d", len(busy), whose, name, most)
	}
}

func (c *checker) queueOf(t *task) string { return text(t.row, "queue") }

func (c *checker) ends(one *call) {
	one.over, one.ended = true, time.Now()
	c.counts(one)
}

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
