package dispatch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

const twoTenants = `{
	"queues": {"default": {}, "bulk": {"lanes": 3}},
	"tenants": {"signed": {"issuer": "signed-calls"}, "acme": {"allowedHosts": ["api.acme.com", "*.acme.example", "2001:db8::1", "arn:aws:lambda:eu-west-1:123456789012:function:acme"]}, "globex": {"lanes": 2}, "gone": {"retired": true}},
	"routes": {"order.paid": {"targets": [{"name": "ledger", "uri": "https://ledger.example.com/"}]}}
}`

func TestEnqueueChecksTheTenant(t *testing.T) {
	const fine = `"uri":"https://api.acme.com/"`
	for _, test := range []struct {
		name, settings, input string
		pointer, detail       string // "": it is taken
	}{
		{"one that is named", twoTenants, `{"tenant":"acme",` + fine + `}`, "", ""},
		{"none", twoTenants, `{"uri":"https://example.com/"}`, "", ""},
		{"null", twoTenants, `{"tenant":null,"uri":"https://example.com/"}`, "", ""},
		{"one that nobody knows", twoTenants, `{"tenant":"initech",` + fine + `}`, "#/tenant", `there is no tenant "initech"; there are acme, globex, gone, signed`},
		{"one that is retired", twoTenants, `{"tenant":"gone",` + fine + `}`, "#/tenant", `the tenant "gone" is retired: it takes no new tasks`},
		{"no name", twoTenants, `{"tenant":"*",` + fine + `}`, "#/tenant", "must be 1 to 64 characters of a-z 0-9 _ -"},
		{"any, where others are allowed", `{"tenants":{"acme":{},"*":{"rate":1}}}`, `{"tenant":"initech",` + fine + `}`, "", ""},
		{"any, where none is named", `{}`, `{"tenant":"initech",` + fine + `}`, "", ""},
		{"another host", twoTenants, `{"tenant":"acme","uri":"https://api.globex.com/"}`, "#/uri", `has the host "api.globex.com", which its tenant may not call; it may call api.acme.com, *.acme.example, 2001:db8::1, arn:aws:lambda:eu-west-1:123456789012:function:acme`},
		{"another host, in a batch", twoTenants, `{"tasks":[{"uri":"https://api.globex.com/"},{"tenant":"acme","uri":"https://api.globex.com/"}]}`, "#/tasks/1/uri", ""},
		{"after one that is bound, one that is not", twoTenants, `{"tasks":[{"tenant":"acme",` + fine + `},{"uri":"https://api.globex.com/"},{"tenant":"globex","uri":"https://api.globex.com/"}]}`, "", ""},
		{"a host in other letters, with a port", twoTenants, `{"tenant":"acme","uri":"https://API.Acme.com:8443/"}`, "", ""},
		{"a host under one", twoTenants, `{"tenant":"acme","uri":"https://a.b.acme.example/"}`, "", ""},
		{"the one itself", twoTenants, `{"tenant":"acme","uri":"https://acme.example/"}`, "#/uri", ""},
		{"one that only ends so", twoTenants, `{"tenant":"acme","uri":"https://evilacme.example/"}`, "#/uri", ""},
		{"one that only begins so", twoTenants, `{"tenant":"acme","uri":"https://api.acme.com.evil.example/"}`, "#/uri", ""},
		{"an address in another spelling", twoTenants, `{"tenant":"acme","uri":"https://[2001:DB8:0:0::1]/"}`, "", ""},
		{"another address", twoTenants, `{"tenant":"acme","uri":"https://192.0.2.1/"}`, "#/uri", ""},
		{"an ARN", twoTenants, `{"tenant":"acme","uri":"arn:aws:lambda:eu-west-1:123456789012:function:acme"}`, "", ""},
		{"an alias of it", twoTenants, `{"tenant":"acme","uri":"arn:aws:lambda:eu-west-1:123456789012:function:acme:live"}`, "", ""},
		{"another ARN", twoTenants, `{"tenant":"acme","uri":"arn:aws:lambda:eu-west-1:123456789012:function:acme2"}`, "#/uri", ""},
		{"claims without an issuer", twoTenants, `{"tenant":"signed","uri":"https://a.example/","claims":{}}`, "", ""},
		{"claims of its own issuer", twoTenants, `{"tenant":"signed","uri":"https://a.example/","claims":{"iss":"signed-calls"}}`, "", ""},
		{"claims of another issuer", twoTenants, `{"tenant":"signed","uri":"https://a.example/","claims":{"iss":"dispatch"}}`, "#/claims/iss", "must be signed-calls, the issuer of its tenant; leave it out"},
		{"claims of another tenant's issuer", twoTenants, `{"tenant":"globex","uri":"https://a.example/","claims":{"iss":"signed-calls"}}`, "#/claims/iss", "is the issuer of another tenant; leave it out"},
		{"claims of an issuer that is nobody's", twoTenants, `{"tenant":"globex","uri":"https://a.example/","claims":{"iss":"a"}}`, "", ""},
		{"claims of nobody's task", twoTenants, `{"tasks":[{"tenant":"signed","uri":"https://a.example/"},{"uri":"https://a.example/","claims":{"iss":"a"}}]}`, "", ""},
		{"a callback to another host", twoTenants, `{"tenant":"acme",` + fine + `,"onFailure":{"uri":"https://example.com/"}}`, "#/onFailure/uri", ""},
		{"a type that goes to another host", twoTenants, `{"tenant":"acme","type":"order.paid"}`, "#/type", ""},
		{"a type that goes where it may", twoTenants, `{"tenant":"globex","type":"order.paid"}`, "", ""},
	} {
		inWorld(t, func(w *world) {
			w.settings(test.settings)
			e := dispatch.Enqueue{
				Store: w.store, Settings: dispatch.CachedSettings(w.store, time.Now, 0), Retention: dispatch.DefaultRetention, Now: time.Now,
				CanSign: true, CheckARN: func(dispatch.ARN) error { return nil }, Log: slog.New(slog.DiscardHandler),
			}
			_, err := e.Run(w.Context(), []byte(test.input), func(i int) string { return fmt.Sprint("t", i) })
			invalid, _ := errors.AsType[*dispatch.InvalidInput](err)
			switch {
			case test.pointer == "" && err != nil:
				t.Errorf("%s: %v", test.name, err)
			case test.pointer == "":
			case invalid == nil || len(invalid.Faults) != 1 || invalid.Faults[0].Pointer != test.pointer || test.detail != "" && invalid.Faults[0].Detail != test.detail:
				t.Errorf("%s: %v, want one fault at %s: %s", test.name, err, test.pointer, test.detail)
			}
		})
	}
}

