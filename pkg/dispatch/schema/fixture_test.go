package schema_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/rule"
	"example.com/dispatch/pkg/dispatch/schema"
	"example.com/dispatch/pkg/dispatch/storetest"
)

// noon is the parser's time in these tests.
var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// settings have one queue of each kind.
var settings = dispatch.Settings{Queues: map[string]dispatch.QueueSettings{
	"default": {Lanes: 1}, "bulk": {Lanes: 1}, "old": {Lanes: 1, Retired: true},
}, Routes: map[string]dispatch.Route{
	"invoice.*": {Targets: []json.RawMessage{[]byte(`{"name":"a",` + uri + `}`), []byte(`{"name":"b",` + uri + `}`)}},
}}

// newEnqueue returns the verb as a deployment has it in which everything is allowed.
func newEnqueue() *dispatch.Enqueue {
	return &dispatch.Enqueue{
		Store: &storetest.Memory{}, Settings: func(context.Context) (dispatch.Settings, error) { return settings, nil },
		Retention: dispatch.DefaultRetention, AllowHTTP: true, CanSign: true, CheckRule: rule.Check, CheckARN: func(dispatch.ARN) error { return nil },
		CheckSecret: func(string) error { return nil },
		Now:         func() time.Time { return noon }, Log: slog.New(slog.DiscardHandler),
	}
}

// enqueued returns the receipts of an input, or what the parser finds wrong with it.
func enqueued(t fataler, e *dispatch.Enqueue, input string) (dispatch.Receipts, []dispatch.Fault) {
	t.Helper()
	receipts, err := e.Run(context.Background(), []byte(input), func(i int) string { return "new-" + strconv.Itoa(i) })
	return receipts, faultsOf(t, input, err)
}

// configured returns what the parser finds wrong with settings.
func configured(t fataler, input string) []dispatch.Fault {
	t.Helper()
	_, err := dispatch.ParseSettings([]byte(input), rule.Check)
	return faultsOf(t, input, err)
}

func faultsOf(t fataler, input string, err error) []dispatch.Fault {
	t.Helper()
	invalid, ok := errors.AsType[*dispatch.InvalidInput](err)
	if err != nil && !ok {
		t.Fatalf("%.200s: %v, which is no fault of the input", input, err)
	}
	if !ok {
		return nil
	}
	return invalid.Faults
}

// fataler is a test, or one draw of rapid's.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func compile(t fataler, text []byte) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("https://example.com/schema.json", decode(t, string(text))); err != nil {
		t.Fatalf("%v", err)
	}
	s, err := c.Compile("https://example.com/schema.json")
	if err != nil {
		t.Fatalf("%v", err)
	}
	return s
}

func decode(t fataler, text string) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%.200s: %v", text, err)
	}
	return v
}

// node is a schema as it is written.
type node map[string]any

func read(t fataler, text []byte) node {
	t.Helper()
	var n node
	if err := json.Unmarshal(text, &n); err != nil {
		t.Fatalf("%v", err)
	}
	return n
}

// child returns what is under a path of names.
func (n node) child(names ...string) node {
	for _, name := range names {
		next, _ := n[name].(map[string]any)
		n = next
	}
	return n
}

// in returns the node with what it refers to, its own words first.
func (n node) in(root node) node {
	ref, ok := n["$ref"].(string)
	if !ok {
		return n
	}
	whole := node{}
	for name, v := range root.child(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...).in(root) {
		whole[name] = v
	}
	for name, v := range n {
		if name != "$ref" {
			whole[name] = v
		}
	}
	return whole
}

// properties returns the names of the node's properties, in order.
func (n node) properties() []string {
	var names []string
	for name := range n.child("properties") {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func encode(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// place is where a schema describes an object whose fields the parser knows.
type place struct {
	name   string
	schema []byte
	path   []string            // of the object's schema
	around func(string) string // makes an input of the object's fields, besides those it needs
	faults func(t fataler, input string) []dispatch.Fault
}

const uri = `"uri":"https://example.com/"`

// places are all objects that users write.
func places() []place {
	tasks := func(t fataler, input string) []dispatch.Fault { _, f := enqueued(t, newEnqueue(), input); return f }
	within := func(before, after string) func(string) string {
		return func(fields string) string {
			if fields != "" && (strings.HasSuffix(before, `"`) || strings.HasSuffix(before, `]`)) {
				fields = "," + fields
			}
			return before + fields + after
		}
	}
	return []place{
		{"task", schema.Task(), []string{"$defs", "task"}, within(`{`+uri, `}`), tasks},
		{"attempts", schema.Task(), []string{"$defs", "attempts"}, within(`{`+uri+`,"attempts":{`, `}}`), tasks},
		{"onFailure", schema.Task(), []string{"$defs", "callback"}, within(`{`+uri+`,"onFailure":{`+uri, `}}`), tasks},
		{"onSuccess", schema.Task(), []string{"$defs", "callback"}, within(`{`+uri+`,"onSuccess":{`+uri, `}}`), tasks},
		{"attempts of a callback", schema.Task(), []string{"$defs", "attempts"}, within(`{`+uri+`,"onSuccess":{`+uri+`,"attempts":{`, `}}}`), tasks},
		{"settings", schema.Settings(), nil, within(`{`, `}`), configured},
		{"queue", schema.Settings(), []string{"$defs", "queue"}, within(`{"queues":{"q":{`, `}}}`), configured},
		{"tenant", schema.Settings(), []string{"$defs", "tenant"}, within(`{"tenants":{"t":{`, `}}}`), configured},
		{"queue of a tenant", schema.Settings(), []string{"$defs", "tenantQueue"}, within(`{"tenants":{"t":{"queues":{"default":{`, `}}}}}`), configured},
		{"defaults", schema.Settings(), []string{"$defs", "defaults"}, within(`{"queues":{"q":{"defaults":{`, `}}}}`), configured},
		{"route", schema.Settings(), []string{"$defs", "route"}, within(`{"routes":{"a":{"targets":[{"name":"a",`+uri+`}]`, `}}}`), configured},
		{"target", schema.Settings(), []string{"$defs", "target"}, within(`{"routes":{"a":{"targets":[{"name":"a",`+uri, `}]}}}`), configured},
		{"attempts of a target", schema.Settings(), []string{"$defs", "attempts"}, within(`{"routes":{"a":{"targets":[{"name":"a",`+uri+`,"attempts":{`, `}}]}}}`), configured},
		{"attempts of a queue", schema.Settings(), []string{"$defs", "attempts"}, within(`{"queues":{"q":{"defaults":{"attempts":{`, `}}}}}`), configured},
	}
}
