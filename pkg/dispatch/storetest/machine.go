package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"pgregory.net/rapid"
)

// testMachine does the same random calls to the store and to a Memory, repeats some of them as somebody does
// whose answer was lost, lets time pass, compares every answer and all that is kept, and looks at what must hold of
// groups whatever the Memory says.
func testMachine(t *testing.T, store dispatch.Store) {
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		m := &machine{T: rt, ctx: fixture{T: t, ctx: t.Context()}, store: store, model: new(Memory), at: now, early: run <= 10}
		m.queue = fmt.Sprintf("machine%d", run)
		for i := range 6 {
			m.ids = append(m.ids, fmt.Sprintf("%s.%d", m.queue, i))
		}
		m.groups = map[string][]string{m.queue + ".g": nil, m.queue + ".h": nil}
		rt.Repeat(map[string]func(*rapid.T){
			"put": m.put, "claim": m.claim, "settle": m.settle, "edit": m.edit, "delete": m.delete,
			"save": m.save, "repeat": m.repeat, "time passes": m.pass, "": m.compare,
		})
		m.steps = -1 // whatever the number of steps was, all is looked at in the end
		m.compare(rt)
	})
}

type machine struct {
	*rapid.T
	ctx     fixture
	store   dispatch.Store
	model   *Memory
	queue   string
	early   bool // one of the first runs: what others have left in the store is little
	steps   int
	ids     []string
	at      time.Time
	tokens  int
	version int64

	groups    map[string][]string // the chain of each group, as it was last seen
	callbacks []string            // ids of all that a settle has put, or would have

	held  []dispatch.Task // every claim that was granted, lost or not
	calls []func() string // every write so far; returns what differs
}

// do makes a call, and keeps it to be repeated with the same arguments.
func (m *machine) do(rt *rapid.T, what string, call func(dispatch.Store) []dispatch.Result) []dispatch.Result {
	var got []dispatch.Result
	both := func() string {
		got = call(m.store)
		return differences(got, call(m.model))
	}
	m.calls = append(m.calls, both)
	if d := both(); d != "" {
		rt.Fatalf("%s: %s", what, d)
	}
	return got
}

func differences(got, want []dispatch.Result) string {
	if len(got) != len(want) {
		return fmt.Sprintf("%d results, want %d", len(got), len(want))
	}
	for i, g := range got {
		w := want[i]
		if !sameError(g.Err, w.Err) || g.Existing != w.Existing {
			return fmt.Sprintf("result %d: existing %v, %v; want %v, %v", i, g.Existing, g.Err, w.Existing, w.Err)
		}
		if d := difference(g.Task, w.Task); d != "" && (w.Err == nil || errors.Is(w.Err, dispatch.ErrRefused)) {
			return fmt.Sprintf("result %d: %s", i, d)
		}
	}
	return ""
}

func sameError(got, want error) bool {
	for _, e := range []error{dispatch.ErrNotFound, dispatch.ErrRefused, dispatch.ErrLeaseLost, dispatch.ErrLeased, dispatch.ErrConflict, dispatch.ErrTooLarge} {
		if errors.Is(got, e) != errors.Is(want, e) {
			return false
		}
	}
	return (got == nil) == (want == nil)
}

func (m *machine) some(rt *rapid.T) []string {
	ids := rapid.Permutation(m.ids).Draw(rt, "ids")
	return ids[:rapid.IntRange(1, len(ids)).Draw(rt, "n")]
}

// soon is an instant about now.
func (m *machine) soon(rt *rapid.T) time.Time {
	return m.at.Add(rapid.SampledFrom([]time.Duration{-time.Hour, -ms, 0, 2 * time.Second, 2*time.Second + ms, time.Minute}).Draw(rt, "due"))
}

func (m *machine) put(rt *rapid.T) {
	at := m.at
	var tasks []dispatch.Task
	for _, id := range m.some(rt) {
		t := newTask(m.queue, id)
		t.DueAt, t.Generation = m.soon(rt), dispatch.Millis(at)
		t.TTL = at.Add(rapid.SampledFrom([]time.Duration{time.Minute, 24 * time.Hour}).Draw(rt, "ttl")).Truncate(time.Second)
		t.Timeout = rapid.SampledFrom([]time.Duration{time.Second, time.Minute}).Draw(rt, "timeout")
		t.Version = rapid.SampledFrom([]int{1, 1, 1, 2}).Draw(rt, "version")
		t.Identifier = rapid.SampledFrom([]string{"", "", m.queue + ".x", m.queue + ".y"}).Draw(rt, "identifier")
		if g := rapid.SampledFrom([]string{"", ".g", ".g", ".h"}).Draw(rt, "group"); g != "" {
			t.Group, t.TTL = m.queue+g, time.Time{} // a member that is live stays, however late it is
		}
		tasks = append(tasks, t)
	}
	// Only an existing row's task is compared: what a new one's result carries is the store's own affair. So is whether
	// it was read before the same call put another behind it: groups are put side by side.
	m.do(rt, "put", func(s dispatch.Store) []dispatch.Result {
		r := s.Put(m.ctx.ctx, at, tasks)
		for i := range r {
			r[i].Task.Next = ""
			if !r[i].Existing {
				r[i].Task = dispatch.Task{}
			}
		}
		return r
	})
}