// A row says whose it is, and lies in a lane of its tenant's own if that is named.
func TestTenantsRow(t *testing.T) {
	inWorld(t, func(w *world) {
		row := func(id, fields string) dispatch.Task {
			w.enqueue(id, `,"uri":"https://a.acme.example/"`+fields)
			return w.get(id)
		}
		before := row("before", `,"tenant":"acme"`)
		w.settings(twoTenants)
		for _, test := range []struct {
			task    dispatch.Task
			tenant  string
			lanes   []string
			version int
		}{
			{before, "acme", []string{"default#0"}, 3},
			{row("plain", ""), "", []string{"default#0"}, 1},
			{row("one", `,"tenant":"acme"`), "acme", []string{"default~acme#0"}, 3},
			{row("bulk", `,"tenant":"acme","queue":"bulk"`), "acme", []string{"bulk~acme#0"}, 3},
			{row("two", `,"tenant":"globex"`), "globex", []string{"default~globex#0", "default~globex#1"}, 3},
		} {
			if got := test.task; got.Tenant != test.tenant || !slices.Contains(test.lanes, got.Lane) || got.Version != test.version || got.Queue != dispatch.QueueOf(got.Lane) {
				t.Errorf("%s: tenant %q, queue %s, lane %s, version %d; want %q, %v, %d", got.ID, got.Tenant, got.Queue, got.Lane, got.Version, test.tenant, test.lanes, test.version)
			}
		}
		// Its failures are in lanes of its own, too; a run by hand is back in its live one, and so is what tells of an end.
		w.answers = []dispatch.Answer{{Status: 418}, {Status: 200}}
		got := w.run(w.enqueue("fails", `,"tenant":"acme","uri":"https://a.acme.example/","onFailure":{"uri":"https://b.acme.example/"}`))
		if got.Lane != "default~acme!failed#0" {
			t.Errorf("it failed into %s", got.Lane)
		}
		told := w.get(fmt.Sprintf("fails/%d/failure", got.Generation))
		if d, _ := dispatch.DecodeDoc(told.Doc); told.Tenant != "acme" || told.Lane != "default~acme#0" || told.Version != 3 || !bytes.Contains(d.Body, []byte(`"tenant":"acme"`)) {
			t.Errorf("its callback: tenant %q, lane %s, version %d, %s", told.Tenant, told.Lane, told.Version, d.Body)
		}
		editor := dispatch.Editor{Store: w.store, Settings: w.handle.Settings, Retention: dispatch.DefaultRetention, Now: time.Now}
		if again, err := editor.Retry(w.Context(), "fails"); err != nil || again.Lane != "default~acme#0" || again.Tenant != "acme" {
			t.Errorf("run again: %+v, %v", again, err)
		}
		// A filter finds it whatever lane it is in.
		f, err := editor.Filter(w.Context(), "default", "acme", dispatch.Scheduled)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for task, err := range w.store.List(w.Context(), f) {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, task.ID)
		}
		if slices.Sort(ids); !slices.Equal(ids, []string{"before", "fails", told.ID, "one"}) {
			t.Errorf("scheduled for acme: %v in %v", ids, f.Lanes)
		}
	})
}

