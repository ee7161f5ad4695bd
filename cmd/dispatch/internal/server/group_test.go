package server_test

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"example.com/dispatch/cmd/dispatch/internal/server"
	"example.com/dispatch/pkg/dispatch"
)

// ordered is a receiver that keeps in which order its calls came, and whether two ever came at once.
type ordered struct {
	mu      sync.Mutex
	ids     []string
	inside  int
	overlap bool
}

// ServeHTTP implements [http.Handler].
func (o *ordered) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	o.ids = append(o.ids, r.Header.Get("Idempotency-Key"))
	o.inside++
	o.overlap = o.overlap || o.inside > 1
	o.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.inside--
}

func (o *ordered) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.ids)
}

// TestLongGroup drains a group in order: of 1,000, or of 10,000 where DISPATCH_LONG is set.
func TestLongGroup(t *testing.T) {
	n := 1000
	if os.Getenv("DISPATCH_LONG") != "" {
		n = 10_000
	}
	receiver := &ordered{}
	url := target(t, receiver.ServeHTTP)
	r := start(t, nil)
	for first := 0; first < n; first += 1000 {
		var parts []string
		for i := range 1000 {
			parts = append(parts, fmt.Sprintf(`{"id": "t%d", "uri": %q, "group": "g"}`, first+i, url))
		}
		if status, _, body := r.call("POST", "/tasks", `{"tasks": [`+strings.Join(parts, ",")+`]}`); status != 200 {
			t.Fatal(status, body)
		}
	}
	r.await(fmt.Sprintf("t%d", n-1), dispatch.Delivered)
	receiver.mu.Lock()
	defer receiver.mu.Unlock()
	if len(receiver.ids) != n || receiver.overlap {
		t.Errorf("%d calls, want %d; two at once: %t", len(receiver.ids), n, receiver.overlap)
	}
	for i, id := range receiver.ids {
		if id != fmt.Sprintf("t%d", i) {
			t.Fatalf("call %d was %s", i, id)
		}
	}
}

func TestGroupsOfOne(t *testing.T) {
	receiver := &ordered{}
	url := target(t, receiver.ServeHTTP)
	r := start(t, nil)
	var parts []string
	for i := range 1000 {
		parts = append(parts, fmt.Sprintf(`{"uri": %q, "group": "g%d"}`, url, i))
	}
	if status, _, body := r.call("POST", "/tasks", `{"tasks": [`+strings.Join(parts, ",")+`]}`); status != 200 {
		t.Fatal(status, body)
	}
	r.until("all were called", func() bool { return receiver.count() == 1000 })
}

func TestStopWithinAGroup(t *testing.T) {
	arrived, release := make(chan string, 10), make(chan struct{}, 10)
	url := target(t, func(_ http.ResponseWriter, r *http.Request) {
		arrived <- r.Header.Get("Idempotency-Key")
		<-release
	})
	var db string
	r := start(t, func(o *server.Options) { db = o.DB })
	r.call("POST", "/tasks", `{"tasks": [{"id": "a", "group": "g", "uri": "`+url+`"}, {"id": "b", "group": "g", "uri": "`+url+`"}]}`)
	if id := <-arrived; id != "a" {
		t.Fatalf("%s came first", id)
	}
	stopped := make(chan error)
	go func() { stopped <- r.stop() }()
	r.until("nothing is accepted any more", func() bool {
		_, err := http.Get(r.URL() + "/healthz")
		return err != nil
	})
	release <- struct{}{}
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	if a, b := stored(t, db, "a"), stored(t, db, "b"); a.State != dispatch.Delivered || b.State != dispatch.Scheduled || b.Lease != "" {
		t.Errorf("a is %s, b is %s", a.State, b.State)
	}
	release <- struct{}{}
	again := start(t, func(o *server.Options) { o.DB = db })
	again.await("b", dispatch.Delivered)
}

