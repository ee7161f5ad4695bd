package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/dispatch/cmd/dispatch/internal/engine"
	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/storetest"
)

// rig is an engine on a store in memory, in a bubble where time passes only when nothing else can happen.
type rig struct {
	t      *testing.T
	store  *storetest.Memory
	engine *engine.Engine
	claims *claims
}

// send is what a test's receivers do.
type send func(context.Context, dispatch.Call) dispatch.Answer

// in runs a test on a running engine, which it then drains.
func in(t *testing.T, workers int, send send, test func(*testing.T, rig)) {
	synctest.Test(t, func(t *testing.T) {
		memory := new(storetest.Memory)
		r := rig{t: t, store: memory, claims: &claims{Store: memory, n: map[string]int{}}}
		r.engine = engine.New(engine.Options{
			Store: r.claims, Send: send, Workers: workers, Retention: dispatch.DefaultRetention, AllowHTTP: true,
			Log: slog.New(slog.DiscardHandler),
		})
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan struct{})
		go func() { r.engine.Run(ctx); close(ran) }()
		defer func() {
			cancel()
			<-ran
			ending, stop := context.WithTimeout(context.Background(), 2*time.Hour)
			defer stop()
			if err := r.engine.Drain(ending); err != nil {
				t.Error(err)
			}
		}()
		test(t, r)
	})
}

// enqueue puts n tasks for host, as the verb does but past it: only the sweep finds them.
func (r rig) enqueue(host string, n int, change func(*dispatch.Task)) {
	r.t.Helper()
	now := time.Now()
	for i := range n {
		d := dispatch.Doc{
			CreatedAt: now, Method: "POST", URI: "https://" + host + "/", Format: dispatch.Envelope, HTTPTimeout: 30,
			SuccessCodes: dispatch.Codes{{From: 200, To: 299}}, Attempts: dispatch.Attempts{Limit: 100, Interval: 1, Backoff: 1}, FirstDueAt: now,
		}
		doc, err := json.Marshal(d)
		if err != nil {
			r.t.Fatal(err)
		}
		t := dispatch.Task{
			ID: fmt.Sprintf("%s-%d", host, i), State: dispatch.Scheduled, Queue: dispatch.DefaultQueue, Run: 1, Doc: doc, Timeout: d.Timeout(),
			DueAt: now, Lane: dispatch.Lane(dispatch.DefaultQueue, "", 1), Generation: now.UnixMilli(), Version: dispatch.FormatVersion,
		}
		if change != nil {
			change(&t)
		}
		for _, result := range r.store.Put(r.t.Context(), now, []dispatch.Task{t}) {
			if result.Err != nil {
				r.t.Fatal(result.Err)
			}
		}
	}
}

// chain puts a group of n as enqueue does, due now: its ids are <group>-0, <group>-1 and so on.
func (r rig) chain(group, fields string, n int) {
	r.t.Helper()
	for first := 0; first < n; first += 1000 {
		var parts []string
		for i := first; i < min(first+1000, n); i++ {
			parts = append(parts, fmt.Sprintf(`{"id": "%s-%d", "uri": "https://%s.example/", "group": %q%s}`, group, i, group, group, fields))
		}
		if _, err := r.engine.Enqueue.Run(r.t.Context(), []byte(`{"tasks": [`+strings.Join(parts, ",")+`]}`), nil); err != nil {
			r.t.Fatal(err)
		}
	}
}

// save changes the settings, as another process does.
func (r rig) save(text string) {
	r.t.Helper()
	s, err := dispatch.ParseSettings([]byte(text), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := dispatch.SaveSettings(r.t.Context(), r.store, s); err != nil {
		r.t.Fatal(err)
	}
}

// until lets time pass until done, for most at most.
func (r rig) until(most time.Duration, what string, done func() bool) {
	r.t.Helper()
	for end := time.Now().Add(most); ; {
		synctest.Wait()
		if done() {
			return
		}
		if time.Now().After(end) {
			r.t.Fatalf("not within %v: %s", most, what)
		}
		<-time.After(most / 1000)
	}
}

// in counts the tasks of a host that are in a state.
func (r rig) in(state dispatch.State, host string) int {
	r.t.Helper()
	n := 0
	for t, err := range r.store.List(r.t.Context(), dispatch.Filter{State: state}) {
		if err != nil {
			r.t.Fatal(err)
		}
		if len(t.ID) > len(host) && t.ID[:len(host)+1] == host+"-" {
			n++
		}
	}
	return n
}

// claims is a store that counts what is claimed.
type claims struct {
	dispatch.Store
	mu sync.Mutex
	n  map[string]int // by task
}

func (c *claims) Claim(ctx context.Context, ids []string, l dispatch.Lease) []dispatch.Result {
	results := c.Store.Claim(ctx, ids, l)
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, r := range results {
		if r.Err == nil {
			c.n[ids[i]]++
		}
	}
	return results
}

// gauge counts what is under way at once.
type gauge struct {
	mu        sync.Mutex
	now, most int
}

func (g *gauge) begin() (others int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now++
	g.most = max(g.most, g.now)
	return g.now - 1
}

func (g *gauge) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now--
}

// slowly answers after d, or not at all where the call ends before.
func slowly(ctx context.Context, d time.Duration, status int) dispatch.Answer {
	select {
	case <-time.After(d):
		return dispatch.Answer{Status: status}
	case <-ctx.Done():
		return dispatch.Answer{Error: "timeout"}
	}
}
