package target

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"example.com/dispatch/pkg/dispatch"
)

// A state machine's type is asked for once, and again as long as it was not learned.
func TestTypeIsAskedOnce(t *testing.T) {
	answers := []string{`{}`, `{"type":"STANDARD"}`}
	s := newStub(t, func(w http.ResponseWriter, operation string) {
		if operation == "DescribeStateMachine" {
			io.WriteString(w, answers[0])
			answers = answers[1:]
		}
	})
	to := atAWS(s.url)
	var got []string
	for _, uri := range []string{machine, machine, strings.TrimSuffix(machine, ":PROD"), machine} {
		to.Send(t.Context(), callOf("POST", uri, "1"))
	}
	for _, a := range s.asked {
		got = append(got, a.operation[:5])
	}
	if want := "Descr Descr Start Start Start"; strings.Join(got, " ") != want {
		t.Errorf("%v, want %s", got, want)
	}
}

// One name for a run, and another for whatever else may be there within the 90 days that Step Functions knows it.
func TestExecutionName(t *testing.T) {
	base := callOf("POST", machine, "1")
	name := func(change func(*dispatch.Call)) string {
		c := base
		change(&c)
		return executionName(c)
	}
	first := name(func(*dispatch.Call) {})
	for what, same := range map[string]string{
		"another attempt": name(func(c *dispatch.Call) { c.Attempt, c.Task.Generation = 3, 10 }),
		"another body":    name(func(c *dispatch.Call) { c.Doc.Body = []byte("2") }),
	} {
		if same != first {
			t.Errorf("%s: %s, want %s", what, same, first)
		}
	}
	seen := map[string]string{first: "the first"}
	for what, other := range map[string]string{
		"another target":              name(func(c *dispatch.Call) { c.Target = "ledger" }),
		"another run":                 name(func(c *dispatch.Call) { c.Task.Run = 2 }),
		"the id of another run":       name(func(c *dispatch.Call) { c.Task.ID = "order-7/3" }),
		"a run by hand of the first":  name(func(c *dispatch.Call) { c.Task.Run = 4 }),
		"an id that is used again":    name(func(c *dispatch.Call) { c.Doc.CreatedAt = noon.AddDate(0, 0, 8) }),
		"an id that reads the same":   name(func(c *dispatch.Call) { c.Task.ID = "order:7" }),
		"an id that begins the same":  name(func(c *dispatch.Call) { c.Task.ID = strings.Repeat("a", 128) }),
		"an id that begins the same ": name(func(c *dispatch.Call) { c.Task.ID = strings.Repeat("a", 127) + "b" }),
	} {
		if seen[other] != "" {
			t.Errorf("%s and %s: %s", what, seen[other], other)
		}
		seen[other] = what
		if len(other) > 80 || strings.Trim(strings.ToLower(other), "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
			t.Errorf("%s: %s", what, other)
		}
	}
}