func (m *machine) claim(rt *rapid.T) {
	m.tokens++
	l := dispatch.Lease{Token: fmt.Sprintf("token%d", m.tokens), At: m.at,
		Left: rapid.SampledFrom([]time.Duration{time.Second, time.Hour}).Draw(rt, "left")}
	ids := m.some(rt)
	for _, r := range m.do(rt, "claim", func(s dispatch.Store) []dispatch.Result { return s.Claim(m.ctx.ctx, ids, l) }) {
		if r.Err == nil {
			m.held = append(m.held, r.Task)
		}
	}
}

func (m *machine) settle(rt *rapid.T) {
	if len(m.held) == 0 {
		rt.Skip("nothing was claimed")
	}
	t := rapid.SampledFrom(m.held[max(0, len(m.held)-6):]).Draw(rt, "held")
	switch rapid.IntRange(0, 4).Draw(rt, "outcome") {
	case 0:
		t = retried(t, m.soon(rt))
	case 1, 2:
		t = delivered(t, m.at)
		t.Identifier = ""
	case 3:
		t = failed(t, m.at)
		t.Identifier = ""
	default:
		if t.Group == "" {
			rt.Skip("only a head of a group is held")
		}
		t.State, t.Reason = dispatch.Held, "the last attempt failed"
	}
	var callbacks []dispatch.Task
	for _, name := range rapid.SampledFrom([][]string{nil, nil, {"success"}, {"notice", "success"}}).Draw(rt, "callbacks") {
		c := newTask(m.queue, fmt.Sprintf("%s/%d/%s", t.ID, t.Generation, name))
		c.DueAt = m.at
		callbacks, m.callbacks = append(callbacks, c), append(m.callbacks, c.ID)
	}
	m.do(rt, "settle", func(s dispatch.Store) []dispatch.Result {
		next, err := s.Settle(m.ctx.ctx, t, callbacks...)
		return []dispatch.Result{{Task: hinted(next), Err: err}}
	})
}

// hinted keeps a hint in a result.
func hinted(h dispatch.Hint) dispatch.Task {
	return dispatch.Task{ID: h.ID, Queue: h.Queue, DueAt: h.DueAt}
}

func (m *machine) edit(rt *rapid.T) {
	id, at, due := rapid.SampledFrom(m.ids).Draw(rt, "id"), m.at, m.soon(rt)
	cancel, label := rapid.Bool().Draw(rt, "cancel"), rapid.SampledFrom([]string{"", m.queue + ".x"}).Draw(rt, "identifier")
	m.do(rt, "edit", func(s dispatch.Store) []dispatch.Result {
		t, next, err := s.Edit(m.ctx.ctx, id, func(t *dispatch.Task) error {
			switch {
			case t.Leased(at):
				return dispatch.ErrLeased
			case t.State == dispatch.Blocked:
				t.DueAt, t.Flag = due, cancel
			case cancel && !t.State.Final():
				*t = delivered(*t, at)
				t.State, t.Identifier = dispatch.Cancelled, ""
			case t.State.Final() || t.State == dispatch.Held:
				t.State, t.Lane, t.DueAt, t.Run, t.Lapses = dispatch.Scheduled, dispatch.Lane(t.Queue, t.ID, 1), due, t.Run+1, 0
				t.EndedAt, t.Reason, t.Flag, t.Identifier = time.Time{}, "", false, label
				if t.Group != "" {
					t.TTL = time.Time{}
				}
			default:
				t.DueAt, t.Identifier = due, label
			}
			t.Group, t.Prev, t.Next = "another", "another's", "another's"
			return nil
		})
		return []dispatch.Result{{Task: t, Err: err}, {Task: hinted(next)}}
	})
}

