package sqlite

import (
	"context"
	"database/sql/driver"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// Without its index each of these would look at every row.
func TestQueriesUseTheirIndex(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	if err := opened(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	wants := map[string]string{
		dueThen: "COVERING INDEX lanes (lane=? AND due_at=? AND id>?)", dueAfter: "COVERING INDEX lanes (lane=? AND due_at>? AND due_at<?)",
		getTask: "(id=?)", rowOf: "(id=?)", rows + tasksAt(2) + withLease: "INTEGER PRIMARY KEY", leaseAt + tasksAt(2): "INTEGER PRIMARY KEY", endLease: "(id=?)", dropLease: "(id=?)", recordTask: "(id=?)",
		settleTask: "(id=?)", settleAt: "INTEGER PRIMARY KEY", editTask: "(id=?)",
		setNext: "(id=?)", setPlace: "(id=?)", handTurn: "(id=?)", whoseTurn: "(id=?)",
		tailOf: "PRIMARY KEY (group_name=?)", noTail: "PRIMARY KEY (group_name=?)",
	}
	for filter, wanted := range map[*dispatch.Filter][]string{
		{Lanes: []string{"a"}}:               {"INDEX lanes (lane=? AND due_at=? AND id>?)", "INDEX lanes (lane=? AND due_at>?)"},
		{Lanes: []string{"a"}, Newest: true}: {"INDEX lanes (lane=? AND due_at=? AND id<?)", "INDEX lanes (lane=? AND due_at<?)"},
		{Identifiers: []string{"a"}}:         {"INDEX identifiers (identifier=? AND rowid>?)"},
		{Identified: true}:                   {"INDEX identifiers (identifier=? AND rowid>?)", "INDEX identifiers (identifier>?)"},
		{}:                                   {"INTEGER PRIMARY KEY (rowid>?)"},
	} {
		for i, step := range listings(*filter)[0].steps {
			wants[step.sql] = wanted[i]
		}
	}
	raw(t, path, func(s *session) {
		for sql, want := range wants {
			var plan []string
			if err := s.query(context.Background(), "EXPLAIN QUERY PLAN "+sql, func(v []driver.Value) (bool, error) {
				line, _ := v[3].(string)
				plan = append(plan, line)
				return true, nil
			}, make([]driver.Value, strings.Count(sql, "?"))...); err != nil {
				t.Fatal(err)
			}
			plan = slices.DeleteFunc(plan, func(line string) bool { // the parameters, and the lease of each task
				return strings.HasSuffix(line, " VALUES CLAUSE") || strings.HasPrefix(line, "CORRELATED") || strings.HasPrefix(line, "SEARCH l USING PRIMARY KEY (id=?)")
			})
			if len(plan) != 1 || !strings.Contains(plan[0], want) || strings.Contains(plan[0], "SCAN") {
				t.Errorf("%s\nis done by %q, want %s", sql, plan, want)
			}
		}
	})
}

// Every page that such a statement writes would be copied first. https://www.sqlite.org/tempfiles.html#stmtjrnl
func TestClaimsCannotAbort(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	if err := opened(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	raw(t, path, func(s *session) {
		const opcode, onError, abort = 1, 3, 2
		steps := 0
		if err := s.query(context.Background(), "EXPLAIN "+leaseAt+tasksAt(2), func(v []driver.Value) (bool, error) {
			steps++
			what, _ := v[opcode].(string)
			if what == "Function" || strings.HasPrefix(what, "Halt") && v[onError] == int64(abort) {
				t.Errorf("%v may abort", v)
			}
			return true, nil
		}, make([]driver.Value, 4)...); err != nil || steps == 0 {
			t.Fatal(steps, err)
		}
	})
}

// Who waits, for others or for a person, is not even in the index.
func TestTheIndexesHoldOnlyWhatTheyMust(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s := opened(t, path)
	var tasks []dispatch.Task
	for _, id := range []string{"a", "b", "c", "plain"} {
		task := scheduled(id)
		if id != "plain" {
			task.Group, task.Identifier = "g", "label"
		}
		tasks = append(tasks, task)
	}
	for _, r := range s.Put(t.Context(), tasks[0].DueAt, tasks) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	held := s.Claim(t.Context(), []string{"a"}, dispatch.Lease{Token: "t", At: tasks[0].DueAt, Left: 1 << 60})[0].Task
	held.State = dispatch.Held
	if _, err := s.Settle(t.Context(), held); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	raw(t, path, func(s *session) {
		for index, want := range map[string]int64{"lane": 1, "identifier": 3} {
			n, err := s.number("SELECT count(*) FROM tasks WHERE " + index + " IS NOT NULL")
			if n != want || err != nil {
				t.Errorf("%d rows in the index by %s, want %d; %v", n, index, want, err)
			}
		}
	})
}

// Groups, callbacks and labels cost those who have them.
func TestAPlainTaskTakesNoOtherStatements(t *testing.T) {
	s := opened(t, filepath.Join(t.TempDir(), "a.db"))
	a, b := scheduled("a"), scheduled("b")
	for _, r := range s.Put(t.Context(), now, []dispatch.Task{a, b}) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	for i, r := range s.Claim(t.Context(), []string{"a", "b"}, dispatch.Lease{Token: "t", At: now, Left: 1 << 60}) {
		if r.Task.DueAt = r.Task.DueAt.Add(1); i == 0 {
			r.Task.State = dispatch.Delivered
		}
		if _, err := s.Settle(t.Context(), r.Task); err != nil {
			t.Fatal(err)
		}
	}
	for _, state := range []dispatch.State{dispatch.Scheduled, dispatch.Cancelled} {
		if _, _, err := s.Edit(t.Context(), "a", func(t *dispatch.Task) error { t.State = state; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	got := slices.DeleteFunc(slices.Sorted(maps.Keys(s.writer.session.statements)), func(sql string) bool {
		return !strings.Contains(sql, "tasks") && !strings.Contains(sql, "tails")
	})
	want := slices.Sorted(slices.Values([]string{putTask, rowOf, leaseAt + tasksAt(2), settleAt, getTask, editTask}))
	if !slices.Equal(got, want) {
		t.Errorf("the statements were %q", got)
	}
}

func TestATaskPutWithItsLeaseIsSettledWhereItIs(t *testing.T) {
	s := opened(t, filepath.Join(t.TempDir(), "a.db"))
	if err := s.putOne(t.Context(), scheduled("another")); err != nil {
		t.Fatal(err)
	}
	a := scheduled("a")
	a.Lease, a.Until = "mine", now.Add(time.Minute)
	if err := s.putOne(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	a.State = dispatch.Delivered
	if _, err := s.Settle(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if g := s.Get(t.Context(), []string{"a"})[0]; g.Err != nil || g.Task.State != dispatch.Delivered {
		t.Errorf("%+v, %v", g.Task, g.Err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s.writer.session.statements[settleAt] == nil || s.writer.session.statements[getTask] != nil {
		t.Error("it was looked for")
	}
}
