package storetest

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

func testCallback(t *testing.T, store dispatch.Store) {
	sub(t, store, "is put in the commit of the end", func(f fixture) {
		mine := delivered(f.claimed(f.put(f.task("a")).ID, "token", now), now)
		first, second := f.callback(mine, "success"), f.callback(mine, "notice")
		f.settle(mine, first, second)
		f.wantRow("ended", settled(mine))
		f.wantRow("first", first)
		f.wantRow("second", second)
		if h := f.due(first.Lane, now); len(h) != 2 {
			f.Errorf("the lane has %v, want both callbacks", h)
		}
		f.claimed(first.ID, "token", now)
	})
	sub(t, store, "is put by a settle for another attempt too", func(f fixture) {
		mine := retried(f.claimed(f.put(f.task("a")).ID, "token", now), now.Add(time.Hour))
		notice := f.callback(mine, "notice")
		f.settle(mine, notice)
		f.wantRow("task", settled(mine))
		f.wantRow("callback", notice)
	})
	sub(t, store, "comes with the turn of the next", func(f fixture) {
		f.store.Put(f.ctx, now, []dispatch.Task{f.member("a"), f.member("b")})
		mine := failed(f.claimed(f.member("a").ID, "token", now), now)
		call := f.callback(mine, "failure")
		for range 2 {
			if next := f.settle(mine, call); next.ID != f.member("b").ID {
				f.Errorf("the turn goes to %+v", next)
			}
		}
		f.wantRow("callback", call)
		f.claimed(f.member("b").ID, "token", now)
	})
	sub(t, store, "of a refused settle is not put", func(f fixture) {
		mine := f.claimed(f.put(f.task("a")).ID, "token", now)
		f.claimed(mine.ID, "next", mine.Until)
		mine = delivered(mine, now)
		call := f.callback(mine, "success")
		f.wantErr("settle", f.settleErr(mine, call), dispatch.ErrLeaseLost)
		f.wantErr("callback", f.store.Get(f.ctx, []string{call.ID})[0].Err, dispatch.ErrNotFound)
	})
	sub(t, store, "of a settle repeated is there once", func(f fixture) {
		mine := delivered(f.claimed(f.put(f.task("a")).ID, "token", now), now)
		call := f.callback(mine, "success")
		f.settle(mine, call)
		row := f.claimed(call.ID, "token", now)
		f.settle(mine, call)
		f.wantRow("callback", row)
		row = delivered(row, now)
		f.settle(row)
		f.wantErr("deletion", f.store.Delete(f.ctx, row.ID, row.Generation), nil)
		f.settle(mine, call)
		f.wantErr("callback, deleted", f.store.Get(f.ctx, []string{call.ID})[0].Err, dispatch.ErrNotFound)
	})
	sub(t, store, "whose id is there already stays as it is", func(f fixture) {
		mine := delivered(f.claimed(f.put(f.task("a")).ID, "token", now), now)
		there := f.put(f.callback(mine, "success"))
		call := f.callback(mine, "success")
		call.Run, call.Doc = 9, []byte("{}")
		other := f.callback(mine, "notice")
		f.settle(mine, call, other)
		f.wantRow("task", settled(mine))
		f.wantRow("callback", there)
		f.wantRow("other callback", other)
	})
	sub(t, store, "that is too large leaves the task as it is", func(f fixture) {
		row := f.claimed(f.put(f.task("a")).ID, "token", now)
		mine := delivered(row, now)
		small, big := f.callback(mine, "notice"), f.callback(mine, "success")
		big.Doc = bytes.Repeat([]byte("x"), dispatch.MaxRow+1)
		f.wantErr("settle", f.settleErr(mine, small, big), dispatch.ErrTooLarge)
		f.wantRow("row", row)
		f.wantErr("the other callback", f.store.Get(f.ctx, []string{small.ID})[0].Err, dispatch.ErrNotFound)
	})
	sub(t, store, "is not the caller's memory", func(f fixture) {
		mine := delivered(f.claimed(f.put(f.task("a")).ID, "token", now), now)
		call := f.callback(mine, "success")
		want := call
		want.Doc = bytes.Clone(call.Doc)
		f.settle(mine, call)
		call.Doc[0] = 'X'
		f.wantRow("callback", want)
	})
}

// callback is a task that a settle of t puts; its id has slashes, as no other's.
func (f fixture) callback(t dispatch.Task, name string) dispatch.Task {
	return newTask(f.queue, fmt.Sprintf("%s/%d/%s", t.ID, t.Generation, name))
}