func TestTenantsAreNeverRemoved(t *testing.T) {
	inWorld(t, func(w *world) {
		w.settings(`{"tenants":{"acme":{"lanes":2},"*":{}}}`)
		for _, test := range [][2]string{
			{`{}`, "#/tenants/acme"},
			{`{"tenants":{"globex":{}}}`, "#/tenants/acme"},
			{`{"tenants":{"*":{}}}`, "#/tenants/acme"},
			{`{"tenants":{"acme":{}}}`, "#/tenants/acme/lanes"},
			{`{"tenants":{"acme":{"lanes":2}}}`, ""},
			{`{"tenants":{"acme":{"lanes":3,"retired":true}}}`, ""},
		} {
			input, pointer := test[0], test[1]
			s, err := dispatch.ParseSettings([]byte(input), nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = dispatch.SaveSettings(w.Context(), w.store, s)
			invalid, _ := errors.AsType[*dispatch.InvalidInput](err)
			if (err == nil) != (pointer == "") || pointer != "" && (invalid == nil || len(invalid.Faults) != 1 || invalid.Faults[0].Pointer != pointer) {
				t.Errorf("%s: %v, want a fault at %q", input, err, pointer)
			}
		}
	})
}

// Nobody replaces another tenant's task.
func TestReplaceKeepsTheTenant(t *testing.T) {
	inWorld(t, func(w *world) {
		w.enqueue("a", `,"tenant":"acme","uri":"https://example.com/","delay":60`)
		e := dispatch.Enqueue{Store: w.store, Settings: w.handle.Settings, Retention: dispatch.DefaultRetention, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
		for _, tenant := range []string{"", `,"tenant":"globex"`} {
			r, err := e.Run(w.Context(), []byte(`{"id":"a","onConflict":"replace","uri":"https://example.com/b"`+tenant+`}`), nil)
			if err != nil || r.Tasks[0].Error == nil || r.Tasks[0].Error.Status != 409 || r.Tasks[0].Replaced || w.get("a").Tenant != "acme" {
				t.Errorf("%s: %+v, %v", tenant, r.Tasks, err)
			}
		}
		if r, err := e.Run(w.Context(), []byte(`{"id":"a","onConflict":"replace","tenant":"acme","uri":"https://example.com/b"}`), nil); err != nil || !r.Tasks[0].Replaced {
			t.Errorf("its own: %+v, %v", r.Tasks, err)
		}
	})
}

// What a tenant may call is asked again for each call, which counts as none where it is refused.
func TestHostsAreAskedAtTheCall(t *testing.T) {
	inWorld(t, func(w *world) {
		one := w.enqueue("one", `,"tenant":"acme","uri":"https://api.acme.com/"`)
		other := w.enqueue("other", `,"tenant":"acme","uri":"https://api.globex.com/"`)
		plain := w.enqueue("plain", `,"uri":"https://api.globex.com/"`)
		w.settings(twoTenants)
		if got := w.run(other); got.State != dispatch.Stopped || !strings.HasPrefix(got.Reason, `its uri has the host "api.globex.com", which its tenant may not call`) || len(got.Progress) != 0 {
			t.Errorf("%s: %s, progress %v", got.State, got.Reason, got.Progress)
		}
		w.wantCalls(0)
		for _, h := range []dispatch.Hint{one, plain} {
			if got := w.run(h); got.State != dispatch.Delivered {
				t.Errorf("%s: %s, %s", h.ID, got.State, got.Reason)
			}
		}
		w.wantCalls(2)
		if w.calls[0].AllowedHosts.Check("https://x.acme.example/") != nil || w.calls[0].AllowedHosts.Check("https://example.com/") == nil || w.calls[1].AllowedHosts != nil {
			t.Errorf("the calls carry %v and %v", w.calls[0].AllowedHosts, w.calls[1].AllowedHosts)
		}
	})
}

// Of several targets, those that the tenant may call are called.
func TestHostsOfSeveralTargets(t *testing.T) {
	inWorld(t, func(w *world) {
		const routes = `"routes":{"a":{"targets":[{"name":"mine","uri":"https://api.acme.com/"},{"name":"other","uri":"https://example.com/"}]}}`
		w.settings(`{` + routes + `}`)
		h := w.enqueue("a", `,"type":"a","tenant":"acme"`)
		w.settings(`{` + routes + `,"tenants":{"acme":{"allowedHosts":["api.acme.com"]}}}`)
		got := w.run(h)
		w.wantCalls(1)
		if got.State != dispatch.Stopped || !strings.HasPrefix(got.Reason, "other: its uri has the host") || got.Progress[0].State != dispatch.Delivered || got.Progress[1].Attempts != 0 {
			t.Errorf("%s: %s, %+v", got.State, got.Reason, got.Progress)
		}
	})
}

// The issuer of a call is its target's sender, else its tenant's, else the service's own.
func TestIssuerOfACall(t *testing.T) {
	inWorld(t, func(w *world) {
		w.settings(`{"tenants":{"acme":{"issuer":"acme-calls"},"*":{"issuer":"others"}},
			"routes":{"a":{"targets":[{"name":"a","uri":"https://a.example/","sender":"billing"}]}}}`)
		for _, test := range []struct{ id, fields, want string }{
			{"plain", `,"uri":"https://a.example/"`, ""},
			{"tenant", `,"tenant":"acme","uri":"https://a.example/"`, "acme-calls"},
			{"other", `,"tenant":"initech","uri":"https://a.example/"`, "others"},
			{"target", `,"tenant":"acme","type":"a"`, "billing"},
		} {
			w.run(w.enqueue(test.id, test.fields))
			if got := w.calls[len(w.calls)-1].Doc.Sender; got != test.want {
				t.Errorf("%s: the sender is %q, want %q", test.id, got, test.want)
			}
		}
	})
}

// A tenant's calls are counted in its queue, over all queues, and with the others of the queue: one over any limit is not
// claimed, and comes again.
func TestTenantsLimits(t *testing.T) {
	for _, test := range []struct {
		name, tenants string
		took          []string // who begins, in order: tenant and queue
		want          []int    // how many of them are called
	}{
		{"in a queue", `{"acme":{"queues":{"default":{"inFlight":2}}},"globex":{}}`, []string{"acme default", "acme default", "acme default", "acme bulk", "globex default", " default"}, []int{1, 1, 0, 1, 1, 1}},
		{"in all queues", `{"acme":{"inFlight":2},"globex":{}}`, []string{"acme default", "acme bulk", "acme default", "acme bulk", "globex default"}, []int{1, 1, 0, 0, 1}},
		{"a rate", `{"acme":{"queues":{"default":{"rate":1}}},"globex":{}}`, []string{"acme default", "acme default", "acme bulk", "globex default"}, []int{1, 0, 1, 1}},
		{"beside the queue's", `{"acme":{"inFlight":3},"globex":{}}`, []string{"acme few", "globex few", "acme few", "acme default", "acme default", "acme default"}, []int{1, 1, 0, 1, 1, 0}},
		{"each of those that are not named", `{"acme":{},"*":{"inFlight":1}}`, []string{"globex default", "globex default", "initech default", "acme default", "acme default", " default", " default"}, []int{1, 0, 1, 1, 1, 1, 1}},
	} {
		inWorld(t, func(w *world) {
			w.settings(`{"queues":{"default":{},"bulk":{},"few":{"inFlight":2}},"tenants":` + test.tenants + `}`)
			w.takes = 10 * time.Second
			var wg sync.WaitGroup
			defer wg.Wait()
			for i, who := range test.took {
				tenant, queue, _ := strings.Cut(who, " ")
				fields := `,"uri":"https://example.com/","queue":"` + queue + `"`
				if tenant != "" {
					fields += `,"tenant":"` + tenant + `"`
				}
				w.enqueue(fmt.Sprint(i), fields)
				before := len(w.calls)
				wg.Go(func() {
					if err := w.handle.Run(w.Context(), []dispatch.Hint{w.get(fmt.Sprint(i)).Hint()}); err != nil {
						t.Error(err)
					}
				})
				time.Sleep(time.Millisecond)
				if n := len(w.calls) - before; n != test.want[i] {
					t.Errorf("%s: %d. (%s): %d calls, want %d", test.name, i+1, who, n, test.want[i])
				}
				if got := w.get(fmt.Sprint(i)); test.want[i] == 0 && (got.Lease != "" || got.State != dispatch.Scheduled || len(got.Progress) > 0) {
					t.Errorf("%s: %d. (%s) was put off as %+v", test.name, i+1, who, got)
				}
			}
		})
	}
}

// A hint that does not know the tenant takes from no limit of it; handle then does what the right one would.
func TestHintWithoutTheTenant(t *testing.T) {
	inWorld(t, func(w *world) {
		w.settings(`{"tenants":{"acme":{"inFlight":1}}}`)
		w.takes = 10 * time.Second
		var wg sync.WaitGroup
		for _, id := range []string{"a", "b"} {
			h := w.enqueue(id, `,"uri":"https://example.com/","tenant":"acme"`)
			h.Tenant = ""
			wg.Go(func() {
				if err := w.handle.Run(w.Context(), []dispatch.Hint{h}); err != nil {
					t.Error(err)
				}
			})
			time.Sleep(time.Millisecond)
		}
		w.wantCalls(1)
		wg.Wait()
		w.wantCalls(1)
		if b := w.get("b"); b.Lease != "" || b.State != dispatch.Scheduled {
			t.Errorf("b: %+v", b)
		}
	})
}

// Lines and events name the tenant, those of a task without one nobody.
func TestLogNamesTheTenant(t *testing.T) {
	inWorld(t, func(w *world) {
		var log bytes.Buffer
		var events []dispatch.Event
		w.handle.Log = slog.New(slog.NewJSONHandler(&log, nil))
		w.handle.Notify = func(_ context.Context, e dispatch.Event) { events = append(events, e) }
		w.answers = []dispatch.Answer{{Status: 418}}
		w.run(w.enqueue("a", `,"uri":"https://example.com/","tenant":"acme"`))
		if n := strings.Count(log.String(), `"queue":"default","tenant":"acme"`); n != 2 || len(events) != 1 || events[0].Tenant != "acme" {
			t.Errorf("%d lines name it, events %+v:\n%s", n, events, log.String())
		}
		log.Reset()
		w.run(w.enqueue("b", `,"uri":"https://example.com/"`))
		if strings.Contains(log.String(), "tenant") || !strings.Contains(log.String(), `"queue":"default","run"`) || len(events) != 2 || events[1].Tenant != "" {
			t.Errorf("events %+v:\n%s", events, log.String())
		}
	})
}
