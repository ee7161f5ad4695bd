package server_test

import (
	"fmt"
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
