package server_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/dispatch/cmd/dispatch/internal/keyfile"
	"example.com/dispatch/cmd/dispatch/internal/server"
	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/sqlite"
)

func TestDrainOfThousands(t *testing.T) {
	const tasks = 2000
	var mu sync.Mutex
	calls := map[string]int{}
	url := target(t, func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("Idempotency-Key")
		mu.Lock()
		calls[id]++
		n := calls[id]
		mu.Unlock()
		switch last := id[len(id)-1]; {
		case last == '3' && n == 1:
			w.WriteHeader(503)
		case last == '7':
			w.WriteHeader(410)
		default:
			w.WriteHeader(204)
		}
	})
	r := start(t, nil)
	for batch := range tasks / 1000 {
		var parts []string
		for i := range 1000 {
			parts = append(parts, fmt.Sprintf(`{"id": "t%d", "uri": %q, "stopCodes": 410, "attempts": {"interval": 1}}`, batch*1000+i, url))
		}
		if status, _, body := r.call("POST", "/tasks", `{"tasks": [`+strings.Join(parts, ",")+`]}`); status != 200 {
			t.Fatal(status, body)
		}
	}
	r.until("all have ended", func() bool {
		for _, err := range r.Store.List(t.Context(), dispatch.Filter{Lanes: dispatch.Lanes(dispatch.DefaultQueue, 1)}) {
			if err != nil {
				t.Fatal(err)
			}
			return false // one is enough
		}
		return true
	})
	count := map[dispatch.State]int{}
	for task, err := range r.Store.List(t.Context(), dispatch.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		count[task.State]++
	}
	if count[dispatch.Delivered] != tasks*9/10 || count[dispatch.Stopped] != tasks/10 {
		t.Errorf("%v, want %d delivered and %d stopped", count, tasks*9/10, tasks/10)
	}
	mu.Lock()
	defer mu.Unlock()
	for id, n := range calls {
		want := 1
		if id[len(id)-1] == '3' {
			want = 2
		}
		if n != want {
			t.Errorf("%s was called %d times, want %d", id, n, want)
		}
	}
}

func TestStopLetsCallsEnd(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	url := target(t, func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
	})
	var db string
	r := start(t, func(o *server.Options) { db = o.DB })
	r.call("POST", "/tasks", `{"id": "a", "uri": "`+url+`"}`)
	<-arrived
	stopped := make(chan error)
	go func() { stopped <- r.stop() }()
	r.until("nothing is accepted any more", func() bool {
		_, err := http.Get(r.URL() + "/healthz")
		return err != nil
	})
	select {
	case err := <-stopped:
		t.Fatalf("the server stopped with a call in flight: %v", err)
	default:
	}
	close(release)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	if got := stored(t, db, "a"); got.State != dispatch.Delivered {
		t.Errorf("state %s, want delivered", got.State)
	}
}

func TestStopGivesUpAfterTheGracePeriod(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	url := target(t, func(w http.ResponseWriter, _ *http.Request) {
		once.Do(func() { close(arrived) })
		<-release
	})
	var db string
	r := start(t, func(o *server.Options) { o.Grace, db = 100*time.Millisecond, o.DB })
	r.call("POST", "/tasks", `{"id": "a", "uri": "`+url+`"}`)
	<-arrived
	if err := r.stop(); err == nil || !strings.Contains(err.Error(), "1 tasks were still in flight") {
		t.Errorf("%v; want it to say what was in flight", err)
	}
	close(release)
	// Its lease is freed by the next server, which calls again.
	again := start(t, func(o *server.Options) { o.DB = db })
	if got := again.await("a", dispatch.Delivered); got.Lapses != 0 {
		t.Errorf("%d lapses, want 0 after a delivery", got.Lapses)
	}
}

func stored(t *testing.T, db, id string) dispatch.Task {
	t.Helper()
	s, err := sqlite.Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got := s.Get(t.Context(), []string{id})[0]
	if got.Err != nil {
		t.Fatal(got.Err)
	}
	return got.Task
}

func TestStartRefuses(t *testing.T) {
	var db string
	start(t, func(o *server.Options) { db = o.DB })
	folder := t.TempDir()
	badKey := filepath.Join(folder, "key.pem")
	if err := os.WriteFile(badKey, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	fresh := server.Options{DB: filepath.Join(folder, "b.db"), Listen: "127.0.0.1:0", Workers: 1, Retention: dispatch.DefaultRetention}
	for _, c := range []struct {
		name   string
		change func(*server.Options)
		want   error
		says   string
	}{
		{"a file that another server serves", func(o *server.Options) { o.DB = db }, sqlite.ErrLocked, "another server"},
		{"all addresses without a token", func(o *server.Options) { o.Listen = ":8700" }, server.ErrToken, "token"},
		{"another address without a token", func(o *server.Options) { o.Listen = "192.0.2.1:8700" }, server.ErrToken, "token"},
		{"no address", func(o *server.Options) { o.Listen = "8700" }, nil, "listening"},
		{"a key that is none", func(o *server.Options) { o.Key = badKey }, nil, "no private key"},
		{"a key that is not there", func(o *server.Options) { o.Key = badKey + "x" }, os.ErrNotExist, "signing key"},
		{"a folder that is not there", func(o *server.Options) { o.DB = filepath.Join(folder, "x", "b.db") }, os.ErrNotExist, "b.db"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := fresh
			c.change(&o)
			s, err := server.Start(t.Context(), o)
			if s != nil || err == nil || !strings.Contains(err.Error(), c.says) || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%v, want %v that says %q", err, c.want, c.says)
			}
		})
	}
}

func TestKeyIsMadeOnceForTheOwnerAlone(t *testing.T) {
	var db string
	r := start(t, func(o *server.Options) { db = o.DB })
	_, _, first := r.call("GET", "/.well-known/jwks.json", "")
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(db + "-key.pem")
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v, want mode 0600", info, err)
	}
	again := start(t, func(o *server.Options) { o.DB = db })
	if _, _, second := again.call("GET", "/.well-known/jwks.json", ""); second != first {
		t.Errorf("after a restart the keys are %s, want %s", second, first)
	}
}

func TestKeysThatOthersMayReadAreComplainedOf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.pem")
	if _, err := keyfile.LoadOrMake(path); err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[os.FileMode]bool{0o600: false, 0o640: true} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		var log strings.Builder
		r := start(t, func(o *server.Options) { o.Key, o.Log = path, slog.New(slog.NewTextHandler(&log, nil)) })
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(log.String(), "others than the owner"); got != want {
			t.Errorf("%v: %s", mode, log.String())
		}
	}
}

func TestPublicOnly(t *testing.T) {
	url := target(t, func(http.ResponseWriter, *http.Request) { t.Error("loopback was called") })
	r := start(t, func(o *server.Options) { o.Networks = nil })
	if status, _, body := r.call("POST", "/tasks", `{"uri": "`+url+`"}`); status != 400 || !strings.Contains(body, "https") {
		t.Errorf("plain http: %d %s", status, body)
	}
	secure := strings.Replace(url, "http:", "https:", 1)
	if status, _, body := r.call("POST", "/tasks", `{"uri": "`+secure+`"}`); status != 400 || !strings.Contains(body, "address not allowed") {
		t.Errorf("https: %d %s", status, body)
	}
}
