package storetest

import (
	"slices"

	"example.com/dispatch/pkg/dispatch"
	"pgregory.net/rapid"
)

// chainOf returns the live members of a group in the order of their turns, and fails unless there is exactly one head,
// Scheduled or Held, from whom Next leads to all the others, all Blocked, and unless those who were in the chain before
// are in it still, or have ended from the head on, and come before all who joined.
func chainOf(rt *rapid.T, group string, rows []dispatch.Result, before []string) (chain []string) {
	live := map[string]dispatch.Task{}
	var heads []dispatch.Task
	for _, r := range rows {
		if r.Err != nil || r.Task.Group != group || r.Task.State.Final() {
			continue
		}
		live[r.Task.ID] = r.Task
		if r.Task.State != dispatch.Blocked {
			heads = append(heads, r.Task)
		}
	}
	if len(live) == 0 {
		return nil
	}
	if len(heads) != 1 {
		rt.Fatalf("group %s has %d live members and %d heads", group, len(live), len(heads))
	}
	for t, there := heads[0], true; there && len(chain) < len(live); t, there = live[t.Next] {
		if len(chain) > 0 && t.Prev != chain[len(chain)-1] {
			rt.Fatalf("%s says that it is behind %q, and is behind %s", t.ID, t.Prev, chain[len(chain)-1])
		}
		chain = append(chain, t.ID)
	}
	if last := live[chain[len(chain)-1]]; len(chain) != len(live) || last.Next != "" {
		rt.Fatalf("group %s: the chain %v of %d live members ends before %q", group, chain, len(live), last.Next)
	}
	left := before[len(before):]
	if i := slices.Index(before, chain[0]); i >= 0 {
		left = before[i:]
	}
	if len(left) > len(chain) || !slices.Equal(left, chain[:len(left)]) {
		rt.Fatalf("group %s was %v and is %v: the order has changed", group, before, chain)
	}
	return chain
}
