package engine_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

const twoTenants = `{"tenants": {"acme": {}, "globex": {}}}`

// of makes tasks a tenant's, as enqueue does.
func of(tenant string) func(*dispatch.Task) {
	return func(t *dispatch.Task) { t.Tenant, t.Lane = tenant, dispatch.Lane("default~"+tenant, "", 1) }
}

// order is what receivers have seen, in turn.
type order struct {
	mu    sync.Mutex
	hosts []string
}

func (o *order) note(c dispatch.Call) {
	o.mu.Lock()
	defer o.mu.Unlock()
	host, _, _ := strings.Cut(strings.TrimPrefix(c.Doc.URI, "https://"), "/")
	o.hosts = append(o.hosts, host)
}

// before returns how many calls began before the first to a host, and after a point; -1 if there was none.
func (o *order) before(host string, after int) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, h := range o.hosts[after:] {
		if h == host {
			return i
		}
	}
	return -1
}

func (o *order) len() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.hosts)
}

// A tenant with thousands of tasks that have long been due keeps another's waiting for a few calls at most, whether that
// is found by its sweep or offered by enqueue, and whether it goes to another receiver or to the same.
func TestATenantsFloodDelaysNoOther(t *testing.T) {
	const workers = 8
	for _, test := range []struct {
		name string
		host string // of the other's task
		put  func(r rig, host string)
		most int // calls that begin before it
	}{
		{"found, to another receiver", "globex", func(r rig, host string) { r.enqueue(host, 1, of("globex")) }, 2 * workers},
		{"offered, to another receiver", "globex", func(r rig, host string) { r.offer(host, `, "tenant": "globex"`, 1) }, 2 * workers},
		{"offered, to the same receiver", "same", func(r rig, host string) { r.offer(host, `, "tenant": "globex"`, 1) }, 2 * workers},
		{"without a tenant", "plain", func(r rig, host string) { r.offer(host, "", 1) }, 2 * workers},
	} {
		t.Run(test.name, func(t *testing.T) {
			var seen order
			in(t, workers, func(ctx context.Context, c dispatch.Call) dispatch.Answer {
				if c.Task.Tenant == "acme" {
					seen.note(dispatch.Call{Doc: dispatch.Doc{URI: "https://flood/"}})
				} else {
					seen.note(c)
				}
				return slowly(ctx, 10*time.Millisecond, 204)
			}, func(t *testing.T, r rig) {
				r.save(twoTenants)
				r.engine.SettingsChanged()
				flooding := test.host
				if flooding != "same" {
					flooding = "flood"
				}
				r.enqueue(flooding, 2500, of("acme"))
				r.offer(flooding+".offered", `, "tenant": "acme"`, 2500)
				r.until(time.Second, "the flood has begun", func() bool { return seen.len() > 100 })
				begun := seen.len()
				test.put(r, test.host)
				r.until(1500*time.Millisecond, "it is called", func() bool { return seen.before(test.host, begun) >= 0 })
				found := 0
				if strings.HasPrefix(test.name, "found") { // by the look of the next second
					found = 100 * workers
				}
				if n := seen.before(test.host, begun); n > test.most+found {
					t.Errorf("%d calls began before it, want %d at most", n, test.most+found)
				}
			})
		})
	}
}

// A tenant all of whose receivers hang, each of which is another, takes no worker that another's tasks need.
func TestATenantThatHangsStopsNoOther(t *testing.T) {
	const workers = 8
	var hung gauge
	in(t, workers, func(ctx context.Context, c dispatch.Call) dispatch.Answer {
		if c.Task.Tenant == "acme" {
			hung.begin()
			defer hung.end()
			return slowly(ctx, time.Hour, 204) // until the timeout
		}
		return slowly(ctx, 10*time.Millisecond, 204)
	}, func(t *testing.T, r rig) {
		r.save(twoTenants)
		r.engine.SettingsChanged()
		for i := range 40 {
			r.enqueue(fmt.Sprint("hung", i), 5, of("acme"))
		}
		r.until(3*time.Second, "the flood has begun", func() bool { hung.mu.Lock(); defer hung.mu.Unlock(); return hung.now > 0 })
		<-time.After(2 * time.Second)
		r.enqueue("globex", 50, of("globex"))
		r.enqueue("plain", 50, nil)
		r.until(3*time.Second, "all of the others are delivered before the first that hangs ends", func() bool {
			return r.in(dispatch.Delivered, "globex") == 50 && r.in(dispatch.Delivered, "plain") == 50
		})
		if hung.most > 5 {
			t.Errorf("%d in flight of the one that hangs at once, want 5 of 8 workers at most", hung.most)
		}
	})
}

