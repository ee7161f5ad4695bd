package dynamo_test

import (
	"fmt"
	"testing"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/dynamo"
)

// Steps of members of groups, and of tasks with an identifier or a callback.

// another is the same store without faults, and without a meter.
func another(t *testing.T, s dynamo.Store) dynamo.Store {
	return dynamo.Store{Client: server.Client(t, nil), Table: s.Table}
}

// mate is a task of the same group.
func mate(task *dispatch.Task, name string) dispatch.Task {
	m := newTask(task.ID + " " + name)
	m.Group = task.Group
	return m
}

func identify(_ *testing.T, _ dynamo.Store, task *dispatch.Task) {
	task.Identifier = "label of " + task.ID
}

func group(_ *testing.T, _ dynamo.Store, task *dispatch.Task) { task.Group = "group of " + task.ID }

// putHead puts somebody before the task.
func putHead(t *testing.T, s dynamo.Store, task *dispatch.Task) {
	head := mate(task, "head")
	put(t, another(t, s), &head)
}

// endHead gives the task its turn.
func endHead(t *testing.T, s dynamo.Store, task *dispatch.Task) {
	head := mate(task, "head")
	claim(t, another(t, s), &head)
	deliver(t, another(t, s), &head)
}

// putNext puts somebody behind the task.
func putNext(t *testing.T, s dynamo.Store, task *dispatch.Task) {
	next := mate(task, "next")
	put(t, another(t, s), &next)
	task.Next = next.ID
}

func putFifty(t *testing.T, s dynamo.Store, task *dispatch.Task) {
	var tasks []dispatch.Task
	for i := range 50 {
		tasks = append(tasks, mate(task, fmt.Sprint(i)))
	}
	for _, r := range s.Put(t.Context(), now, tasks) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
}

func hold(t *testing.T, s dynamo.Store, task *dispatch.Task) {
	task.State, task.Reason = dispatch.Held, "the last attempt failed"
	settle(t, s, task)
}

// deliverTelling delivers a task with a callback, which is the task from then on.
func deliverTelling(t *testing.T, s dynamo.Store, task *dispatch.Task) {
	callback := newTask(task.ID + "/success")
	if _, err := s.Settle(t.Context(), delivered(*task), callback); err != nil {
		t.Fatal(err)
	}
	*task = callback
}
