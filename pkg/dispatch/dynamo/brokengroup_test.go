package dynamo_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/dynamo"
	"example.com/dispatch/pkg/dispatch/dynamo/dynamotest"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func keyOf(id string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: id}}
}

// dropRow deletes a row past all rules.
func dropRow(t *testing.T, s dynamo.Store, id string) {
	t.Helper()
	if _, err := s.Client.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &s.Table, Key: keyOf(id)}); err != nil {
		t.Fatal(err)
	}
}

// nameTail makes a group's row name a task as the last, past all rules.
func nameTail(suffix string) step {
	return func(t *testing.T, s dynamo.Store, task *dispatch.Task) {
		t.Helper()
		row := keyOf("/group/" + task.Group)
		row["tail"] = &types.AttributeValueMemberS{Value: task.ID + suffix}
		if _, err := s.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &s.Table, Item: row}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLostTail deletes a group's last member past all rules: the group must go on, and end.
func TestLostTail(t *testing.T) {
	for _, c := range []struct {
		name  string
		ready []step
		do    step
	}{
		{"a put", []step{group, putHead}, put},
		{"a put of its id", []step{group, putHead}, func(t *testing.T, s dynamo.Store, task *dispatch.Task) {
			*task = mate(task, "head")
			put(t, s, task)
		}},
		{"an edit that joins again", []step{group, put, claim, deliver, putHead}, again},
		{"an edit that joins again, of the tail itself", []step{group, putHead, endHead, put, claim, deliver, nameTail("")}, again},
		{"a put behind one that has ended", []step{group, putHead, endHead, nameTail(" head")}, put},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := dynamo.Store{Client: server.Client(t, nil), Table: server.Table(t)}
			task := prepare(t, s, "task", c.ready)
			if head := s.Get(t.Context(), []string{mate(&task, "head").ID})[0].Task; !head.State.Final() {
				dropRow(t, s, head.ID)
			}
			c.do(t, s, &task)
			claim(t, s, &task)
			deliver(t, s, &task)
			wantLast(t, s, task.Group, "")
		})
	}
}

// TestLostTailComesBack has a tail that was lost come back before somebody takes its place: who joins waits behind it.
func TestLostTailComesBack(t *testing.T) {
	var faults dynamotest.Faults
	s := dynamo.Store{Client: server.Client(t, &faults), Table: server.Table(t)}
	task := prepare(t, s, "task", []step{group, putHead})
	head := mate(&task, "head")
	dropRow(t, s, head.ID)
	faults.Next(transact, 1, dynamotest.After(func() {}))
	faults.Next(transact, 1, dynamotest.After(func() { put(t, another(t, s), &head) }))
	r := s.Put(t.Context(), now, []dispatch.Task{task})[0]
	if r.Err != nil || r.Task.State != dispatch.Blocked || r.Task.Prev != head.ID {
		t.Errorf("it is %s behind %q, %v; want it behind %q", r.Task.State, r.Task.Prev, r.Err, head.ID)
	}
}

// TestLostTailTaken has two find a tail lost: one takes its place, and the other comes behind that one.
func TestLostTailTaken(t *testing.T) {
	var faults dynamotest.Faults
	s := dynamo.Store{Client: server.Client(t, &faults), Table: server.Table(t)}
	task := prepare(t, s, "task", []step{group, putHead})
	dropRow(t, s, mate(&task, "head").ID)
	faults.Next(transact, 1, dynamotest.After(func() {}))
	faults.Next(transact, 1, dynamotest.After(func() { putLast(t, s, &task) }))
	r := s.Put(t.Context(), now, []dispatch.Task{task})[0]
	if r.Err != nil || r.Task.Prev != mate(&task, "last").ID {
		t.Errorf("it is %s behind %q, %v; want it behind the other", r.Task.State, r.Task.Prev, r.Err)
	}
}

// TestGroupForgotten settles a member as if it were of no group: its turn is handed over all the same.
func TestGroupForgotten(t *testing.T) {
	s := dynamo.Store{Client: server.Client(t, nil), Table: server.Table(t)}
	task := prepare(t, s, "task", []step{group, put, putNext, claim})
	forgotten := delivered(task)
	forgotten.Group, forgotten.Next = "", ""
	hint, err := s.Settle(t.Context(), forgotten)
	if err := turnOf(task, hint, "next", err); err != nil {
		t.Error(err)
	}
	turned("next")(t, s, task)
}

// TestLostGroup deletes a group's own row past all rules: its member must come to its end all the same.
func TestLostGroup(t *testing.T) {
	for name, end := range map[string]step{
		"finish": func(t *testing.T, s dynamo.Store, task *dispatch.Task) { claim(t, s, task); deliver(t, s, task) },
		"cancel": cancel,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := dynamo.Store{Client: server.Client(t, nil), Table: server.Table(t)}
			task := prepare(t, s, "task", []step{group, put})
			dropRow(t, s, "/group/"+task.Group)
			end(t, s, &task)
			if r := s.Get(t.Context(), []string{task.ID})[0]; !r.Task.State.Final() {
				t.Errorf("it is %s", r.Task.State)
			}
		})
	}
}

