//go:build sam

package functions_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/functions/internal/samlocal"
	"example.com/dispatch/pkg/dispatch"
)

// patience is how long the chain may take for anything before the test gives up.
const patience = 3 * time.Minute

// chain is the system under test and its receiver.
type chain struct {
	t        *testing.T
	system   *samlocal.System
	receiver *receiver
	warm     bool // it invokes functions by Lambda's API, where they go on running, and not by `sam local invoke`
}

// start starts the system; what SAM and the functions say is in the test's log.
func start(t *testing.T) *samlocal.System {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	s, err := samlocal.Start(t.Context(), samlocal.Options{
		Root: root, Work: t.TempDir(), DynamoDBPort: free(t), LambdaPort: free(t), Log: t.Output(),
		Variables: map[string]string{"PRECISION": "minute"}, // a sweep ends at once: the test says when there is a tick
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func free(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", ":0") // on all addresses, as those who will listen do
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// await waits until done; describe says how things stand if it never is.
func (c *chain) await(what string, done func() bool, describe func() string) {
	c.t.Helper()
	began := time.Now()
	for deadline := began.Add(patience); !done(); {
		if time.Now().After(deadline) {
			c.t.Fatalf("waiting for %s: %s", what, describe())
		}
		select {
		case <-c.t.Context().Done():
			c.t.Fatal(c.t.Context().Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
	c.t.Logf("waited %s for %s", time.Since(began).Round(time.Millisecond), what)
}

// file writes an event and returns its path.
func (c *chain) file(event string) string {
	c.t.Helper()
	f, err := os.CreateTemp(c.t.TempDir(), "*.json")
	if err == nil {
		_, err = f.WriteString(event)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return f.Name()
}

// invoke invokes a function with an event: the name of a file in events/, or a path.
func (c *chain) invoke(function, event string) []byte {
	c.t.Helper()
	if !filepath.IsAbs(event) {
		event = filepath.Join("events", event)
	}
	began := time.Now()
	answer, err := c.answer(function, event)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Logf("%s %s: %s after %s", function, filepath.Base(event), answer, time.Since(began).Round(time.Millisecond))
	return answer
}

func (c *chain) answer(function, event string) ([]byte, error) {
	if !c.warm {
		return c.system.InvokeFile(c.t.Context(), function, event)
	}
	if !filepath.IsAbs(event) {
		event = filepath.Join("..", event)
	}
	text, err := os.ReadFile(event)
	if err != nil {
		return nil, err
	}
	return c.system.Invoke(c.t.Context(), function, text)
}

// enqueue returns the receipts.
func (c *chain) enqueue(event string) []dispatch.Receipt {
	c.t.Helper()
	answer := c.invoke(samlocal.Enqueue, event)
	var got struct {
		dispatch.Receipt
		Tasks []dispatch.Receipt
	}
	if err := json.Unmarshal(answer, &got); err != nil {
		c.t.Fatalf("%v: %s", err, answer)
	}
	if got.Tasks == nil {
		got.Tasks = []dispatch.Receipt{got.Receipt}
	}
	for _, r := range got.Tasks {
		if r.ID == "" {
			c.t.Fatalf("no receipt: %s", answer)
		}
	}
	return got.Tasks
}

// fails enqueues what must be refused with this type of error, and returns the problem details.
func (c *chain) fails(event, errorType string) dispatch.Problem {
	c.t.Helper()
	answer := c.invoke(samlocal.Enqueue, event)
	var got struct{ ErrorType, ErrorMessage string }
	var p dispatch.Problem
	err := json.Unmarshal(answer, &got)
	if err == nil {
		err = json.Unmarshal([]byte(got.ErrorMessage), &p)
	}
	if err != nil || got.ErrorType != errorType {
		c.t.Fatalf("answer %s, want error %s with problem details: %v", answer, errorType, err)
	}
	return p
}

// sweep runs one, as the tick does.
func (c *chain) sweep() {
	c.t.Helper()
	answer := c.invoke(samlocal.Sweep, "tick.json")
	var report dispatch.SweepReport
	if err := json.Unmarshal(answer, &report); err != nil || report.Looks != 1 {
		c.t.Fatalf("sweep answered %s: %v", answer, err)
	}
}

func (c *chain) task(id string) dispatch.Task {
	c.t.Helper()
	r := c.system.Store.Get(c.t.Context(), []string{id})[0]
	if r.Err != nil {
		c.t.Fatal(r.Err)
	}
	return r.Task
}

// state is a task's state and how many attempts were made; "leased" while somebody is at it.
func (c *chain) state(id string) string {
	c.t.Helper()
	task := c.task(id)
	attempts := 0
	if len(task.Progress) > 0 {
		attempts = task.Progress[0].Attempts
	}
	if task.Lease != "" {
		return "leased"
	}
	return fmt.Sprintf("%s %d", task.State, attempts)
}

func (c *chain) states(ids ...string) string {
	c.t.Helper()
	parts := make([]string, len(ids))
	for i, id := range ids {
		parts[i] = id + " is " + c.state(id)
	}
	return strings.Join(parts, ", ")
}

// token looks at the JWT that claims became, in its envelope. Whether it verifies is package signature's test.
func (c *chain) token(name string, body []byte) {
	c.t.Helper()
	var envelope struct{ Request string }
	if err := json.Unmarshal(body, &envelope); err != nil {
		c.t.Errorf("%s: %v: %s", name, err, body)
		return
	}
	var header struct{ Alg, Kid, Typ string }
	var claims struct {
		Sub, Iss string
		Exp      int64
	}
	for i, part := range strings.SplitN(envelope.Request, ".", 3) {
		text, err := base64.RawURLEncoding.DecodeString(part)
		if err == nil && i == 0 {
			err = json.Unmarshal(text, &header)
		} else if err == nil && i == 1 {
			err = json.Unmarshal(text, &claims)
		}
		if err != nil {
			c.t.Errorf("%s: part %d of the token: %v", name, i, err)
		}
	}
	if header.Alg != "ES256" || header.Kid != c.system.Key.ID() || header.Typ != "JWT" || claims.Sub != "42" || claims.Iss != "dispatch" || claims.Exp == 0 {
		c.t.Errorf("%s: token of %+v with %+v", name, header, claims)
	}
}

// normal writes JSON so that it can be compared.
func normal(t *testing.T, text string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// withoutCreatedAt is an envelope without the one thing that nobody can know; it must be there.
func withoutCreatedAt(t *testing.T, body []byte) string {
	t.Helper()
	var envelope struct {
		Request json.RawMessage `json:"request"`
		Task    map[string]any  `json:"__task"`
	}
	if err := json.Unmarshal(body, &envelope); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	created, _ := envelope.Task["createdAt"].(string)
	if _, err := time.Parse(time.RFC3339, created); err != nil {
		t.Errorf("createdAt: %v", err)
	}
	delete(envelope.Task, "createdAt")
	b, err := json.Marshal(envelope)
	if err != nil {
		t.Fatal(err)
	}
	return normal(t, string(b))
}