// Alone at work, a tenant has most workers; tasks of a store without tenants have them all.
func TestWorkersOfATenantAlone(t *testing.T) {
	for settings, want := range map[string]int{twoTenants: 5, `{}`: 8, `{"tenants": {"*": {}}}`: 8} {
		var calls gauge
		in(t, 8, func(ctx context.Context, c dispatch.Call) dispatch.Answer {
			calls.begin()
			defer calls.end()
			return slowly(ctx, time.Second, 204)
		}, func(t *testing.T, r rig) {
			r.save(settings)
			r.engine.SettingsChanged()
			for i := range 50 { // each has a receiver of its own, so that only the tenant's share counts
				r.offer(fmt.Sprint("host", i), `, "tenant": "acme"`, 1)
			}
			<-time.After(5 * time.Second)
			if calls.most != want {
				t.Errorf("%s: %d calls at once, want %d", settings, calls.most, want)
			}
		})
	}
}

// A tenant that is named while the engine runs is swept from then on, to the millisecond.
func TestATenantIsNamedWhileTheEngineRuns(t *testing.T) {
	var seen record
	in(t, 4, func(ctx context.Context, c dispatch.Call) dispatch.Answer { return seen.answer(ctx, c, 0, 204) }, func(t *testing.T, r rig) {
		<-time.After(10 * time.Second)
		r.save(twoTenants)
		r.engine.SettingsChanged()
		r.offer("later", `, "tenant": "globex", "delay": 3.25`, 1)
		began := time.Now()
		<-time.After(3250*time.Millisecond - time.Millisecond)
		if n := len(seen.all()); n != 0 {
			t.Fatalf("%d calls after %v", n, time.Since(began))
		}
		<-time.After(2 * time.Millisecond)
		if n := len(seen.all()); n != 1 {
			t.Errorf("%d calls after %v, want one", n, time.Since(began))
		}
	})
}

// A task that waited for room at its receiver has its turn with what its tenant's limits ask for: else it would be claimed
// once more, only to find out.
func TestATurnKnowsTheTenant(t *testing.T) {
	in(t, 8, func(ctx context.Context, c dispatch.Call) dispatch.Answer { return slowly(ctx, time.Second, 204) }, func(t *testing.T, r rig) {
		r.save(`{"tenants": {"acme": {"inFlight": 100}, "globex": {"inFlight": 100}, "initech": {"inFlight": 100}}}`)
		r.engine.SettingsChanged()
		for _, tenant := range []string{"acme", "globex", "initech"} {
			r.offer("slow", `, "tenant": "`+tenant+`", "identifier": "`+tenant+`"`, 10)
		}
		r.until(time.Minute, "all are delivered", func() bool { return r.in(dispatch.Delivered, "slow") == 30 })
		all := 0
		for _, n := range r.claims.n {
			all += n
		}
		if all > 75 { // one for each, and one more for those that came when their receiver had no room
			t.Errorf("%d claims of 30 tasks", all)
		}
	})
}

// offer enqueues n tasks for a host, as a caller does.
func (r rig) offer(host, fields string, n int) {
	r.t.Helper()
	offered := time.Now().UnixNano()
	for first := 0; first < n; first += 1000 {
		var parts []string
		for i := first; i < min(first+1000, n); i++ {
			parts = append(parts, fmt.Sprintf(`{"id": "%s-o%d-%d", "uri": "https://%s/"%s}`, host, offered+int64(len(fields)), i, host, fields))
		}
		if _, err := r.engine.Enqueue.Run(r.t.Context(), []byte(`{"tasks": [`+strings.Join(parts, ",")+`]}`), nil); err != nil {
			r.t.Fatal(err)
		}
	}
}