func (m *machine) delete(rt *rapid.T) {
	id := rapid.SampledFrom(m.ids).Draw(rt, "id")
	generation := m.model.Get(m.ctx.ctx, []string{id})[0].Task.Generation - int64(rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(rt, "behind"))
	m.do(rt, "delete", func(s dispatch.Store) []dispatch.Result {
		return []dispatch.Result{{Err: s.Delete(m.ctx.ctx, id, generation)}}
	})
}

func (m *machine) save(rt *rapid.T) {
	m.version += int64(rapid.SampledFrom([]int{0, 1, 1, 1, 2}).Draw(rt, "step"))
	d := dispatch.Document{Name: m.queue, Version: max(m.version, 1), Body: []byte(rapid.SampledFrom([]string{"{}", "[]"}).Draw(rt, "body"))}
	m.do(rt, "save", func(s dispatch.Store) []dispatch.Result {
		return []dispatch.Result{{Err: s.Save(m.ctx.ctx, d)}}
	})
	stored, _ := m.model.Load(m.ctx.ctx, m.queue)
	m.version = stored.Version
}

// repeat makes an earlier call again, more often a recent one.
func (m *machine) repeat(rt *rapid.T) {
	if len(m.calls) == 0 {
		rt.Skip("nothing to repeat")
	}
	back := rapid.IntRange(1, len(m.calls)).Draw(rt, "back")
	if d := m.calls[len(m.calls)-back](); d != "" {
		rt.Fatalf("repeat of the call %d back: %s", back, d)
	}
}

func (m *machine) pass(rt *rapid.T) {
	m.at = m.at.Add(rapid.SampledFrom([]time.Duration{ms, time.Second, 31 * time.Second, 90 * time.Second, time.Hour, 9 * 24 * time.Hour}).Draw(rt, "time"))
}

// compare looks at everything kept. It asks the store all at once: one after another, it would wait for most of its time.
func (m *machine) compare(rt *rapid.T) {
	ids := slices.Concat(m.ids, m.callbacks)
	var rows []dispatch.Result
	var wg sync.WaitGroup
	wg.Go(func() { rows = m.store.Get(m.ctx.ctx, ids) })
	m.steps++
	var looks []func(dispatch.Store) string
	if m.early || m.steps%4 == 0 { // what is wrong there stays so for a while
		looks = m.looks()
	}
	got := make([]string, len(looks))
	for i, look := range looks {
		wg.Go(func() { got[i] = look(m.store) })
	}
	wg.Wait()
	if d := differences(rows, m.model.Get(m.ctx.ctx, ids)); d != "" {
		rt.Fatalf("rows: %s", d)
	}
	for group, before := range m.groups {
		m.groups[group] = chainOf(rt, group, rows, before)
	}
	for i, look := range looks {
		if want := look(m.model); got[i] != want {
			rt.Fatalf("%s\nwant %s", got[i], want)
		}
	}
}

// looks are what there is to see of a store besides its rows, in words.
func (m *machine) looks() []func(dispatch.Store) string {
	all := []func(dispatch.Store) string{
		func(s dispatch.Store) string { return m.due(s, m.queue+"#0") },
		func(s dispatch.Store) string { return m.due(s, m.queue+"!failed#0") },
		func(s dispatch.Store) string {
			return m.list(s, dispatch.Filter{Identifiers: []string{m.queue + ".x"}})
		},
		func(s dispatch.Store) string {
			d, err := s.Load(m.ctx.ctx, m.queue)
			return fmt.Sprintf("document %d %s, none: %v, failed: %v", d.Version, d.Body, errors.Is(err, dispatch.ErrNotFound), err != nil)
		},
	}
	if m.early { // it reads what all earlier runs have left
		all = append(all, func(s dispatch.Store) string {
			return m.list(s, dispatch.Filter{Identified: true, Queue: m.queue})
		})
	}
	return all
}

// due lists a lane in one order where several are due at the same instant.
func (m *machine) due(s dispatch.Store, lane string) string {
	var out []string
	for h, err := range s.Due(m.ctx.ctx, lane, m.at) {
		if err != nil {
			return fmt.Sprintf("lane %s: %v", lane, err)
		}
		out = append(out, h.DueAt.Format(time.RFC3339Nano)+" "+h.ID)
	}
	slices.Sort(out)
	return fmt.Sprintf("lane %s: %v", lane, out)
}

func (m *machine) list(s dispatch.Store, f dispatch.Filter) string {
	var ids []string
	for t, err := range s.List(m.ctx.ctx, f) {
		if err != nil {
			return fmt.Sprintf("list %+v: %v", f, err)
		}
		ids = append(ids, t.ID)
	}
	slices.Sort(ids)
	return fmt.Sprintf("list %+v: %v", f, ids)
}
