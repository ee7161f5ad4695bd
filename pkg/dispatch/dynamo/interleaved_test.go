package dynamo_test

import (
	"fmt"
	"testing"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/dynamo"
	"example.com/dispatch/pkg/dispatch/dynamo/dynamotest"
)

// TestInterleaved has somebody else write to a group between the read of a write and the write.
func TestInterleaved(t *testing.T) {
	table := server.Table(t)
	for _, c := range []struct {
		name      string
		operation string
		ready     []step
		meanwhile step
		do        step
		want      string // the names of the group's live members, in their order; the task has none
	}{
		{"a finish with none, by one who joins", transact, []step{group, put, claim}, putNext, deliver, "next"},
		{"a finish with a next, by one who joins behind that", transact, []step{group, put, putNext, claim}, putLast, deliver, "next last"},
		{"an edit that ends the only one, by one who joins", transact, []step{group, put}, putNext, cancel, "next"},
		{"an edit of a head, by one who joins", "PutItem", []step{group, put}, putNext, later, " next"},
		{"an edit of one that waits, by its turn", "PutItem", []step{group, putHead, put}, endHead, note, ""},
		{"a hand-over, by an edit of the next", transact, []step{group, put, putNext, claim}, moveNext, deliver, "next"},
		{"a put behind a head, by its end", transact, []step{group, putHead}, endHead, put, ""},
		{"a put behind a head, by another put", transact, []step{group, putHead}, putLast, put, "head last "},
		{"a put into an empty group, by another put", transact, []step{group}, putHead, put, "head "},
		{"a put behind a head, by its end and one who joins", transact, []step{group, putHead}, func(t *testing.T, s dynamo.Store, task *dispatch.Task) {
			endHead(t, s, task)
			putLast(t, s, task)
		}, put, "last "},
		{"an edit that joins again, by one who joins", transact, []step{group, put, claim, deliver}, putHead, again, "head "},
		{"an edit that joins again, by the head's end", transact, []step{group, put, claim, deliver, putHead}, endHead, again, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var faults dynamotest.Faults
			s := dynamo.Store{Client: server.Client(t, &faults), Table: table}
			task := prepare(t, s, t.Name(), c.ready)
			stored := task
			faults.Next(c.operation, 1, dynamotest.After(func() { c.meanwhile(t, another(t, s), &stored) }))
			c.do(t, s, &task)
			if n := faults.Left(c.operation); n != 0 {
				t.Error("nothing happened meanwhile")
			}
			wantChain(t, s, task, c.want)
		})
	}
}

// wantChain follows a group's live members from its head, which alone is in the lane, to its tail.
func wantChain(t *testing.T, s dynamo.Store, task dispatch.Task, want string) {
	t.Helper()
	rows := make(map[string]dispatch.Task)
	for row, err := range s.List(t.Context(), dispatch.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if row.Group == task.Group && !row.State.Final() {
			rows[row.ID] = row
		}
	}
	got, last := "", ""
	due := dueIn(t, s, newTask(task.ID).Lane)
	for id, row := range rows {
		if _, waits := rows[row.Prev]; waits {
			if row.State != dispatch.Blocked || due[id] {
				t.Errorf("%s is %s, in the lane: %v, and waits behind %s", id, row.State, due[id], row.Prev)
			}
			continue
		}
		if row.State != dispatch.Scheduled || got != "" {
			t.Errorf("%s is %s, and a head after %q", id, row.State, got)
		}
		for ; id != ""; id = rows[id].Next {
			last = id
			got += " " + id[min(len(id), len(task.ID+" ")):]
		}
	}
	if len(rows) > 0 {
		got = got[1:]
	}
	if got != want {
		t.Errorf("live are %q, want %q", got, want)
	}
	wantLast(t, s, task.Group, last)
}

func putLast(t *testing.T, s dynamo.Store, task *dispatch.Task) {
	last := mate(task, "last")
	put(t, another(t, s), &last)
}

func moveNext(t *testing.T, s dynamo.Store, task *dispatch.Task) {
	next := mate(task, "next")
	edit(t, another(t, s), &next, func(t *dispatch.Task) { t.Run++ })
}

// note is an edit that changes neither state nor time.
func note(t *testing.T, s dynamo.Store, task *dispatch.Task) {
	edit(t, s, task, func(t *dispatch.Task) { t.Run++ })
}

func later(t *testing.T, s dynamo.Store, task *dispatch.Task) {
	edit(t, s, task, func(t *dispatch.Task) { t.DueAt = now.Add(-1) })
}

// TestLongGroup puts many members in few calls, and hands over from each to the next: go test -run TestLongGroup
// -long-group 10000 takes the number that a group must bear.
func TestLongGroup(t *testing.T) {
	s := dynamo.Store{Client: server.Client(t, nil), Table: server.Table(t)}
	n, perCall := *longGroup, min(1000, *longGroup/3)
	for first := 0; first < n; first += perCall {
		var tasks []dispatch.Task
		for i := first; i < min(n, first+perCall); i++ {
			task := newTask(fmt.Sprintf("%05d", i))
			task.Group = "long"
			tasks = append(tasks, task)
		}
		for _, r := range s.Put(t.Context(), now, tasks) {
			if r.Err != nil || r.Existing {
				t.Fatalf("put %s: existing %v, %v", r.Task.ID, r.Existing, r.Err)
			}
		}
	}
	turn := "00000"
	for i := range n {
		if want := fmt.Sprintf("%05d", i); turn != want {
			t.Fatalf("the turn goes to %q, want %q", turn, want)
		}
		if i%100 == 0 {
			if due := dueIn(t, s, newTask(turn).Lane); len(due) != 1 {
				t.Fatalf("%d are in the lane at the turn of %s, want 1", len(due), turn)
			}
		}
		task := dispatch.Task{ID: turn}
		claim(t, s, &task)
		next, err := s.Settle(t.Context(), delivered(task))
		if err != nil {
			t.Fatal(err)
		}
		turn = next.ID
	}
	if turn != "" {
		t.Errorf("the turn goes to %q after the last", turn)
	}
	wantLast(t, s, "long", "")
}