// TestNextIsKept makes a group's row name a member as the last that has one behind it: nobody takes that one's place.
func TestNextIsKept(t *testing.T) {
	var faults dynamotest.Faults
	s := dynamo.Store{Client: server.Client(t, &faults), Table: server.Table(t)}
	task := prepare(t, s, "task", []step{group, putHead})
	head := mate(&task, "head")
	next := mate(&task, "next")
	put(t, s, &next)
	nameTail(" head")(t, s, &task)
	ctx, cancel := context.WithCancel(t.Context())
	faults.Next(transact, 1, dynamotest.After(func() {}))
	faults.Next(transact, 1, dynamotest.After(cancel))
	if r := s.Put(ctx, now, []dispatch.Task{task})[0]; !errors.Is(r.Err, context.Canceled) {
		t.Errorf("error %v, want that it tried until the end", r.Err)
	}
	head.Next = next.ID
	wantRow(t, s, head.ID, head)
}

// TestTurn has edits try to change whose turn it is.
func TestTurn(t *testing.T) {
	s := dynamo.Store{Client: server.Client(t, nil), Table: server.Table(t)}
	task := prepare(t, s, "task", []step{group, putHead, put})
	task = s.Get(t.Context(), []string{task.ID})[0].Task
	head := mate(&task, "head")
	for id, change := range map[string]func(*dispatch.Task){
		task.ID: func(t *dispatch.Task) { t.State = dispatch.Scheduled },
		head.ID: func(t *dispatch.Task) { t.State = dispatch.Blocked },
	} {
		if _, _, err := s.Edit(t.Context(), id, func(t *dispatch.Task) error { change(t); return nil }); err == nil {
			t.Errorf("%s: no error", id)
		}
	}
	if _, _, err := s.Edit(t.Context(), task.ID, func(t *dispatch.Task) error { *t = asCancelled(*t); return nil }); err == nil {
		t.Error("the end of one that waits: no error")
	}
	wantRow(t, s, task.ID, task)
}

// TestLargestMember puts the largest row that a group takes between neighbours with the longest ids.
func TestLargestMember(t *testing.T) {
	s := dynamo.Store{Client: server.Client(t, nil), Table: server.Table(t)}
	largest := func(n int) dispatch.Task {
		task := newTask("largest")
		task.Group, task.Doc = "g", bytes.Repeat([]byte("x"), n)
		return task
	}
	long := func(c string) dispatch.Task {
		task := newTask(strings.Repeat(c, 2048))
		task.Group = "g"
		return task
	}
	head, next := long("h"), long("n")
	put(t, s, &head)
	n := dispatch.MaxRow
	for ; ; n -= 64 {
		err := s.Put(t.Context(), now, []dispatch.Task{largest(n)})[0].Err
		if err == nil {
			break
		}
		if !errors.Is(err, dispatch.ErrTooLarge) {
			t.Fatal(err)
		}
	}
	t.Logf("the largest document of a member has %d bytes", n)
	if r := s.Put(t.Context(), now, []dispatch.Task{next})[0]; r.Err != nil || r.Task.Prev != "largest" {
		t.Fatalf("behind %q, %v; want behind the largest", r.Task.Prev, r.Err)
	}
	claim(t, s, &head)
	deliver(t, s, &head)
	task := dispatch.Task{ID: "largest"}
	claim(t, s, &task)
	task.Progress = []dispatch.Progress{{Attempts: 1, Error: strings.Repeat("\x01", 200)}}
	settle(t, s, &task)
	claim(t, s, &task)
	deliver(t, s, &task)
}

// TestStaleIdentifiers has the index of identifiers lag behind the rows: who has lost its label is not listed.
func TestStaleIdentifiers(t *testing.T) {
	var faults dynamotest.Faults
	s := dynamo.Store{Client: server.Client(t, &faults), Table: server.Table(t)}
	prepare(t, s, "there", []step{func(_ *testing.T, _ dynamo.Store, task *dispatch.Task) { task.Identifier = "label" }, put})
	prepare(t, s, "other", []step{identify, put})
	prepare(t, s, "plain", []step{put})
	waits := prepare(t, s, "waits", []step{group, putHead, put})
	lag := dynamotest.Changed(func(answer map[string]any) {
		for _, id := range []string{"other", "plain", "gone", "there", waits.ID} {
			answer["Items"] = append(answer["Items"].([]any), entry(id, now))
		}
	})
	for operation, f := range map[string]dispatch.Filter{"Query": {Identifiers: []string{"label"}}, "Scan": {Identified: true}} {
		faults.Next(operation, 1, lag)
		var got []string
		for task, err := range s.List(t.Context(), f) {
			if err != nil {
				t.Fatal(err)
			}
			if task.Identifier == "" || len(f.Identifiers) > 0 && task.Identifier != "label" {
				t.Errorf("%s: listed %s with identifier %q", operation, task.ID, task.Identifier)
			}
			got = append(got, task.ID)
		}
		if want := map[string]int{"Query": 1, "Scan": 2}[operation]; len(got) != want {
			t.Errorf("%s: listed %v, want %d", operation, got, want)
		}
	}
	faults.Next("Query", 1, lag)
	twice := make(map[string]int)
	for task, err := range s.List(t.Context(), dispatch.Filter{Identifiers: []string{"label", "label of other"}}) {
		if twice[task.ID]++; err != nil || twice[task.ID] > 1 {
			t.Errorf("listed %s %d times, %v", task.ID, twice[task.ID], err)
		}
	}
	faults.Next("Query", 1, lag)
	for task, err := range s.List(t.Context(), dispatch.Filter{Lanes: []string{"q#0"}}) {
		if err != nil || task.ID == waits.ID {
			t.Errorf("the lane has %s, %v", task.ID, err)
		}
	}
}
