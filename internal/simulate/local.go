package simulate

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"example.com/dispatch/internal/simulate/table"
	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/sqlite"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// local is the store in SQLite of a run without DynamoDB. Its calls are atomic, and may fail having done what was asked;
// the server can be killed, and opens the file again.
type local struct {
	world *world
	path  string
	store *sqlite.Store
	rows  map[string]table.Row // as they were after the last call

	server *process // what all handles share
	starts int
}

// openLocal opens the store of a run, and has the server be killed now and then.
func (w *world) openLocal(path string) error {
	s, err := sqlite.Open(context.Background(), path)
	if err != nil {
		return err
	}
	w.local = &local{world: w, path: path, store: s}
	w.local.start()
	d := newDice(w.seed, "server")
	if w.faults.killed > 0 && d.chance(0.7) {
		w.schedule.in(d.between(0, w.plan.peace), "the server is killed", w.local.restart)
	}
	w.local.upkeep()
	return nil
}

// restart kills the server, and starts another.
func (l *local) restart() {
	w := l.world
	w.tell("the server is killed")
	for _, p := range w.everybody() {
		p.kill()
	}
	close(l.server.place.dead)
	l.start()
	err := l.store.Close()
	if err == nil {
		l.store, err = sqlite.Open(context.Background(), l.path)
	}
	if err == nil {
		_, err = l.store.FreeLeases(context.Background(), time.Now())
	}
	if err != nil {
		w.checker.broken("the store cannot be opened again: %v", err)
	}
	l.look(nil)
}

// start begins the life of a server. It is no invocation: it ends when it is killed.
func (l *local) start() {
	l.starts++
	name := "server " + strconv.Itoa(l.starts)
	place := &instance{name: name, busy: true, dead: make(chan struct{})}
	l.world.instances["server"] = append(l.world.instances["server"], place)
	l.server = &process{world: l.world, name: name, place: place, ctx: context.Background(), counts: map[string]int{}}
}

// upkeep deletes what is past its time to live, once an hour, as the server does.
func (l *local) upkeep() {
	if _, err := l.store.Purge(context.Background(), time.Now()); err != nil {
		l.world.checker.broken("purging: %v", err)
	}
	l.look(nil)
	l.world.schedule.in(time.Hour, "upkeep", l.upkeep)
}

// look finds out what has changed.
func (l *local) look(p *process) {
	now := map[string]table.Row{}
	for t, err := range l.store.List(context.Background(), dispatch.Filter{}) {
		if err != nil {
			l.world.checker.broken("listing: %v", err)
			return
		}
		now[t.ID] = rowOf(t)
	}
	all := maps.Clone(now)
	maps.Copy(all, l.rows)
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if !maps.EqualFunc(l.rows[id], now[id], table.Same) {
			l.world.checker.change(p, table.Change{ID: id, Before: l.rows[id], After: now[id]})
		}
	}
	l.rows = now
}

// rowOf is the task as the checker knows rows.
func rowOf(t dispatch.Task) table.Row {
	r := table.Row{"id": texts(t.ID), "state": texts(string(t.State))}
	for name, s := range map[string]string{"reason": t.Reason, "lane": t.Lane, "lease": t.Lease, "group": t.Group, "next": t.Next, "queue": t.Queue, "identifier": t.Identifier, "tenant": t.Tenant} {
		if s != "" {
			r[name] = texts(s)
		}
	}
	for name, n := range map[string]int64{
		"dueAt": dispatch.Millis(t.DueAt), "expireAt": dispatch.Millis(t.ExpireAt), "until": dispatch.Millis(t.Until), "run": int64(t.Run),
		"generation": t.Generation, "lapses": int64(t.Lapses), "ttl": (dispatch.Millis(t.TTL) + 999) / 1000,
	} {
		if n != 0 {
			r[name] = numbers(n)
		}
	}
	if t.Flag {
		r["flag"] = numbers(1)
	}
	if b, err := dispatch.EncodeProgress(t.Progress); err == nil && b != nil {
		r["progress"] = &types.AttributeValueMemberB{Value: b}
	}
	r["doc"] = &types.AttributeValueMemberB{Value: t.Doc}
	return r
}
