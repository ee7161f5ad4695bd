// Package lambdaapi stands in for AWS Lambda before processes of the built functions: it is the API that invokes them,
// and the one that they ask for their next invocation. Each process has one at a time, and none is repeated.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
package lambdaapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"time"
)

// Server is both APIs. Close it after its processes have ended.
type Server struct {
	*httptest.Server

	mu        sync.Mutex
	most      int
	functions map[string]*function
	taken     map[string]*invocation // by request id
	last      int
	failures  []string
}

// function is what is known of one.
type function struct {
	waiting chan *invocation
	billed  Billed
}

// invocation is one event of a function.
type invocation struct {
	id, function string
	event        []byte
	process      string // that has taken it
	began        time.Time
	answer       chan result
}

// result is how an invocation ended.
type result struct {
	payload []byte
	failed  bool // the payload is an error
}

// Billed is what the invocations of a function came to.
type Billed struct {
	Invocations int           // that have ended
	Wall        time.Duration // each rounded up to a millisecond
}

// Error is how a function failed.
type Error struct {
	Type    string `json:"errorType"`
	Message string `json:"errorMessage"`
}

// Error returns the type and the message.
func (e *Error) Error() string { return e.Type + ": " + e.Message }

// invocationTime is what every invocation is told that it has.
const invocationTime = 90 * time.Second

// New returns a server at which so many invocations of each function wait at most; more are refused with 429.
func New(most int) *Server {
	s := &Server{most: most, functions: map[string]*function{}, taken: map[string]*invocation{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /2015-03-31/functions/{function}/invocations", s.invoke)
	mux.HandleFunc("GET /runtime/{function}/{process}/2018-06-01/runtime/invocation/next", s.next)
	mux.HandleFunc("POST /runtime/{function}/{process}/2018-06-01/runtime/invocation/{id}/{how}", s.end)
	s.Server = httptest.NewServer(mux)
	return s
}

// of returns what is known of a function; mu is held.
func (s *Server) of(name string) *function {
	if s.functions[name] == nil {
		s.functions[name] = &function{waiting: make(chan *invocation, s.most)}
	}
	return s.functions[name]
}

// send puts an event before a function; nil where too many wait.
func (s *Server) send(name string, event []byte) *invocation {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	one := &invocation{id: fmt.Sprintf("00000000-0000-4000-8000-%012d", s.last), function: name, event: event, answer: make(chan result, 1)}
	select {
	case s.of(name).waiting <- one:
		return one
	default:
		return nil
	}
}

func (s *Server) invoke(w http.ResponseWriter, r *http.Request) {
	event, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	one := s.send(r.PathValue("function"), event)
	switch {
	case one == nil:
		w.WriteHeader(http.StatusTooManyRequests)
		return
	case r.Header.Get("X-Amz-Invocation-Type") == "Event":
		w.WriteHeader(http.StatusAccepted)
		return
	}
	select {
	case a := <-one.answer:
		if a.failed {
			w.Header().Set("X-Amz-Function-Error", "Unhandled")
		}
		w.Write(a.payload)
	case <-r.Context().Done():
	}
}

// next gives a process its next invocation.
func (s *Server) next(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	waiting := s.of(r.PathValue("function")).waiting
	s.mu.Unlock()
	select {
	case one := <-waiting:
		s.mu.Lock()
		one.process, one.began = r.PathValue("process"), time.Now()
		s.taken[one.id] = one
		s.mu.Unlock()
		h := w.Header()
		h.Set("Lambda-Runtime-Aws-Request-Id", one.id)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(invocationTime).UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:"+region+":123456789012:function:"+one.function)
		w.Write(one.event)
	case <-r.Context().Done():
	}
}

// end takes an answer or an error.
func (s *Server) end(w http.ResponseWriter, r *http.Request) {
	payload, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.taken[r.PathValue("id")]; one != nil {
		s.ended(one, result{payload, r.PathValue("how") == "error"})
	}
	w.WriteHeader(http.StatusAccepted)
}

// ended notes how an invocation ended; mu is held.
func (s *Server) ended(one *invocation, r result) {
	delete(s.taken, one.id)
	b := &s.of(one.function).billed
	b.Invocations++
	b.Wall += (time.Since(one.began) + time.Millisecond - 1).Truncate(time.Millisecond)
	if r.failed {
		s.failures = append(s.failures, one.function+": "+string(r.payload))
	}
	one.answer <- r
}

// Event invokes a function asynchronously; false where too many of its events wait.
func (s *Server) Event(function string, event []byte) bool { return s.send(function, event) != nil }

// Call invokes a function and returns its answer. The error is an *Error if the function failed.
func (s *Server) Call(ctx context.Context, function string, event []byte) ([]byte, error) {
	one := s.send(function, event)
	if one == nil {
		return nil, fmt.Errorf("invoking %s: too many wait", function)
	}
	select {
	case r := <-one.answer:
		if !r.failed {
			return r.payload, nil
		}
		failure := &Error{}
		if err := json.Unmarshal(r.payload, failure); err != nil {
			return nil, fmt.Errorf("invoking %s: %w: %s", function, err, r.payload)
		}
		return nil, failure
	case <-ctx.Done():
		return nil, fmt.Errorf("invoking %s: %w", function, ctx.Err())
	}
}

// Waiting returns how many events of a function no process has taken yet.
func (s *Server) Waiting(function string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.of(function).waiting)
}

// Busy returns the processes of a function that have taken an invocation.
func (s *Server) Busy(function string) (processes []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.taken {
		if one.function == function {
			processes = append(processes, one.process)
		}
	}
	return processes
}

// Idle reports whether no invocation waits or runs.
func (s *Server) Idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	waiting := 0
	for _, f := range s.functions {
		waiting += len(f.waiting)
	}
	return waiting == 0 && len(s.taken) == 0
}

// Billed returns what the invocations of each function came to, and how they failed.
func (s *Server) Billed() (of map[string]Billed, failures []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of = map[string]Billed{}
	for name, f := range s.functions {
		of[name] = f.billed
	}
	return of, append([]string(nil), s.failures...)
}
