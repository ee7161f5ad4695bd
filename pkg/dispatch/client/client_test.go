package client_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/client"
)

const uri = "https://example.com/"

func TestEnqueue(t *testing.T) {
	a, other, anonymous := client.Task{ID: "a", URI: uri}, client.Task{ID: "a", URI: uri + "other"}, client.Task{URI: uri}
	for _, c := range []struct {
		name   string
		steps  []string
		tasks  []client.Task
		want   string // the receipts
		err    string // part of the error's text
		calls  int
		stored int
	}{
		{name: "none"},
		{name: "one", tasks: []client.Task{a}, want: "a scheduled", calls: 1, stored: 1},
		{name: "without an id", tasks: []client.Task{anonymous, a, anonymous}, want: "made-1 scheduled, a scheduled, made-2 scheduled", calls: 1, stored: 3},
		{name: "a conflict", tasks: []client.Task{a, other, anonymous}, want: "a scheduled, a scheduled existing 409, made-1 scheduled", calls: 1, stored: 2},
		{name: "twice in one call", tasks: []client.Task{a, a}, want: "a scheduled, a scheduled existing", calls: 1, stored: 1},
		{name: "a replacement without an id", tasks: []client.Task{{URI: uri, OnConflict: client.Replace}}, err: "#/tasks/0/onConflict: goes with id",
			want: "400 #/tasks/0/onConflict", calls: 1},

		{name: "no connection", steps: []string{"reset", "reset"}, tasks: []client.Task{anonymous}, want: "made-1 scheduled", calls: 3, stored: 1},
		{name: "an answer that is lost", steps: []string{"lost"}, tasks: []client.Task{anonymous}, want: "made-1 scheduled", calls: 2, stored: 1},
		{name: "an answer that is lost, with an id", steps: []string{"lost"}, tasks: []client.Task{a}, want: "a scheduled existing", calls: 2, stored: 1},
		{name: "no answer", steps: []string{"silence"}, tasks: []client.Task{anonymous}, want: "made-1 scheduled", calls: 2, stored: 1},
		{name: "throttled", steps: []string{"status 429", "status 500", "status 503", "status 409"}, tasks: []client.Task{a}, want: "a scheduled", calls: 5, stored: 1},
		{name: "a function that timed out", steps: []string{"timeout"}, tasks: []client.Task{a}, want: "a scheduled", calls: 2, stored: 1},
		{name: "an error that is no JSON", steps: []string{"error oh"}, tasks: []client.Task{a}, want: "a scheduled", calls: 2, stored: 1},
		{name: "a store that failed", steps: []string{"fail made-2"}, tasks: []client.Task{anonymous, anonymous}, want: "made-1 scheduled, made-2 scheduled", calls: 2, stored: 2},
		{name: "a store that failed for one, as the server tells", steps: []string{"partly b"}, tasks: []client.Task{a, {ID: "b", URI: uri}},
			want: "a scheduled, b scheduled existing", calls: 2, stored: 2},

		{name: "forbidden", steps: []string{"status 403"}, tasks: []client.Task{a}, err: "enqueueing: invoking: status 403", want: "a 503", calls: 1},
		{name: "another function", steps: []string{`answer {"handedOver":0}`}, tasks: []client.Task{a}, err: "0 receipts for 1 tasks", want: "a 503", calls: 1},
		{name: "faults", tasks: []client.Task{a, {ID: "/", URI: "ftp://example.com/"}}, err: "#/tasks/1/uri", want: "a 400, / 400 #/tasks/1/id #/tasks/1/uri", calls: 1},
		{name: "what is no JSON", tasks: []client.Task{a, {URI: uri, Body: func() {}}}, err: "#/tasks/1: cannot be written as JSON", want: "a 503, made-1 503"},
		{name: "what is too large", tasks: []client.Task{a, {URI: uri, Body: strings.Repeat("x", 6<<20)}}, err: "#/tasks/1: is too large", want: "a 503, made-1 503"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEnqueue(c.steps...)
				receipts, err := client.Client{Invoke: e.invoke, NewID: numbered()}.Enqueue(t.Context(), c.tasks...)
				if got := brief(receipts); got != c.want {
					t.Errorf("receipts %q, want %q", got, c.want)
				}
				if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
					t.Errorf("error %v, want %q", err, c.err)
				}
				if len(e.inputs) != c.calls {
					t.Errorf("%d calls, want %d", len(e.inputs), c.calls)
				}
				if got := e.stored(t); got != c.stored {
					t.Errorf("%d stored, want %d", got, c.stored)
				}
			})
		})
	}
}

// TestRepeatedAlike holds a repetition to what came before it: under another id it would be another task.
func TestRepeatedAlike(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnqueue("lost", "reset")
		if _, err := (client.Client{Invoke: e.invoke}).Enqueue(t.Context(), client.Task{URI: uri, Body: "<a> & b"}); err != nil {
			t.Fatal(err)
		}
		if e.inputs[0] != e.inputs[1] || e.inputs[0] != e.inputs[2] || !strings.Contains(e.inputs[0], `"body":"<a> & b"`) {
			t.Errorf("inputs %q", e.inputs)
		}
	})
}

