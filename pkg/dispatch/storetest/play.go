package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// policy is what happens to groups, and what is live in the end.
type policy struct {
	name string
	// steps are separated by semicolons: a verb, maybe with "!" and how it fails, names, and "-> name" where
	// the turn goes to that one. A name is a member of the group g; a@h is one of h, a@ of none.
	steps string
	// want is a chain of live tasks per group, separated by bars, "h:" before those of another group than g;
	// "held:" before a head that is held.
	want string
}

// play does the steps of a policy, each settle and edit with an eye on whose turn it says it is.
func (f fixture) play(p policy) {
	s := stage{fixture: f, members: map[string]dispatch.Task{}, settled: map[string]dispatch.Task{}}
	for i, step := range strings.Split(p.steps, ";") {
		call, next, _ := strings.Cut(step, "->")
		words := strings.Fields(call)
		verb, fails, _ := strings.Cut(words[0], "!")
		got, err := s.step(i, verb, words[1:])
		want := map[string]error{"": nil, "refused": dispatch.ErrRefused, "lost": dispatch.ErrLeaseLost, "conflict": dispatch.ErrConflict}[fails]
		f.wantErr(step, err, want)
		var turn dispatch.Hint
		if next = strings.TrimSpace(next); next != "" {
			turn = s.get(s.task(next).ID).Hint()
			if got.Tenant != turn.Tenant {
				f.Errorf("%s: the turn goes to a task of tenant %q, want %q", step, got.Tenant, turn.Tenant)
			}
		}
		if got.ID != turn.ID || !got.DueAt.Equal(turn.DueAt) || got.Queue != turn.Queue {
			f.Errorf("%s: the turn goes to %+v, want %+v", step, got, turn)
		}
	}
	s.wantLive(p.want)
}

// stage is a policy as it is played.
type stage struct {
	fixture
	members map[string]dispatch.Task // as they were put last, or edited
	settled map[string]dispatch.Task // the last settle of each
}

// task is the member of a name as its steps have made it, its place in the chain apart.
func (s stage) task(name string) dispatch.Task {
	name, group, plain := strings.Cut(name, "@")
	if t, there := s.members[name]; there {
		return t
	}
	t := s.fixture.task(name, func(t *dispatch.Task) {
		t.DueAt = now.Add(-time.Duration(len(s.members)) * time.Minute) // all differ: nobody takes over another's
		t.TTL = time.Time{}
		if group != "" || !plain {
			t.Group, t.Tenant = s.group(group), "acme" // who is next is told with its tenant
		}
	})
	s.members[name] = t
	return t
}

func (s stage) group(name string) string {
	if name == "" {
		name = "g"
	}
	return s.queue + "." + name
}

// step does one; the hint is whose turn it says it is.
func (s stage) step(i int, verb string, names []string) (dispatch.Hint, error) {
	switch verb {
	case "put", "repeat", "enqueue":
		s.puts(verb, names)
		return dispatch.Hint{}, nil
	case "claim":
		return dispatch.Hint{}, s.claim(s.task(names[0]).ID, fmt.Sprint("token ", i), now).Err
	case "delete":
		row := s.get(s.task(names[0]).ID)
		err := s.store.Delete(s.ctx, row.ID, row.Generation)
		if err == nil {
			delete(s.members, names[0])
		}
		return dispatch.Hint{}, err
	case "deliver", "fail", "retry", "hold":
		row := s.claimed(s.task(names[0]).ID, fmt.Sprint("token ", i), now)
		s.settled[names[0]] = map[string]func() dispatch.Task{
			"deliver": func() dispatch.Task { return delivered(row, now) },
			"fail":    func() dispatch.Task { return failed(row, now) },
			"retry":   func() dispatch.Task { return retried(row, now) },
			"hold":    func() dispatch.Task { row.State, row.Reason = dispatch.Held, "the last attempt failed"; return row },
		}[verb]()
		fallthrough
	case "settle":
		return s.store.Settle(s.ctx, s.settled[names[0]])
	default:
		return s.byHand(verb, names[0])
	}
}

