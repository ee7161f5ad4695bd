package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// dueAt is the query's name for the instant, in ns since 1970, at which a task is due.
const dueAt = "at"

// journal is what receivers keep of their calls.
type journal struct {
	mu    sync.Mutex
	times map[string]int // calls, by Idempotency-Key
	at    []time.Time
	late  []time.Duration // after the instant in the URL
}

func (j *journal) note(request *http.Request) {
	now := time.Now()
	due, err := strconv.ParseInt(request.URL.Query().Get(dueAt), 10, 64)
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.times == nil {
		j.times = map[string]int{}
	}
	j.times[request.Header.Get("Idempotency-Key")]++
	j.at = append(j.at, now)
	if err == nil {
		j.late = append(j.late, now.Sub(time.Unix(0, due)))
	}
}

// calls returns how many there were.
func (j *journal) calls() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.at)
}

// tasks returns how many tasks were called, and the calls of those that were called again.
func (j *journal) tasks() (n, again int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.times), len(j.at) - len(j.times)
}

// lateness returns that of all calls, in the order in which they came.
func (j *journal) lateness() []time.Duration {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.late)
}

// since returns when calls came from an instant on.
func (j *journal) since(from time.Time) (at []time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, t := range j.at {
		if !t.Before(from) {
			at = append(at, t)
		}
	}
	return at
}

// busiest returns the most of them within any one second; they are in order.
func busiest(at []time.Time) (most int) {
	first := 0
	for i := range at {
		for at[i].Sub(at[first]) >= time.Second {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// await waits until so many tasks were called, or the time is over; it reports which.
func (j *journal) await(ctx context.Context, tasks int, within time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		if n, _ := j.tasks(); n >= tasks {
			return true
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return false
		}
	}
}

// farm is receivers, each with an origin of its own.
type farm struct {
	URLs    []string
	servers []*http.Server
}

// receive starts n receivers that handle calls so.
func receive(n int, handle http.HandlerFunc) (*farm, error) {
	f := &farm{}
	for i := range n {
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.%d:0", 1+i/250))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("listening: %w", err), f.end())
		}
		s := &http.Server{Handler: handle, ErrorLog: log.New(io.Discard, "", 0)}
		f.URLs = append(f.URLs, "http://"+listener.Addr().String())
		f.servers = append(f.servers, s)
		go s.Serve(listener) // it returns when the server is closed
	}
	return f, nil
}

// end drops the receivers and whatever they are at.
func (f *farm) end() (failed error) {
	for _, s := range f.servers {
		failed = errors.Join(failed, s.Close())
	}
	return failed
}

// answering keeps a journal, and answers after a while.
func answering(j *journal, takes time.Duration) http.HandlerFunc {
	return func(_ http.ResponseWriter, request *http.Request) {
		j.note(request)
		io.Copy(io.Discard, request.Body) // the answer goes out all the same if this fails
		if takes > 0 {
			time.Sleep(takes)
		}
	}
}
