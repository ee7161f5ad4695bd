package storetest

import "example.com/dispatch/pkg/dispatch"

// joined returns a task as it is stored that was not live before: a live member of a group goes behind the last
// one. The lock is held.
func (m *Memory) joined(t dispatch.Task) dispatch.Task {
	if t.Group == "" || t.State.Final() {
		return t
	}
	t.Prev, t.Next = m.tails[t.Group], ""
	if t.Prev != "" {
		t.State = dispatch.Blocked
		last := m.tasks[t.Prev]
		last.Next = t.ID
		m.tasks[last.ID] = last
	}
	m.tails[t.Group] = t.ID
	return t
}

// handOver gives the turn of a member of a group that ends to the one behind it. The lock is held.
func (m *Memory) handOver(ended dispatch.Task) dispatch.Hint {
	if ended.Group != "" && m.tails[ended.Group] == ended.ID {
		delete(m.tails, ended.Group)
	}
	if next, there := m.tasks[ended.Next]; there {
		next.State = dispatch.Scheduled
		m.tasks[next.ID] = next
	}
	return m.turn(ended)
}

// turn returns the hint of the one to which a member that has ended gave its turn. The lock is held.
func (m *Memory) turn(ended dispatch.Task) dispatch.Hint {
	next, there := m.tasks[ended.Next]
	if !there || !ended.State.Final() || next.State != dispatch.Scheduled {
		return dispatch.Hint{}
	}
	return next.Hint()
}
