package storetest

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// member returns a task of the fixture's group.
func (f fixture) member(name string, change ...func(*dispatch.Task)) dispatch.Task {
	t := f.task(name, func(t *dispatch.Task) { t.Group, t.TTL = f.queue+".g", time.Time{} })
	for _, c := range change {
		c(&t)
	}
	return t
}

// testGroupWrite is about what else the writes of groups do, and what they leave.
func testGroupWrite(t *testing.T, store dispatch.Store) {
	sub(t, store, "one that fails takes along those behind it in its group and call", func(f fixture) {
		big := f.member("big", func(t *dispatch.Task) { t.Doc = bytes.Repeat([]byte("x"), dispatch.MaxRow+1) })
		other := func(t *dispatch.Task) { t.Group += ".other" }
		tasks := []dispatch.Task{f.member("a"), f.member("x", other), big, f.member("b"), f.task("plain"), f.member("y", other), f.member("c")}
		r := f.store.Put(f.ctx, now, tasks)
		for i, fails := range []bool{2: true, 3: true, 6: true} {
			if (r[i].Err != nil) != fails {
				f.Errorf("%s: %v", tasks[i].ID, r[i].Err)
			}
			if got := f.store.Get(f.ctx, []string{tasks[i].ID})[0]; (got.Err != nil) != fails {
				f.Errorf("%s is there: %v", tasks[i].ID, got.Err)
			}
		}
		f.wantErr("the one at fault", r[2].Err, dispatch.ErrTooLarge)
		if r := f.store.Put(f.ctx, now, []dispatch.Task{f.member("b")})[0]; r.Err != nil || r.Task.Prev != tasks[0].ID {
			f.Errorf("put later: behind %q, %v", r.Task.Prev, r.Err)
		}
	})
	sub(t, store, "a member is a row as others are, in its group", func(f fixture) {
		full := func(t *dispatch.Task) {
			t.Reason, t.Flag, t.Identifier, t.ExpireAt = "r", true, f.queue+".label", now.Add(time.Hour)
			t.Progress = []dispatch.Progress{{Attempts: 2, Error: "e"}}
		}
		a, b := f.member("a", full), f.member("b", full)
		for _, r := range f.store.Put(f.ctx, now, []dispatch.Task{a, b}) {
			f.wantErr("put", r.Err, nil)
		}
		a.Next, b.Prev, b.State = b.ID, a.ID, dispatch.Blocked
		f.wantRow("head", a)
		f.wantRow("behind", b)
		mine := delivered(f.claimed(a.ID, "token", now), now)
		f.settle(mine)
		f.wantRow("ended", settled(mine))
		b.State = dispatch.Scheduled
		f.wantRow("its turn", b)
	})
	sub(t, store, "a settle cannot move a task to another group or place", func(f fixture) {
		f.store.Put(f.ctx, now, []dispatch.Task{f.member("a"), f.member("b")})
		mine := f.claimed(f.member("a").ID, "token", now)
		f.store.Put(f.ctx, now, []dispatch.Task{f.member("c")})
		want := settled(retried(mine, now))
		mine.Group, mine.Prev, mine.Next = "another", "another's", "another's"
		f.settle(retried(mine, now))
		f.wantRow("row", want)
	})
	sub(t, store, "a settle that read the row before somebody joined behind", func(f fixture) {
		f.put(f.member("a"))
		mine := f.claimed(f.member("a").ID, "token", now)
		f.store.Put(f.ctx, now, []dispatch.Task{f.member("b")})
		if next := f.settle(delivered(mine, now)); next.ID != f.member("b").ID {
			f.Errorf("the turn goes to %+v", next)
		}
	})
	sub(t, store, "a lost lease hands nothing over", func(f fixture) {
		f.store.Put(f.ctx, now, []dispatch.Task{f.member("a"), f.member("b")})
		mine := f.claimed(f.member("a").ID, "token", now)
		f.claimed(mine.ID, "next", mine.Until)
		f.wantErr("settle", f.settleErr(delivered(mine, now)), dispatch.ErrLeaseLost)
		if got := f.get(f.member("b").ID).State; got != dispatch.Blocked {
			f.Errorf("the one behind is %s", got)
		}
	})
	sub(t, store, "a row past its TTL is put anew into a group", func(f fixture) {
		f.put(f.task("a", func(t *dispatch.Task) { *t = failed(*t, now); t.TTL = now.Add(-time.Hour).Truncate(time.Second) }))
		f.put(f.member("head"))
		f.wantErr("put", f.store.Put(f.ctx, now, []dispatch.Task{f.member("a")})[0].Err, nil)
		want := f.member("a", func(t *dispatch.Task) { t.State, t.Prev = dispatch.Blocked, f.member("head").ID })
		f.wantRow("row", want)
	})
	sub(t, store, "long documents and many members", func(f fixture) {
		var tasks []dispatch.Task
		for i := range 60 {
			tasks = append(tasks, f.member(fmt.Sprint(i), func(t *dispatch.Task) { t.Doc = bytes.Repeat([]byte("x"), 100<<10) }))
		}
		for i, r := range f.store.Put(f.ctx, now, tasks) {
			if r.Err != nil || i > 0 && r.Task.Prev != tasks[i-1].ID {
				f.Fatalf("member %d: behind %q, %v", i, r.Task.Prev, r.Err)
			}
		}
	})
	testGroupOvertaken(t, store)
}

