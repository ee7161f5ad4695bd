package server_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/cmd/dispatch/internal/server"
	"example.com/dispatch/pkg/dispatch"
)

// rig is a running server.
type rig struct {
	*server.Server
	t *testing.T
	// stop stops it and returns what Run returned.
	stop func() error
}

const patience = time.Minute

func start(t *testing.T, change func(*server.Options)) rig {
	t.Helper()
	o := server.Options{
		DB: filepath.Join(t.TempDir(), "test.db"), Listen: "127.0.0.1:0", Issuer: "dispatch", Networks: server.Loopback(),
		Workers: 64, Retention: dispatch.DefaultRetention, Grace: patience,
		Log: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&o)
	}
	s, err := server.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	r := rig{Server: s, t: t}
	stopped := false
	r.stop = func() error {
		cancel()
		if stopped {
			return nil
		}
		stopped = true
		return <-ended
	}
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// call makes a request and returns the status, the header and the body.
func (r rig) call(method, path, body string, header ...string) (int, http.Header, string) {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), method, r.URL()+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		if request.Header.Add(name, value); name == "Host" {
			request.Host = value
		}
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer.StatusCode, answer.Header, string(text)
}

// await polls until the task is in the state.
func (r rig) await(id string, state dispatch.State) dispatch.Task {
	r.t.Helper()
	var last dispatch.Result
	r.until("task "+id+" is "+string(state), func() bool {
		last = r.Store.Get(r.t.Context(), []string{id})[0]
		return last.Err == nil && last.Task.State == state
	})
	return last.Task
}

// until polls until done.
func (r rig) until(what string, done func() bool) {
	r.t.Helper()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	over := time.After(patience)
	for !done() {
		select {
		case <-tick.C:
		case <-over:
			r.t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// target is a receiver.
func target(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func always(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
}

// object reads a JSON object.
func object(t *testing.T, text string) map[string]any {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return o
}
