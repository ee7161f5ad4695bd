package schema_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/schema"
)

var fenced = regexp.MustCompile("(?ms)^```json\n(.*?)^```$")

func guide(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../../docs/task.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Every JSON block of the guide is what it says: a task and settings that parser and schema accept, an answer
// that is valid, or the body of a callback.
func TestGuide(t *testing.T) {
	task, config, answer := compile(t, schema.Task()), compile(t, schema.Settings()), compile(t, schema.Answer())
	found := map[string]int{}
	for _, m := range fenced.FindAllStringSubmatch(guide(t), -1) {
		block := m[1]
		fields, _ := decode(t, block).(map[string]any)
		items, _ := fields["tasks"].([]any)
		first := fields
		if len(items) > 0 {
			first, _ = items[0].(map[string]any)
		}
		has := func(name string) bool { _, ok := first[name]; return ok }
		var kind string
		var faults []dispatch.Fault
		var invalid error
		switch {
		case has("uri") || has("type") && !has("endedAt"):
			kind, invalid = "task", task.Validate(decode(t, block))
			_, faults = enqueued(t, newEnqueue(), block)
		case has("queues") || has("routes") || has("tenants"):
			kind, invalid, faults = "settings", config.Validate(decode(t, block)), configured(t, block)
		case has("existing"), has("title"):
			kind, invalid = "answer", answer.Validate(decode(t, block))
		case has("detail-type"):
			kind = "event"
			full := dispatch.Event{Kind: dispatch.TaskFailed, ID: "i", Queue: "q", Run: 1, State: "s", Reason: "r", Attempts: 1, Tenant: "n", Group: "g", Identifier: "l", Type: "t"}
			if first["detail-type"] == string(dispatch.TaskKeepsFailing) {
				full.Kind, full.Target = dispatch.TaskKeepsFailing, "a"
			}
			if got, want := paths(t, encode(t, first["detail"])), paths(t, encode(t, full)); !slices.Equal(got, want) || first["detail-type"] != string(full.Kind) {
				t.Errorf("an event carries %v\nthe guide says %v", want, got)
			}
		case has("endedAt"):
			kind = "callback"
			asked := uri + `,"body":1,"tenant":"n","group":"g","identifier":"i","stopCodes":404`
			if has("targets") {
				asked = `"type":"invoice.created","body":1`
			}
			if got, want := paths(t, block), paths(t, string(told(t, asked))); !slices.Equal(got, want) {
				t.Errorf("a callback carries %v\nthe guide says %v", want, got)
			}
		}
		found[kind]++
		if kind == "" || faults != nil || invalid != nil {
			t.Errorf("%s: parser %v, schema %v:\n%s", kind, faults, invalid, block)
		}
	}
	if found["task"] < 12 || found["settings"] != 5 || found["answer"] != 2 || found["callback"] != 2 || found["event"] != 2 {
		t.Errorf("blocks: %v", found)
	}
}

// told returns the body of the callback of a task that was stopped, with every field that one can have.
func told(t *testing.T, asked string) []byte {
	t.Helper()
	e := newEnqueue()
	_, faults := enqueued(t, e, `{"id":"a",`+asked+`,"onFailure":{`+uri+`}}`)
	if faults != nil {
		t.Fatal(faults)
	}
	h := dispatch.Handle{
		Store: e.Store, Settings: e.Settings, Retention: e.Retention, Now: e.Now, Token: rand.Text, Log: slog.New(slog.DiscardHandler),
		Send: func(_ context.Context, c dispatch.Call) dispatch.Answer {
			if c.Target == "a" {
				return dispatch.Answer{Status: 200, Body: "thanks"}
			}
			return dispatch.Answer{Status: 404, Said: dispatch.OutcomeStopped, Body: "no such order"}
		},
		Chance: func() float64 { return 0 },
	}
	if err := h.Run(t.Context(), []dispatch.Hint{{ID: "a", Queue: "default"}}); err != nil {
		t.Fatal(err)
	}
	for task, err := range e.Store.List(t.Context(), dispatch.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(task.ID, "a/") && strings.HasSuffix(task.ID, "/failure") {
			d, err := dispatch.DecodeDoc(task.Doc)
			if err != nil {
				t.Fatal(err)
			}
			return d.Body
		}
	}
	t.Fatal("no callback")
	return nil
}

// paths returns the names of all fields, also within others and within lists, but for those of a task's own body.
func paths(t *testing.T, text string) []string {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	var walk func(at string, v any)
	walk = func(at string, v any) {
		all[at] = true
		switch v := v.(type) {
		case map[string]any:
			for name, one := range v {
				if at != "/request/body" {
					walk(at+"/"+name, one)
				}
			}
		case []any:
			for _, one := range v {
				walk(at+"/*", one)
			}
		}
	}
	walk("", value)
	return slices.Sorted(maps.Keys(all))
}

var row = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|(.*)\\|(.*)\\|(.*)\\|$")

// The guide's tables have a row for every field, and the limits and defaults of the schema.
func TestGuideTables(t *testing.T) {
	rows := map[string]string{}
	for _, m := range row.FindAllStringSubmatch(guide(t), -1) {
		rows[m[1]] = strings.ReplaceAll(strings.ReplaceAll(m[3]+"|"+m[4], ",", ""), "−", "-")
	}
	seen := map[string]bool{}
	check := func(prefix string, root node, object node) {
		for _, name := range object.properties() {
			full := prefix + name
			if full == "attempts" {
				continue // its fields have rows
			}
			seen[full] = true
			text, ok := rows[full]
			if !ok {
				t.Errorf("no row for %s", full)
				continue
			}
			field := object.child("properties", name).in(root)
			for _, key := range []string{"minimum", "maximum", "default"} {
				if n, ok := field[key].(float64); ok && name != "dueAt" && name != "expireAt" && !strings.Contains(text, plain(n)) {
					t.Errorf("%s: %q does not say its %s, %s", full, text, key, plain(n))
				}
			}
			if word, ok := field["default"].(string); ok && !strings.Contains(text, "`"+word+"`") {
				t.Errorf("%s: %q does not say its default, %s", full, text, word)
			}
		}
	}
	task, config := read(t, schema.Task()), read(t, schema.Settings())
	check("", task, task.child("$defs", "task"))
	check("attempts.", task, task.child("$defs", "attempts"))
	check("", config, config.child("$defs", "queue"))
	check("tenants.", config, config.child("$defs", "tenant"))
	for name := range rows {
		if !seen[name] {
			t.Errorf("a row for %s, which is no field", name)
		}
	}
}

// How long the guide says that ids are remembered.
func TestGuideOnRetention(t *testing.T) {
	if dispatch.DefaultRetention != 7*24*time.Hour || dispatch.MinRetention != 8*time.Hour {
		t.Error("the guide says seven days, and at least eight hours")
	}
}
