package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"
)

// receiver counts calls to /call, and how long after the instant in their URL they came.
type receiver struct {
	mu      sync.Mutex
	tally   tally
	changed chan struct{} // closed at the call that somebody waits for
	wanted  int
}

// tally is what a receiver has seen since it was last asked to forget.
type tally struct {
	Calls int             `json:"calls"`
	Last  time.Time       `json:"last"` // when the last call of those waited for came
	Late  []time.Duration `json:"late,omitempty"`
}

// sentAt is the query's name for an instant in ns since 1970.
const sentAt = "at"

// runReceiver serves until standard input ends, which it does with the process that started it.
func runReceiver(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	r := &receiver{}
	mux := http.NewServeMux()
	mux.HandleFunc("/call", r.call)
	mux.HandleFunc("/wait", r.wait)
	mux.HandleFunc("/forget", r.forget)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute, BaseContext: func(net.Listener) context.Context { return ctx }}
	fmt.Fprintf(os.Stderr, "receiver: listening on http://%s\n", listener.Addr())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}

func (r *receiver) call(_ http.ResponseWriter, request *http.Request) {
	io.Copy(io.Discard, request.Body)
	now := time.Now()
	at, err := strconv.ParseInt(request.URL.Query().Get(sentAt), 10, 64)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.tally.Late = append(r.tally.Late, now.Sub(time.Unix(0, at)))
	}
	if r.tally.Calls++; r.tally.Calls == r.wanted {
		r.tally.Last = now
		close(r.changed)
	}
}

// wait answers with the tally once there were ?calls= calls, or the time ?within= is over.
func (r *receiver) wait(w http.ResponseWriter, request *http.Request) {
	wanted, err := strconv.Atoi(request.URL.Query().Get("calls"))
	within, unreadable := time.ParseDuration(request.URL.Query().Get("within"))
	if err := errors.Join(err, unreadable); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	changed := make(chan struct{})
	r.wanted, r.changed = wanted, changed
	if r.tally.Calls >= wanted {
		close(changed)
	}
	r.mu.Unlock()
	select {
	case <-changed:
	case <-time.After(within):
	case <-request.Context().Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wanted = 0
	if r.tally.Calls < wanted {
		r.tally.Last = time.Now()
	}
	json.NewEncoder(w).Encode(r.tally) // whoever asked has gone if this fails
}

func (r *receiver) forget(http.ResponseWriter, *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tally, r.wanted = tally{}, 0
}

// startReceiver starts this program again, as the receiver.
func startReceiver(ctx context.Context) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	return begin(ctx, self, "-receive")
}

// awaitCalls returns the receiver's tally once it has had so many calls, or the time is over.
func awaitCalls(ctx context.Context, url string, calls int, within time.Duration) (tally, error) {
	ctx, cancel := context.WithTimeout(ctx, within+readyTime)
	defer cancel()
	var t tally
	err := get(ctx, fmt.Sprintf("%s/wait?calls=%d&within=%s", url, calls, within), &t)
	if err == nil && t.Calls == 0 {
		err = errors.New("the receiver was not called")
	}
	return t, err
}

func forgetCalls(ctx context.Context, url string) error { return get(ctx, url+"/forget", nil) }

func get(ctx context.Context, url string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if into == nil {
		return nil
	}
	return json.NewDecoder(answer.Body).Decode(into)
}