func (s stage) puts(verb string, names []string) {
	s.Helper()
	var tasks []dispatch.Task
	for _, name := range names {
		t := s.task(name)
		if verb == "enqueue" {
			t.Generation += 1000 // the time has passed
		}
		tasks = append(tasks, t)
	}
	for i, r := range s.store.Put(s.ctx, now, tasks) {
		if r.Err != nil || r.Existing != (verb == "enqueue") {
			s.Fatalf("%s %s: existing %v, %v", verb, names[i], r.Existing, r.Err)
		}
		want := s.get(tasks[i].ID)
		if verb == "put" {
			want.Next = "" // of those that the same call put behind it
		}
		s.wantTask(verb+" "+names[i], r.Task, want)
	}
}

func (s stage) byHand(verb, name string) (dispatch.Hint, error) {
	edits := map[string]func(t *dispatch.Task){
		"cancel": cancelled,
		"note":   func(t *dispatch.Task) { t.Reason = "noted" },
		"flag":   func(t *dispatch.Task) { t.Flag, t.DueAt = true, now.Add(-time.Second) },
		"move":   func(t *dispatch.Task) { t.DueAt = t.DueAt.Add(-time.Hour) },
		"again": func(t *dispatch.Task) {
			t.State, t.Reason, t.EndedAt, t.Run = dispatch.Scheduled, "", time.Time{}, t.Run+1
			t.DueAt, t.Lane, t.TTL = now.Add(-time.Hour), dispatch.Lane(t.Queue, t.ID, 1), time.Time{}
		},
	}
	edit, there := edits[verb]
	if !there {
		s.Fatalf("no such step: %s", verb)
	}
	before := s.get(s.task(name).ID)
	t, next := s.edited(before.ID, func(t *dispatch.Task) error {
		edit(t)
		t.Group, t.Prev, t.Next = "another", "another's", "another's" // not the edit's to change
		return nil
	})
	s.wantRow(verb+" "+name+" returns the row", t)
	if t.Group != before.Group || t.Generation != before.Generation+1 || t.Lease != "" {
		s.Errorf("%s %s: group %q, generation +%d, lease %q", verb, name, t.Group, t.Generation-before.Generation, t.Lease)
	}
	if !t.State.Final() {
		s.members[strings.TrimRight(name, "@")] = t
	}
	return next, nil
}

// wantLive says which tasks are live, in chains, and that the heads that are not held are what the lane has.
func (s stage) wantLive(want string) {
	s.Helper()
	live, due := map[string]bool{}, []string{}
	for _, chain := range strings.Split(want, "|") {
		group, names, other := strings.Cut(strings.ReplaceAll(chain, "held:", "^"), ":")
		if !other {
			group, names = "g", group
		}
		ids := []string{""}
		held := strings.Contains(names, "^")
		for _, name := range strings.Fields(strings.ReplaceAll(names, "^", "")) {
			ids = append(ids, s.queue+"."+name)
		}
		ids = append(ids, "")
		for i := 1; i < len(ids)-1; i++ {
			row := s.get(ids[i])
			state := dispatch.Blocked
			switch {
			case i == 1 && held:
				state = dispatch.Held
			case i == 1:
				state = dispatch.Scheduled
				due = append(due, row.ID)
			}
			if row.State != state || row.Next != ids[i+1] || i > 1 && row.Prev != ids[i-1] {
				s.Errorf("%s is %s between %q and %q, want %s between %q and %q", ids[i], row.State, row.Prev, row.Next, state, ids[i-1], ids[i+1])
			}
			if g := strings.TrimSpace(group); g == "" && row.Group != "" || g != "" && row.Group != s.group(g) {
				s.Errorf("%s is of group %q, want %q", ids[i], row.Group, g)
			}
			live[row.ID] = true
		}
	}
	for name := range s.members {
		if row := s.get(s.queue + "." + name); !row.State.Final() && !live[row.ID] {
			s.Errorf("%s is %s still", name, row.State)
		}
	}
	var got []string
	for _, h := range s.due(dispatch.Lane(s.queue, "", 1), now.Add(time.Hour)) {
		got = append(got, h.ID)
	}
	slices.Sort(got)
	slices.Sort(due)
	if !slices.Equal(got, due) {
		s.Errorf("the lane has %v, want %v", got, due)
	}
}
