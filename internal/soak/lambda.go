package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// lambda plays AWS Lambda for processes of the real functions: the API that invokes them, and the one that they ask for
// their next invocation. Each process has one at a time. Asynchronous ones are not repeated.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
type lambda struct {
	*httptest.Server

	mu        sync.Mutex
	waiting   map[string]chan *invocation // by function
	taken     map[string]*invocation      // by request id
	last      int
	throttled int
}

// invocation is one event of a function.
type invocation struct {
	id      string
	event   []byte
	process string // that has taken it
	answer  chan invoked
}

// invoked is how an invocation ended.
type invoked struct {
	payload []byte
	failed  bool // the payload is an error
}

const (
	mostWaiting = 500
	functionEnd = 90 * time.Second // of every invocation
)

func newLambda() *lambda {
	l := &lambda{waiting: map[string]chan *invocation{}, taken: map[string]*invocation{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /2015-03-31/functions/{function}/invocations", l.invoke)
	mux.HandleFunc("GET /runtime/{function}/{process}/2018-06-01/runtime/invocation/next", l.next)
	mux.HandleFunc("POST /runtime/{function}/{process}/2018-06-01/runtime/invocation/{id}/{how}", l.end)
	l.Server = httptest.NewServer(mux)
	return l
}

// queue returns what waits for a function.
func (l *lambda) queue(function string) chan *invocation {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting[function] == nil {
		l.waiting[function] = make(chan *invocation, mostWaiting)
	}
	return l.waiting[function]
}

func (l *lambda) invoke(w http.ResponseWriter, r *http.Request) {
	event, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	l.mu.Lock()
	l.last++
	one := &invocation{id: fmt.Sprintf("request-%d", l.last), event: event, answer: make(chan invoked, 1)}
	l.mu.Unlock()
	select {
	case l.queue(r.PathValue("function")) <- one:
	default:
		l.mu.Lock()
		l.throttled++
		l.mu.Unlock()
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	if r.Header.Get("X-Amz-Invocation-Type") == "Event" {
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
func (l *lambda) next(w http.ResponseWriter, r *http.Request) {
	select {
	case one := <-l.queue(r.PathValue("function")):
		l.mu.Lock()
		one.process = r.PathValue("process")
		l.taken[one.id] = one
		l.mu.Unlock()
		h := w.Header()
		h.Set("Lambda-Runtime-Aws-Request-Id", one.id)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(functionEnd).UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-west-1:123456789012:function:"+r.PathValue("function"))
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
	one := l.taken[r.PathValue("id")]
	delete(l.taken, r.PathValue("id"))
	l.mu.Unlock()
	if one != nil {
		one.answer <- invoked{payload, r.PathValue("how") == "error"}
	}
	w.WriteHeader(http.StatusAccepted)
}

// died ends what a process has taken.
func (l *lambda) died(process string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, one := range l.taken {
		if one.process == process {
			delete(l.taken, id)
			one.answer <- invoked{[]byte(`{"errorType": "Runtime.ExitError"}`), true}
		}
	}
}

// busy returns the processes of a function that have taken an invocation.
func (l *lambda) busy(function string) (processes []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, one := range l.taken {
		if strings.HasPrefix(one.process, function+"-") {
			processes = append(processes, one.process)
		}
	}
	return processes
}

// call invokes a function and returns its answer.
func (l *lambda) call(ctx context.Context, function string, event []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, l.URL+"/2015-03-31/functions/"+function+"/invocations", strings.NewReader(string(event)))
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("invoking %s: %w", function, err)
	}
	defer answer.Body.Close()
	payload, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return nil, fmt.Errorf("invoking %s: %w", function, err)
	case answer.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("invoking %s: %s", function, answer.Status)
	case answer.Header.Get("X-Amz-Function-Error") != "":
		failure := &functionError{}
		if err := json.Unmarshal(payload, failure); err != nil {
			return nil, fmt.Errorf("invoking %s: %w: %s", function, err, payload)
		}
		return nil, failure
	}
	return payload, nil
}

// functionError is how a function failed.
type functionError struct {
	Type    string `json:"errorType"`
	Message string `json:"errorMessage"`
}

// Error returns the type and the message.
func (e *functionError) Error() string { return e.Type + ": " + e.Message }

// functionProcess is a process of a function, that lives until it is killed.
type functionProcess struct {
	name  string
	cmd   *exec.Cmd
	ended chan struct{}
}

// startFunction starts a process of a built function.
func (l *lambda) startFunction(log *os.File, program, function, process string, variables ...string) (*functionProcess, error) {
	p := &functionProcess{name: process, cmd: exec.Command(program), ended: make(chan struct{})}
	p.cmd.Env = append([]string{
		"AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(l.URL, "http://") + "/runtime/" + function + "/" + process,
		"AWS_LAMBDA_FUNCTION_NAME=" + function, "AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=soak", "AWS_SECRET_ACCESS_KEY=soak",
	}, variables...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", process, err)
	}
	go func() {
		defer close(p.ended)
		if err := p.cmd.Wait(); err != nil {
			slog.Debug("a function's process ended", slog.Any("error", err))
		}
		l.died(process)
	}()
	return p, nil
}

// kill ends the process at once, and returns when it is gone.
func (p *functionProcess) kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("killing %s: %w", p.name, err)
	}
	<-p.ended
	return nil
}