// testGroupOvertaken has the group change between an edit's read and its write.
func testGroupOvertaken(t *testing.T, store dispatch.Store) {
	for _, c := range []struct {
		name      string
		edited    string
		meanwhile func(f fixture)
		edit      func(*dispatch.Task)
		state     dispatch.State // in the end, of the edited
		next      string         // behind it in the end
		turn      string         // to whom the edit gives it
	}{
		{"one joins behind one that is being flagged", "b",
			func(f fixture) { f.store.Put(f.ctx, now, []dispatch.Task{f.member("c")}) },
			func(t *dispatch.Task) { t.Flag = true }, dispatch.Blocked, "c", ""},
		{"one joins behind a head that is being moved", "alone",
			func(f fixture) {
				f.store.Put(f.ctx, now, []dispatch.Task{f.member("c", func(t *dispatch.Task) { t.Group += ".alone" })})
			},
			func(t *dispatch.Task) { t.DueAt = now.Add(time.Hour) }, dispatch.Scheduled, "c", ""},
		{"the turn comes to one that is being flagged", "b",
			func(f fixture) { f.settle(delivered(f.claimed(f.member("a").ID, "meanwhile", now), now)) },
			func(t *dispatch.Task) { t.Flag = true }, dispatch.Scheduled, "", ""},
		{"one joins behind a head that is being cancelled", "a",
			func(f fixture) { f.store.Put(f.ctx, now, []dispatch.Task{f.member("c")}) },
			cancelled, dispatch.Cancelled, "b", "b"},
		{"one joins behind the only one, which is being cancelled", "alone",
			func(f fixture) {
				f.store.Put(f.ctx, now, []dispatch.Task{f.member("c", func(t *dispatch.Task) { t.Group += ".alone" })})
			},
			cancelled, dispatch.Cancelled, "c", "c"},
		{"one joins the group that one is joining again", "ended",
			func(f fixture) {
				f.store.Put(f.ctx, now, []dispatch.Task{f.member("c", func(t *dispatch.Task) { t.Group += ".ended" })})
			},
			func(t *dispatch.Task) {
				t.State, t.DueAt, t.Lane = dispatch.Scheduled, now, dispatch.Lane(t.Queue, t.ID, 1)
			}, dispatch.Blocked, "", ""},
	} {
		sub(t, store, c.name, func(f fixture) {
			f.store.Put(f.ctx, now, []dispatch.Task{
				f.member("a"), f.member("b"),
				f.member("alone", func(t *dispatch.Task) { t.Group += ".alone" }),
				f.member("ended", func(t *dispatch.Task) { t.Group += ".ended" }),
			})
			f.settle(delivered(f.claimed(f.member("ended").ID, "token", now), now))
			calls := 0
			got, turn := f.edited(f.member(c.edited).ID, func(t *dispatch.Task) error {
				if calls++; calls == 1 {
					c.meanwhile(f)
				}
				c.edit(t)
				return nil
			})
			f.wantRow("returned", got)
			next, to := "", ""
			if c.next != "" {
				next = f.member(c.next).ID
			}
			if c.turn != "" {
				to = f.member(c.turn).ID
			}
			if got.State != c.state || got.Next != next || turn.ID != to {
				f.Errorf("%s before %q, the turn to %q; want %s before %q, the turn to %q", got.State, got.Next, turn.ID, c.state, next, to)
			}
		})
	}
}

func cancelled(t *dispatch.Task) { *t = delivered(*t, now); t.State = dispatch.Cancelled }
