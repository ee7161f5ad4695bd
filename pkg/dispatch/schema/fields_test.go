package schema_test

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/rule"
	"example.com/dispatch/pkg/dispatch/schema"
)

// The schema names the fields that the parser knows, no more and no fewer.
func TestNamesAreTheParsers(t *testing.T) {
	for _, p := range places() {
		t.Run(p.name, func(t *testing.T) {
			got := p.object(t).properties()
			if want := knownNames(t, p.faults(t, p.around(`"no such field":1`))); !slices.Equal(got, want) {
				t.Errorf("the schema has %v\nthe parser %v", got, want)
			}
			if p.object(t)["additionalProperties"] != false {
				t.Error("the schema allows others")
			}
		})
	}
	t.Run("batch", func(t *testing.T) {
		_, faults := enqueued(t, newEnqueue(), `{"tasks":[{`+uri+`}],"no such field":1}`)
		if got, want := read(t, schema.Task()).child("$defs", "batch").properties(), knownNames(t, faults); !slices.Equal(got, want) {
			t.Errorf("the schema has %v\nthe parser %v", got, want)
		}
	})
}

// knownNames reads them out of the parser's own words.
func knownNames(t *testing.T, faults []dispatch.Fault) []string {
	t.Helper()
	if len(faults) != 1 {
		t.Fatalf("faults %v, want one", faults)
	}
	known, ok := strings.CutPrefix(faults[0].Detail, "unknown field; known are ")
	if !ok {
		t.Fatalf("fault %v", faults)
	}
	names := strings.Split(known, ", ")
	slices.Sort(names)
	return names
}

func (p place) object(t *testing.T) node {
	t.Helper()
	root := read(t, p.schema)
	return root.child(p.path...).in(root)
}

// Every field says what it is, and what holds where it is absent.
func TestEveryFieldIsExplained(t *testing.T) {
	for _, p := range places() {
		root, object := read(t, p.schema), p.object(t)
		required, _ := object["required"].([]any)
		for _, name := range object.properties() {
			field := object.child("properties", name).in(root)
			text, _ := field["description"].(string)
			if len(text) < 20 || !strings.HasSuffix(text, ".") {
				t.Errorf("%s: %s: description %q", p.name, name, text)
			}
			if _, has := field["default"]; !has && !strings.Contains(text, "Unless given,") && !slices.Contains(required, any(name)) &&
				!strings.Contains(text, "Unless given:") {
				t.Errorf("%s: %s: says no default", p.name, name)
			}
		}
	}
}

// What the schema calls a default changes nothing where it is written out, and every example is accepted.
func TestDefaultsAndExamples(t *testing.T) {
	for _, p := range places() {
		root, validator := read(t, p.schema), compile(t, p.schema)
		bare := p.around("")
		for _, name := range p.object(t).properties() {
			field := p.object(t).child("properties", name).in(root)
			given := func(v any) string {
				switch {
				case name == "uri":
					return strings.ReplaceAll(bare, "https://example.com/", fmt.Sprint(v))
				case name == "name":
					return strings.ReplaceAll(bare, `"name":"a"`, fmt.Sprintf("%q:%q", name, v))
				case name == "type":
					return strings.ReplaceAll(bare, uri, fmt.Sprintf("%q:%q", name, v))
				case name == "targets":
					return `{"routes":{"a":{"targets":` + encode(t, v) + `}}}`
				}
				return p.around(fmt.Sprintf("%q:%s", name, encode(t, v)))
			}
			examples, _ := field["examples"].([]any)
			for _, v := range examples {
				if faults := p.faults(t, given(v)); faults != nil {
					t.Errorf("%s: %s: example %v: %v", p.name, name, v, faults)
				}
				if err := validator.Validate(decode(t, given(v))); err != nil {
					t.Errorf("%s: %s: example %v: %v", p.name, name, v, err)
				}
			}
			v, has := field["default"]
			if !has || v == nil || name == "maxInterval" { // the parser keeps 0 for its default, as TestGrowsToTheDefault knows
				continue
			}
			if got, want := meaning(t, given(v)), meaning(t, bare); !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %s: default %v is not what holds without it:\ngot  %v\nwant %v", p.name, name, v, got, want)
			}
		}
	}
}

func TestGrowsToTheDefault(t *testing.T) {
	root := read(t, schema.Task())
	if got := root.child("$defs", "attempts", "properties", "maxInterval")["default"]; got != float64(dispatch.MaxInterval) {
		t.Errorf("default %v, want %d", got, dispatch.MaxInterval)
	}
}

// meaning returns what the parser makes of an input: the settings and what they do to a task, or the row.
func meaning(t *testing.T, input string) string {
	t.Helper()
	e, task := newEnqueue(), input
	var made dispatch.Settings
	if strings.Contains(input, `"queues"`) || strings.Contains(input, `"routes"`) || !strings.Contains(input, `"uri"`) {
		var err error
		if made, err = dispatch.ParseSettings([]byte(input), rule.Check); err != nil {
			t.Fatal(err)
		}
		e.Settings = func(context.Context) (dispatch.Settings, error) { return made, nil }
		task = `{` + uri + `}`
		for name := range made.Queues {
			if name != dispatch.DefaultQueue {
				task = fmt.Sprintf(`{%s,"queue":%q}`, uri, name)
			}
		}
		for name := range made.Routes {
			task = fmt.Sprintf(`{"type":%q}`, name)
		}
	}
	receipts, faults := enqueued(t, e, task)
	if faults != nil {
		t.Fatalf("%s: %v", input, faults)
	}
	row := e.Store.Get(t.Context(), []string{receipts.Tasks[0].ID})[0].Task
	row.Hash = nil    // of what was written
	made.Routes = nil // as they were written; the row has what they mean
	for name, q := range made.Queues {
		q.Defaults.Attempts = nil // as they were written; the row has what they mean
		made.Queues[name] = q
	}
	return encode(t, made) + encode(t, row) + string(row.Doc)
}

// Some definitions stand in two files, because each must be complete in itself.
func TestDefinitionsAreTheSameEverywhere(t *testing.T) {
	for _, name := range []string{"attempts", "uri", "toARN", "headers", "format", "redirects", "httpTimeout", "successCodes", "stopCodes", "waitCodes", "codes", "given"} {
		if a, b := read(t, schema.Task()).child("$defs", name), read(t, schema.Settings()).child("$defs", name); !reflect.DeepEqual(a, b) || a == nil {
			t.Errorf("%s differs between task.json and settings.json", name)
		}
	}
}

// The files are valid schemas, and the functions return them.
func TestFilesAreSchemas(t *testing.T) {
	for name, text := range map[string][]byte{"task.json": schema.Task(), "settings.json": schema.Settings(), "answer.json": schema.Answer()} {
		compile(t, text)
		f, err := schema.Files().Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var n node
		if err := json.NewDecoder(f).Decode(&n); err != nil || !reflect.DeepEqual(n, read(t, text)) {
			t.Errorf("%s: %v", name, err)
		}
		if id, _ := n["$id"].(string); !strings.HasSuffix(id, "/"+name) || n["$schema"] != "https://json-schema.org/draft/2020-12/schema" {
			t.Errorf("%s: $id %v, $schema %v", name, n["$id"], n["$schema"])
		}
	}
}
