package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"time"
)

// callTime is how long the receiver takes.
const callTime = 50 * time.Millisecond

// receiver takes calls, and refuses the first few of each path.
type receiver struct {
	*httptest.Server
	calls atomic.Int64 // that were answered

	mu      sync.Mutex
	refused map[string]int
}

func newReceiver(refusals int) (*receiver, error) {
	listener, err := net.Listen("tcp", ":0") // all of 127.0.0.0/8
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	r := &receiver{refused: map[string]int{}}
	r.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		time.Sleep(callTime)
		r.mu.Lock()
		no := r.refused[request.URL.Path] < refusals
		r.refused[request.URL.Path]++
		r.mu.Unlock()
		if no {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		r.calls.Add(1)
	}))
	r.Listener.Close()
	r.Listener = listener
	r.Start()
	return r, nil
}

// url is where the n-th task goes: a receiver of its own, as far as one can tell, where calls are refused, so that none is
// taken for one that fails again and again.
func (r *receiver) url(n, refusals int) string {
	host := 1
	if refusals > 0 {
		host += n
	}
	_, port, _ := net.SplitHostPort(r.Listener.Addr().String())
	return fmt.Sprintf("http://127.0.%d.%d:%s/%d", host/250, host%250+1, port, n)
}
