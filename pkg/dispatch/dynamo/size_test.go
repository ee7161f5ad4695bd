package dynamo_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/dynamo"
	"example.com/dispatch/pkg/dispatch/dynamo/dynamotest"
)

// TestPages reads lanes of more than DynamoDB's 1 MB a page: by many entries, by long ids and by large rows.
func TestPages(t *testing.T) {
	for _, c := range []struct {
		name  string
		n     int
		id    string
		doc   int
		pages int // of the index, at least
	}{
		{"many entries", 1100, "task %05d", 0, 2},
		{"long ids", 560, "task %05d " + strings.Repeat("x", 2000), 0, 2},
		{"large rows", 20, "task %05d", 350 << 10, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			var faults dynamotest.Faults
			s := dynamo.Store{Client: server.Client(t, &faults), Table: server.Table(t)}
			tasks, want := many(t, s, c.n, c.id)
			for i := range tasks {
				if c.doc > 0 {
					edit(t, s, &tasks[i], func(t *dispatch.Task) { t.Doc = noise(c.doc) })
				}
			}
			var due, listed, newest, all []string
			for hint, err := range s.Due(t.Context(), "q#0", now) {
				if err != nil {
					t.Fatal(err)
				}
				due = append(due, hint.ID)
			}
			if n := faults.Requests("Query"); n < c.pages {
				t.Errorf("%d pages, want at least %d for this test to mean something", n, c.pages)
			}
			collect := func(into *[]string, f dispatch.Filter) {
				for task, err := range s.List(t.Context(), f) {
					if err != nil {
						t.Fatal(err)
					}
					*into = append(*into, task.ID)
				}
			}
			collect(&listed, dispatch.Filter{Lanes: []string{"q#0"}})
			collect(&newest, dispatch.Filter{Lanes: []string{"q#0"}, Newest: true})
			collect(&all, dispatch.Filter{})
			slices.Reverse(newest)
			slices.Sort(all)
			for what, got := range map[string][]string{"due": due, "listed": listed, "newest first": newest, "all": all} {
				if !slices.Equal(got, want) {
					t.Errorf("%s: %d ids, want %d in order", what, len(got), len(want))
				}
			}
		})
	}
}

// TestDueIsLazy stops in the first page: no other is read.
func TestDueIsLazy(t *testing.T) {
	var faults dynamotest.Faults
	s := dynamo.Store{Client: server.Client(t, &faults), Table: server.Table(t)}
	many(t, s, 1500, "task %05d")
	for range s.Due(t.Context(), "q#0", now) {
		break
	}
	if n := faults.Requests("Query"); n != 1 {
		t.Errorf("%d pages read, want 1", n)
	}
}

// TestLargestRow takes the largest row that can be put through the most that a life adds to it.
func TestLargestRow(t *testing.T) {
	s := dynamo.Store{Client: server.Client(t, nil), Table: server.Table(t)}
	fits := func(n int) bool {
		task := newTask("largest")
		task.Doc = noise(n)
		err := s.Put(t.Context(), now.Add(999*24*time.Hour), []dispatch.Task{task})[0].Err
		if err != nil && !errors.Is(err, dispatch.ErrTooLarge) {
			t.Fatal(err)
		}
		return err == nil
	}
	size := dispatch.MaxRow - 8192
	if !fits(size) {
		t.Fatalf("a document of %d bytes does not fit", size)
	}
	for step := 4096; step > 0; step /= 2 {
		if fits(size + step) {
			size += step
		}
	}
	t.Logf("the largest document has %d bytes", size)
	task := newTask("largest")
	task.Generation++
	task.Doc = noise(size)
	if r := s.Put(t.Context(), now.Add(999*24*time.Hour), []dispatch.Task{task})[0]; r.Err != nil || r.Existing {
		t.Fatal(r.Existing, r.Err)
	}
	claim(t, s, &task)
	last := slices.Repeat([]dispatch.Attempt{{At: now, Status: 599, Took: time.Hour}}, 5)
	task.Progress = []dispatch.Progress{{Attempts: 1 << 20, WaitingSince: now, Last: last, Error: strings.Repeat("\x01", 200)}}
	task.Lapses, task.DueAt = 9, now
	settle(t, s, &task)
	claim(t, s, &task)
	progress := task.Progress
	task = failed(task)
	task.Reason, task.Progress = strings.Repeat("r", 200), progress
	settle(t, s, &task)
}

// TestDocumentUnanswered loses the answers of a document's saves.
func TestDocumentUnanswered(t *testing.T) {
	var faults dynamotest.Faults
	s := dynamo.Store{Client: server.Client(t, &faults), Table: server.Table(t)}
	other := dynamo.Store{Client: server.Client(t, nil), Table: s.Table}
	doc := func(version int64, body string) dispatch.Document {
		return dispatch.Document{Name: "settings", Version: version, Body: []byte(body)}
	}
	for version := range int64(3) {
		faults.Next("PutItem", 2, dynamotest.Lost(nil))
		if err := s.Save(t.Context(), doc(version+1, "mine")); err != nil {
			t.Errorf("version %d: %v", version+1, err)
		}
	}
	faults.Next("PutItem", 1, dynamotest.After(func() {
		if err := other.Save(t.Context(), doc(4, "another's")); err != nil {
			t.Error(err)
		}
	}))
	if err := s.Save(t.Context(), doc(4, "mine")); !errors.Is(err, dispatch.ErrConflict) {
		t.Errorf("after another's: %v, want a conflict", err)
	}
	if got, err := s.Load(t.Context(), "settings"); err != nil || string(got.Body) != "another's" {
		t.Errorf("loaded %q, %v", got.Body, err)
	}
	if err := s.Save(t.Context(), doc(5, strings.Repeat("x", dispatch.MaxRow))); !errors.Is(err, dispatch.ErrTooLarge) {
		t.Errorf("a large one: %v, want that it is too large", err)
	}
}
