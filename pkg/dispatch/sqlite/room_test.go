package sqlite

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// A row that keeps its size is written in its place.
func TestRowsKeepTheirSize(t *testing.T) {
	in := now.Truncate(time.Millisecond)
	once := dispatch.Progress{Attempts: 1, Last: []dispatch.Attempt{{At: in, Status: 200, Took: 12 * time.Millisecond}}}
	failed := once
	failed.Error = strings.Repeat("x", 200)
	for name, c := range map[string]struct {
		after []dispatch.Progress
		state dispatch.State
		lane  string
		grows bool // there is more to keep than before
	}{
		"delivered":            {[]dispatch.Progress{once}, dispatch.Delivered, "", false},
		"put back":             {nil, dispatch.Scheduled, "q#0", false},
		"failed with a reason": {[]dispatch.Progress{failed}, dispatch.Scheduled, "q#0", true},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.db")
			s := opened(t, path)
			task := scheduled("a")
			task.TTL, task.ExpireAt, task.Generation = in.Add(time.Hour).Truncate(time.Second), in.Add(time.Hour), in.UnixMilli()
			if err := s.putOne(t.Context(), task); err != nil {
				t.Fatal(err)
			}
			put := rowSize(t, s)
			r := s.Claim(t.Context(), []string{"a"}, dispatch.Lease{Token: strings.Repeat("t", 26), At: now, Left: 1 << 60})[0]
			if r.Err != nil {
				t.Fatal(r.Err)
			}
			claimed := rowSize(t, s)
			end := r.Task
			end.State, end.Lane, end.Progress = c.state, c.lane, c.after
			if c.state.Final() {
				end.EndedAt, end.DueAt = in, time.Time{}
			}
			if _, err := s.Settle(t.Context(), end); err != nil {
				t.Fatal(err)
			}
			settled := rowSize(t, s)
			if got := settled != claimed; put != claimed || got != c.grows {
				t.Errorf("%d bytes as put, %d claimed, %d settled", put, claimed, settled)
			}
		})
	}
}

// rowSize returns the size of the store's only row, in bytes.
func rowSize(t *testing.T, s *Store) (n int64) {
	t.Helper()
	if err := s.read(t.Context(), func(c *session) (err error) {
		n, err = c.number("SELECT sum(payload) FROM dbstat WHERE name='tasks'")
		return err
	}); err != nil || n == 0 {
		t.Fatal(n, err)
	}
	return n
}

func TestIntegerSize(t *testing.T) {
	for n, want := range map[int64]int{0: 0, 1: 0, 2: 1, -1: 1, 127: 1, 128: 2, 32767: 2, 32768: 3, 1<<23 - 1: 3, 1 << 23: 4, 1<<31 - 1: 4, 1 << 31: 6, 1<<47 - 1: 6, 1 << 47: 8} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			s := opened(t, filepath.Join(t.TempDir(), "a.db"))
			task := scheduled("a")
			if err := s.putOne(t.Context(), task); err != nil {
				t.Fatal(err)
			}
			none := rowSize(t, s)
			if err := s.writer.write(t.Context(), 1, func(c *session) error {
				_, err := c.exec("UPDATE tasks SET lapses=?", n)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if stored := int(rowSize(t, s) - none); integerSize(n) != want || stored != want {
				t.Errorf("%d bytes, SQLite takes %d, want %d", integerSize(n), stored, want)
			}
		})
	}
}
