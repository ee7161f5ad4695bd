package sqlite

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"example.com/dispatch/pkg/dispatch"
)

// A call of many members takes several transactions: where one fails, the next must not overtake it.
func TestNobodyOvertakesATransactionThatFailed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s := opened(t, path)
	raw(t, path, func(c *session) {
		if err := c.run(`CREATE TRIGGER refuse BEFORE INSERT ON tasks WHEN NEW.id='250' BEGIN SELECT RAISE(ABORT, 'no'); END`); err != nil {
			t.Fatal(err)
		}
	})
	var tasks []dispatch.Task
	for i := range 600 {
		task := scheduled(fmt.Sprint(i))
		task.Group = "g"
		tasks = append(tasks, task)
	}
	put := 0
	for i, r := range s.Put(t.Context(), now, tasks) {
		switch {
		case r.Err == nil && i == put && i < 250:
			put++
		case r.Err == nil || !strings.Contains(r.Err.Error(), "no"):
			t.Fatalf("member %d: %v", i, r.Err)
		}
	}
	if put == 0 || put == 250 {
		t.Errorf("%d were put; want some, in the transactions before the one that failed", put)
	}
	raw(t, path, func(c *session) {
		if n, err := c.number("SELECT count(*) FROM tasks"); n != int64(put) || err != nil {
			t.Errorf("%d rows, want %d; %v", n, put, err)
		}
		if err := c.run("DROP TRIGGER refuse"); err != nil {
			t.Fatal(err)
		}
	})
	for i, r := range s.Put(t.Context(), now, tasks) {
		if r.Err != nil || r.Existing || i > 0 && r.Task.Prev != tasks[i-1].ID {
			t.Fatalf("member %d, repeated: behind %q, existing %v, %v", i, r.Task.Prev, r.Existing, r.Err)
		}
	}
}

// The row says what group it is of, whatever the settle says.
func TestASettleThatHasForgottenTheGroupHandsOver(t *testing.T) {
	s := opened(t, filepath.Join(t.TempDir(), "a.db"))
	a, b := scheduled("a"), scheduled("b")
	a.Group, b.Group = "g", "g"
	s.Put(t.Context(), now, []dispatch.Task{a, b})
	mine := s.Claim(t.Context(), []string{"a"}, dispatch.Lease{Token: "t", At: now, Left: 1 << 60})[0].Task
	mine.State, mine.Group, mine.Next = dispatch.Delivered, "", ""
	if next, err := s.Settle(t.Context(), mine); next.ID != "b" || err != nil {
		t.Errorf("the turn goes to %+v, %v", next, err)
	}
}
