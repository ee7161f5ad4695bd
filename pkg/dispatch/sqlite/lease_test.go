package sqlite

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// What calls of one transaction do to a task they do one after another, as if each were alone.
func TestLeasesWithinOneTransaction(t *testing.T) {
	first, next := dispatch.Lease{Token: "first", At: now, Left: time.Hour}, dispatch.Lease{Token: "next", At: now, Left: time.Hour}
	type call func(*Store) error
	claim := func(l dispatch.Lease) call {
		return func(s *Store) error { return s.Claim(t.Context(), []string{"a"}, l)[0].Err }
	}
	settle := func(lease string, generation int64, changes ...func(*dispatch.Task)) call {
		return func(s *Store) error {
			end := scheduled("a")
			end.Lease, end.Generation = lease, generation
			for _, change := range changes {
				change(&end)
			}
			_, err := s.Settle(t.Context(), end)
			return err
		}
	}
	delivered := func(t *dispatch.Task) { t.State, t.DueAt, t.Lane = dispatch.Delivered, time.Time{}, "" }
	past := func(t *dispatch.Task) { t.TTL = now }
	remove := func(s *Store) error { return s.Delete(t.Context(), "a", 2) }
	putAgain := func(s *Store) error {
		anew := scheduled("a")
		anew.Hash = []byte("another")
		r := s.Put(t.Context(), now, []dispatch.Task{anew})[0]
		if r.Existing {
			return errors.New("existing")
		}
		return r.Err
	}
	broken := errors.New("broken")
	fail := func(s *Store) error {
		return s.writer.write(t.Context(), 1, func(*session) error { return broken })
	}
	type step struct {
		call call
		want error
	}
	for name, c := range map[string]struct {
		steps      []step
		lease      string
		generation int64
		state      dispatch.State
	}{
		"put back and claimed": {[]step{
			{settle("first", 2), nil}, {claim(next), nil}, {settle("first", 2), dispatch.ErrLeaseLost},
		}, "next", 3, dispatch.Scheduled},
		"put back twice": {[]step{
			{settle("first", 2), nil}, {settle("first", 2), nil},
		}, "", 2, dispatch.Scheduled},
		"put back, claimed, put back": {[]step{
			{settle("first", 2), nil}, {claim(next), nil}, {settle("next", 3), nil},
		}, "", 3, dispatch.Scheduled},
		"delivered and claimed": {[]step{
			{settle("first", 2, delivered), nil}, {claim(next), dispatch.ErrRefused},
		}, "", 2, dispatch.Delivered},
		"delivered, deleted, put again with an earlier generation": {[]step{
			{settle("first", 2, delivered), nil}, {remove, nil}, {putAgain, nil}, {settle("first", 2, delivered), dispatch.ErrLeaseLost},
		}, "", 1, dispatch.Scheduled},
		"delivered, past its TTL, put again, claimed": {[]step{
			{settle("first", 2, delivered, past), nil}, {putAgain, nil}, {settle("first", 2, delivered), dispatch.ErrLeaseLost}, {claim(next), nil},
		}, "next", 2, dispatch.Scheduled},
		"put back in a transaction that fails": {[]step{
			{settle("first", 2), broken}, {fail, broken},
		}, "first", 2, dispatch.Scheduled},
	} {
		t.Run(name, func(t *testing.T) {
			s := opened(t, filepath.Join(t.TempDir(), "a.db"))
			if err := s.putOne(t.Context(), scheduled("a")); err != nil {
				t.Fatal(err)
			}
			if err := claim(first)(s); err != nil {
				t.Fatal(err)
			}
			release := hold(t, s)
			errs := make([]chan error, len(c.steps))
			for i, step := range c.steps {
				errs[i] = make(chan error, 1)
				go func() { errs[i] <- step.call(s) }()
				untilWaiting(s, i+1)
			}
			release()
			for i, step := range c.steps {
				if err := <-errs[i]; !errors.Is(err, step.want) {
					t.Errorf("step %d: %v, want %v", i+1, err, step.want)
				}
			}
			g := s.Get(t.Context(), []string{"a"})[0]
			if g.Err != nil || g.Task.Lease != c.lease || g.Task.Generation != c.generation || g.Task.State != c.state {
				t.Errorf("%+v, %v; want lease %q, generation %d, %s", g.Task, g.Err, c.lease, c.generation, c.state)
			}
			want := int64(0)
			if c.lease != "" {
				want = 1
			}
			if err := s.read(t.Context(), func(c *session) error {
				n, err := c.number(`SELECT count(*) FROM leases`)
				if n != want {
					t.Errorf("%d leases, want %d", n, want)
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
		})
	}
}
