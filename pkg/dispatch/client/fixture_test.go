package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/internal/function"
	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/client"
	"example.com/dispatch/pkg/dispatch/rule"
	"example.com/dispatch/pkg/dispatch/storetest"
)

// enqueue is the function enqueue on a store in memory, and what happens to its callers.
type enqueue struct {
	*storetest.Memory
	function function.Enqueue
	steps    []string // what happens to each call, one after another; then nothing more does
	inputs   []string // what came
}

func newEnqueue(steps ...string) *enqueue {
	e := &enqueue{Memory: &storetest.Memory{}, steps: steps}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	e.function = function.Enqueue{Log: log, Verb: &dispatch.Enqueue{
		Store: e, Settings: dispatch.CachedSettings(e, time.Now, time.Minute), Retention: dispatch.DefaultRetention,
		CanSign: true, CheckSecret: func(string) error { return nil }, CheckRule: rule.Check, Now: time.Now, Log: log,
	}}
	return e
}

// Put fails for the tasks that the step "fail <ids>" names.
func (e *enqueue) Put(ctx context.Context, now time.Time, tasks []dispatch.Task) []dispatch.Result {
	results := make([]dispatch.Result, len(tasks))
	for i, t := range tasks {
		if len(e.steps) > 0 && strings.HasPrefix(e.steps[0], "fail ") && strings.Contains(e.steps[0]+" ", " "+t.ID+" ") {
			results[i].Err = errors.New("throttled")
			continue
		}
		results[i] = e.Memory.Put(ctx, now, []dispatch.Task{t})[0]
	}
	return results
}

// invoke is a [client.Invoke].
func (e *enqueue) invoke(ctx context.Context, input []byte) ([]byte, string, error) {
	e.inputs = append(e.inputs, string(input))
	step := ""
	if len(e.steps) > 0 {
		step = e.steps[0]
		defer func() { e.steps = e.steps[1:] }()
	}
	name, argument, _ := strings.Cut(step, " ")
	switch name {
	case "reset": // before it came
		return nil, "", errors.New("connection reset by peer")
	case "status":
		status, err := strconv.Atoi(argument)
		if err != nil {
			return nil, "", err
		}
		return nil, "", fmt.Errorf("invoking: %w", &client.StatusError{Status: status})
	case "timeout": // of the function
		return []byte(`{"errorType":"Sandbox.Timedout","errorMessage":"Task timed out after 30.00 seconds"}`), "Unhandled", nil
	case "silence":
		<-ctx.Done()
		return nil, "", ctx.Err()
	case "answer":
		return []byte(argument), "", nil
	case "error":
		return []byte(argument), "Unhandled", nil
	}
	answer, err := e.function.Invoke(ctx, "request", input)
	if own, ok := errors.AsType[*function.Error](err); ok {
		answer, err = json.Marshal(own)
		return answer, "Unhandled", err
	}
	if name == "lost" { // the answer
		return nil, "", errors.New("connection reset by peer")
	}
	if name == "partly" { // as the local server answers, which knows no function errors
		return partly(answer, argument), "", nil
	}
	return answer, "", err
}

// partly is an answer in which one task is not stored.
func partly(answer []byte, id string) []byte {
	var r dispatch.Receipts
	if err := json.Unmarshal(answer, &r); err != nil {
		panic(err)
	}
	for i := range r.Tasks {
		if r.Tasks[i].ID == id {
			r.Tasks[i] = dispatch.Receipt{ID: id, Error: &dispatch.Problem{Title: "Not stored", Status: 503}}
		}
	}
	b, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	return b
}

// stored returns how many tasks there are.
func (e *enqueue) stored(t *testing.T) int {
	t.Helper()
	n := 0
	for _, err := range e.List(context.Background(), dispatch.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// numbered returns a maker of the ids made-1, made-2 and so on.
func numbered() func() string {
	n := 0
	return func() string { n++; return "made-" + strconv.Itoa(n) }
}

// brief writes receipts as tables have them.
func brief(receipts []dispatch.Receipt) string {
	var parts []string
	for _, r := range receipts {
		part := r.ID + " " + string(r.State)
		if r.Existing {
			part += " existing"
		}
		if r.Error != nil {
			part += " " + strconv.Itoa(r.Error.Status)
			for _, f := range r.Error.Errors {
				part += " " + f.Pointer
			}
		}
		parts = append(parts, strings.Join(strings.Fields(part), " "))
	}
	return strings.Join(parts, ", ")
}

// play returns the URL of a server that answers both as Lambda and as `dispatch serve`, for the examples. It ends with
// the process.
func play() string {
	e := newEnqueue()
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		input, err := io.ReadAll(r.Body)
		if err != nil {
			panic(err)
		}
		answer, functionError, err := e.invoke(r.Context(), input)
		if err != nil {
			panic(err)
		}
		if functionError != "" {
			w.Header().Set("X-Amz-Function-Error", functionError)
		}
		w.Write(answer)
	})).URL
}
