package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// lambda stands in for AWS Lambda: the API that invokes functions, and the one that their processes ask for their next
// invocation. Each process has one at a time. It notes what is billed.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
type lambda struct {
	*httptest.Server

	mu      sync.Mutex
	waiting map[string]chan *invocation // by function
	taken   map[string]*invocation      // by request id
	pending int                         // invocations that wait or run
	last    int
	failed  []string
	billed  map[string]*billed // by function
}

// invocation is one event of a function.
type invocation struct {
	id, function string
	event        []byte
	began        time.Time
	answer       chan []byte
}

// billed is what the invocations of a function came to.
type billed struct {
	invocations int
	wall        time.Duration // each rounded up to a millisecond
}

const (
	mostWaiting = 100_000
	functionEnd = 90 * time.Second // of every invocation
)

func newLambda() *lambda {
	l := &lambda{waiting: map[string]chan *invocation{}, taken: map[string]*invocation{}, billed: map[string]*billed{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /2015-03-31/functions/{function}/invocations", l.invoke)
	mux.HandleFunc("GET /runtime/{function}/2018-06-01/runtime/invocation/next", l.next)
	mux.HandleFunc("POST /runtime/{function}/2018-06-01/runtime/invocation/{id}/{how}", l.end)
	l.Server = httptest.NewServer(mux)
	return l
}

// queue returns what waits for a function.
func (l *lambda) queue(function string) chan *invocation {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting[function] == nil {
		l.waiting[function], l.billed[function] = make(chan *invocation, mostWaiting), &billed{}
	}
	return l.waiting[function]
}

func (l *lambda) invoke(w http.ResponseWriter, r *http.Request) {
	event, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	one := l.send(r.PathValue("function"), event)
	if r.Header.Get("X-Amz-Invocation-Type") == "Event" {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	select {
	case payload := <-one.answer:
		w.Write(payload)
	case <-r.Context().Done():
	}
}

// send puts an event before a function.
func (l *lambda) send(function string, event []byte) *invocation {
	queue := l.queue(function)
	l.mu.Lock()
	l.last++
	l.pending++
	one := &invocation{id: fmt.Sprintf("00000000-0000-4000-8000-%012d", l.last), function: function, event: event, answer: make(chan []byte, 1)}
	l.mu.Unlock()
	queue <- one
	return one
}

// call invokes a function and returns its answer.
func (l *lambda) call(ctx context.Context, function string, event []byte) ([]byte, error) {
	select {
	case payload := <-l.send(function, event).answer:
		return payload, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("invoking %s: %w", function, ctx.Err())
	}
}

// next gives a process its next invocation.
func (l *lambda) next(w http.ResponseWriter, r *http.Request) {
	select {
	case one := <-l.queue(r.PathValue("function")):
		l.mu.Lock()
		one.began = time.Now()
		l.taken[one.id] = one
		l.mu.Unlock()
		h := w.Header()
		h.Set("Lambda-Runtime-Aws-Request-Id", one.id)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(functionEnd).UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:123456789012:function:"+one.function)
		w.Write(one.event)
	case <-r.Context().Done():
	}
}

// end takes an answer or an error.
func (l *lambda) end(w http.ResponseWriter, r *http.Request) {
	payload, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	one := l.taken[r.PathValue("id")]
	if one == nil {
		return
	}
	delete(l.taken, one.id)
	l.pending--
	b := l.billed[one.function]
	b.invocations++
	b.wall += (time.Since(one.began) + time.Millisecond - 1).Truncate(time.Millisecond)
	if r.PathValue("how") == "error" {
		l.failed = append(l.failed, one.function+": "+string(payload))
	}
	one.answer <- payload
	w.WriteHeader(http.StatusAccepted)
}

// idle reports whether no invocation waits or runs.
func (l *lambda) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pending == 0
}

// function is a process of a function.
type function struct {
	name string
	cmd  *exec.Cmd
	log  log
}

// log gathers what a process writes.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements [io.Writer].
func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// start starts a process of a built function.
func (l *lambda) start(name, program string, variables ...string) (*function, error) {
	f := &function{name: name, cmd: exec.Command(program)}
	f.cmd.Env = append([]string{
		"AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(l.URL, "http://") + "/runtime/" + name, "AWS_LAMBDA_FUNCTION_NAME=" + name,
		"AWS_LAMBDA_LOG_FORMAT=JSON", "AWS_LAMBDA_LOG_LEVEL=INFO",
		"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=dollars", "AWS_SECRET_ACCESS_KEY=dollars", "AWS_ENDPOINT_URL_LAMBDA=" + l.URL,
	}, variables...)
	f.cmd.Stdout, f.cmd.Stderr = &f.log, &f.log
	if err := f.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	return f, nil
}

// end ends the process, and returns the processor time that it had.
func (f *function) end() (time.Duration, error) {
	if err := f.cmd.Process.Signal(os.Kill); err != nil {
		return 0, fmt.Errorf("ending %s: %w", f.name, err)
	}
	f.cmd.Wait() // it was killed
	return f.cmd.ProcessState.SystemTime() + f.cmd.ProcessState.UserTime(), nil
}
