package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestKilledServerLosesNothing kills the server again and again while tasks come in, and then wants every
// task delivered that was acknowledged.
func TestKilledServerLosesNothing(t *testing.T) {
	var mu sync.Mutex
	delivered := map[string]int{}
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		delivered[r.Header.Get("Idempotency-Key")]++
	}))
	defer receiver.Close()

	folder := t.TempDir()
	acknowledged := map[string]bool{}
	serve := func() *process { return launch(t, folder, "serve", "--listen", "127.0.0.1:0") }
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, 0))
	for round := range 5 {
		server := serve()
		ctx, cancel := context.WithCancel(t.Context())
		var producers sync.WaitGroup
		for p := range 8 {
			producers.Go(func() {
				for i := 0; ctx.Err() == nil; i++ {
					id := fmt.Sprintf("r%d-p%d-%d", round, p, i)
					status, answer := post(server.url, `{"id": "`+id+`", "uri": "`+receiver.URL+`"}`)
					if status == 0 {
						return // killed
					}
					if status != 201 {
						t.Errorf("%d %s", status, answer)
						return
					}
					mu.Lock()
					acknowledged[id] = true
					mu.Unlock()
				}
			})
		}
		enough := 50 + chance.IntN(400)
		until(t, "tasks come in", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(acknowledged) >= (round+1)*enough/2
		})
		server.end(syscall.SIGKILL)
		cancel()
		producers.Wait()
	}
	server := serve()
	until(t, "every acknowledged task is delivered", func() bool {
		mu.Lock()
		defer mu.Unlock()
		for id := range acknowledged {
			if delivered[id] == 0 {
				return false
			}
		}
		return true
	})
	until(t, "every task has ended", func() bool {
		got := dispatchIn(t, folder, "", "list", "--json", "--state", "scheduled")
		return strings.Contains(got.out, `"tasks": []`)
	})
	if err := server.end(syscall.SIGTERM); err != nil {
		t.Errorf("stopping: %v: %s", err, server.out)
	}
	t.Logf("%d acknowledged", len(acknowledged))
}

func TestSignals(t *testing.T) {
	arrived, release := make(chan struct{}, 10), make(chan struct{})
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-release
	}))
	defer receiver.Close()
	defer close(release)
	serve := func(t *testing.T) (*process, string) {
		folder := t.TempDir()
		server := launch(t, folder, "serve", "--listen", "127.0.0.1:0")
		if status, answer := post(server.url, `{"id": "a", "uri": "`+receiver.URL+`"}`); status != 201 {
			t.Fatal(status, answer)
		}
		<-arrived
		return server, folder
	}
	t.Run("the first lets calls in flight end", func(t *testing.T) {
		server, folder := serve(t)
		server.Process.Signal(syscall.SIGTERM)
		until(t, "nothing is accepted any more", func() bool { status, _ := post(server.url, "{}"); return status == 0 })
		release <- struct{}{}
		if err := server.end(0); err != nil {
			t.Errorf("%v: %s", err, server.out)
		}
		if got := dispatchIn(t, folder, "", "show", "a"); !strings.Contains(got.out, "delivered") {
			t.Errorf("%s", got.out)
		}
	})
	t.Run("the second ends at once", func(t *testing.T) {
		server, folder := serve(t)
		server.Process.Signal(syscall.SIGTERM)
		until(t, "nothing is accepted any more", func() bool { status, _ := post(server.url, "{}"); return status == 0 })
		ended := make(chan error, 1)
		go func() { ended <- server.end(syscall.SIGINT) }()
		select {
		case err := <-ended:
			if err == nil {
				t.Error("exit 0 with a call in flight")
			}
		case <-time.After(20 * time.Second): // less than the grace period
			t.Error("it has not ended")
		}
		release <- struct{}{}
		if got := dispatchIn(t, folder, "", "show", "a"); !strings.Contains(got.out, "in flight") {
			t.Errorf("%s", got.out)
		}
	})
}

func TestSecondServerOnTheSameFile(t *testing.T) {
	folder := t.TempDir()
	launch(t, folder, "serve", "--listen", "127.0.0.1:0")
	got := dispatchIn(t, folder, "", "serve", "--listen", "127.0.0.1:0")
	if got.code != 1 || !strings.Contains(got.err, "another server") {
		t.Errorf("exit %d: %s", got.code, got.err)
	}
}