func TestHeldGroupRetriedByHand(t *testing.T) {
	var mu sync.Mutex
	broken := true
	receiver := &ordered{}
	url := target(t, func(w http.ResponseWriter, r *http.Request) {
		receiver.ServeHTTP(w, r)
		mu.Lock()
		defer mu.Unlock()
		if broken {
			w.WriteHeader(410)
		}
	})
	r := start(t, nil)
	one := `{"id": "%s", "group": "g", "uri": "` + url + `", "stopCodes": 410, "groupOnFailure": "hold", "onSuccess": {"uri": "` + url + `/told"}}`
	r.call("POST", "/tasks", `{"tasks": [`+fmt.Sprintf(one, "a")+`,`+fmt.Sprintf(one, "b")+`]}`)
	r.await("a", dispatch.Held)
	if _, _, body := r.call("GET", "/tasks/b", ""); !strings.Contains(body, "blocked behind a, which is held") {
		t.Errorf("%s", body)
	}
	mu.Lock()
	broken = false
	mu.Unlock()
	if status, _, body := r.call("POST", "/tasks/a/retry", ""); status != 200 {
		t.Fatal(status, body)
	}
	r.await("a", dispatch.Delivered)
	r.await("b", dispatch.Delivered)
	r.until("both ends were told", func() bool { return receiver.count() == 5 })
}

func TestRuleSkips(t *testing.T) {
	url := target(t, func(http.ResponseWriter, *http.Request) { t.Error("a task was sent that its rule refuses") })
	r := start(t, nil)
	r.call("POST", "/tasks", `{"id": "a", "uri": "`+url+`", "body": {"paid": false}, "when": "body.paid"}`)
	if got := r.await("a", dispatch.Skipped); !strings.Contains(got.Reason, "body.paid") {
		t.Errorf("%q does not say which rule", got.Reason)
	}
}

// A task with a type goes to every target of its route; only what failed is called again, by itself and by hand.
func TestTypeGoesToItsTargets(t *testing.T) {
	var mu sync.Mutex
	calls := map[string]int{}
	url := target(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		key := r.Header.Get("Idempotency-Key")
		if calls[key]++; key == "one/b" || key == "one/c" && calls[key] == 1 {
			w.WriteHeader(500)
		}
	})
	r := start(t, nil)
	routes := `{"version":0,"routes":{"invoice.*":{"targets":[{"name":"a","uri":"` + url + `"},
		{"name":"b","uri":"` + url + `","attempts":{"limit":1}},{"name":"c","uri":"` + url + `","attempts":{"interval":1}},{"name":"d","uri":"` + url + `","when":"body.x > 1"}]}}}`
	if status, _, body := r.call("PUT", "/settings", routes); status != 200 || !strings.Contains(body, `"invoice.*"`) {
		t.Fatal(status, body)
	}
	if status, _, body := r.call("POST", "/tasks", `{"id":"none","type":"order.paid"}`); status != 400 || !strings.Contains(body, `known are invoice.*`) {
		t.Error(status, body)
	}
	if status, _, body := r.call("POST", "/tasks", `{"id":"one","type":"invoice.paid","body":{"x":1}}`); status >= 300 {
		t.Fatal(status, body)
	}
	if got := r.await("one", dispatch.Exhausted); got.Reason != "b: attempt 1 of 1 failed: status 500" {
		t.Errorf("because of %q", got.Reason)
	}
	if status, _, body := r.call("POST", "/tasks/one/retry", ""); status != 200 {
		t.Fatal(status, body)
	}
	r.await("one", dispatch.Delivered)
	_, _, shown := r.call("GET", "/tasks/one", "")
	for _, want := range []string{`"type":"invoice.paid"`, `"name":"d","state":"skipped"`, `"name":"b","state":"delivered"`} {
		if !strings.Contains(strings.NewReplacer(": ", ":", "\n", "", " ", "").Replace(shown), want) {
			t.Errorf("it does not show %s:\n%s", want, shown)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if want := map[string]int{"one/a": 1, "one/b": 1, "one/c": 2, "one/2/b": 1}; !maps.Equal(calls, want) {
		t.Errorf("calls %v, want %v", calls, want)
	}
}