func TestDeadline(t *testing.T) {
	for _, c := range []struct {
		name   string
		within time.Duration // 0: none
		want   time.Duration
	}{
		{name: "the context's", within: 5 * time.Second, want: 5 * time.Second},
		{name: "a long one", within: 10 * time.Minute, want: 10 * time.Minute},
		{name: "none", want: time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, began := t.Context(), time.Now()
				if c.within > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, c.within)
					defer cancel()
				}
				failing := func(context.Context, []byte) ([]byte, string, error) {
					return nil, "", &client.StatusError{Status: 429}
				}
				receipts, err := client.Client{Invoke: failing, NewID: numbered()}.Enqueue(ctx, client.Task{URI: uri})
				if !errors.Is(err, dispatch.ErrNotStored) || !strings.Contains(err.Error(), "429") || brief(receipts) != "made-1 503" {
					t.Errorf("%s, %v", brief(receipts), err)
				}
				if got := time.Since(began); got != c.want {
					t.Errorf("gave up after %s, want %s", got, c.want)
				}
			})
		})
	}
}

// TestMany has more tasks than one call takes, by their number and by their size, all of one group.
func TestMany(t *testing.T) {
	many := func(n int, body string) []client.Task {
		tasks := make([]client.Task, n)
		for i := range tasks {
			tasks[i] = client.Task{ID: strconv.Itoa(i), URI: uri, Body: body}
		}
		return tasks
	}
	for _, c := range []struct {
		name  string
		tasks []client.Task
		calls []int // tasks in each
	}{
		{"as many as one takes", many(1000, ""), []int{1000}},
		{"one more", many(1001, ""), []int{1000, 1}},
		{"by their size", many(40, strings.Repeat("x", 300<<10)), []int{20, 20}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newEnqueue()
			receipts, err := client.Client{Invoke: e.invoke}.Enqueue(t.Context(), c.tasks...)
			if err != nil || e.stored(t) != len(c.tasks) {
				t.Fatalf("%d of %d stored: %v", e.stored(t), len(c.tasks), err)
			}
			for i, r := range receipts {
				if r.ID != strconv.Itoa(i) || r.State != dispatch.Scheduled || r.Existing || r.Error != nil {
					t.Fatalf("receipt %d: %+v", i, r)
				}
			}
			var calls []int
			for _, input := range e.inputs {
				if len(input) > 6<<20 {
					t.Errorf("%d bytes", len(input))
				}
				calls = append(calls, strings.Count(input, `"id":`))
			}
			if len(calls) != len(c.calls) || calls[0] != c.calls[0] || calls[len(calls)-1] != c.calls[len(calls)-1] {
				t.Errorf("calls of %v tasks, want %v", calls, c.calls)
			}
		})
	}
}

// TestFaultsAmongMany has a fault in the second call: what came before it stands, and nothing behind it is sent.
func TestFaultsAmongMany(t *testing.T) {
	tasks := make([]client.Task, 2500)
	for i := range tasks {
		tasks[i] = client.Task{URI: uri}
	}
	tasks[1100].URI = "example.com"
	e := newEnqueue()
	receipts, err := client.Client{Invoke: e.invoke}.When(func(t client.Task) bool { return true }).Enqueue(t.Context(), tasks...)
	invalid, ok := errors.AsType[*dispatch.InvalidInput](err)
	if !ok || len(invalid.Faults) != 1 || invalid.Faults[0].Pointer != "#/tasks/1100/uri" {
		t.Fatalf("error %v", err)
	}
	if len(e.inputs) != 2 || e.stored(t) != 1000 {
		t.Errorf("%d calls, %d stored", len(e.inputs), e.stored(t))
	}
	for i, want := range map[int]int{0: 0, 999: 0, 1000: 400, 1100: 400, 1999: 400, 2000: 503, 2499: 503} {
		got := 0
		if receipts[i].Error != nil {
			got = receipts[i].Error.Status
		}
		if got != want || receipts[i].ID == "" {
			t.Errorf("receipt %d: %+v, want status %d", i, receipts[i], want)
		}
	}
}

func TestWhen(t *testing.T) {
	e := newEnqueue()
	c := client.Client{Invoke: e.invoke, NewID: numbered()}
	paid := func(t client.Task) bool { return t.Identifier == "paid" }
	internal := func(t client.Task) bool { return strings.HasPrefix(t.ID, "internal-") }
	tasks := []client.Task{{ID: "a", URI: "not a uri"}, {URI: uri, Identifier: "paid"}, {ID: "internal-1", URI: uri, Identifier: "paid"}, {ID: "internal-2"}, {URI: "no"}}
	receipts, err := c.When(paid).SkipIf(internal).Enqueue(t.Context(), tasks...)
	if got, want := brief(receipts), "a skipped, made-1 scheduled, internal-1 skipped, internal-2 skipped, skipped"; got != want || err != nil {
		t.Errorf("receipts %q, want %q: %v", got, want, err)
	}
	if len(e.inputs) != 1 || strings.Contains(e.inputs[0], "internal") || e.stored(t) != 1 {
		t.Errorf("sent %s", e.inputs)
	}
	if _, err := c.When(paid).Enqueue(t.Context(), client.Task{URI: uri}); err != nil || len(e.inputs) != 1 {
		t.Errorf("%d calls for nothing to send: %v", len(e.inputs), err)
	}
	if tasks[1].ID != "" {
		t.Error("the caller's task was changed")
	}
	// One client's choice is not another's.
	one, two := c.When(paid), c.When(paid)
	one, two = one.SkipIf(internal), two.SkipIf(func(client.Task) bool { return true })
	if receipts, err := one.Enqueue(t.Context(), tasks[1]); err != nil || receipts[0].State != dispatch.Scheduled {
		t.Errorf("%+v, %v", receipts, err)
	}
	if receipts, err := two.Enqueue(t.Context(), tasks[1]); err != nil || receipts[0].State != dispatch.Skipped {
		t.Errorf("%+v, %v", receipts, err)
	}
}
