package schema_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/schema"
)

// Random inputs near the schema: what the parser accepts validates, and what it refuses does not, but for
// the faults that only the parser sees. The inputs are the same each time; others: -args -rapid.seed=2 -rapid.checks=20000.
func TestRandomInputs(t *testing.T) {
	if seed := flag.Lookup("rapid.seed"); seed.Value.String() == "0" {
		if err := seed.Value.Set("1"); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name   string
		schema []byte
		faults func(t fataler, input string) []dispatch.Fault
	}{
		{"task", schema.Task(), func(t fataler, input string) []dispatch.Fault { _, f := enqueued(t, newEnqueue(), input); return f }},
		{"settings", schema.Settings(), configured},
	} {
		t.Run(c.name, func(t *testing.T) {
			validator, accepted, refused := compile(t, c.schema), 0, 0
			root := read(t, c.schema)
			if c.name == "task" {
				root["$ref"] = "#/$defs/task"
			}
			rapid.Check(t, func(t *rapid.T) {
				for range 20 {
					input := drawer{t: t, root: root, wrong: rapid.Bool().Draw(t, "wrong")}.value(root)
					faults, invalid := c.faults(t, input), validator.Validate(decode(t, input))
					if faults == nil {
						accepted++
						if invalid != nil {
							t.Fatalf("the parser accepts what the schema does not: %s\n%v", input, invalid)
						}
						continue
					}
					refused++
					if invalid == nil && slices.ContainsFunc(faults, visible) {
						t.Fatalf("the schema accepts what the parser does not: %s\n%v", input, faults)
					}
				}
			})
			if accepted < 200 || refused < 200 {
				t.Errorf("%d accepted and %d refused: too few of one kind to say anything", accepted, refused)
			}
		})
	}
}

// visible reports whether a schema can see the fault.
func visible(f dispatch.Fault) bool {
	for _, c := range unseen {
		if c.drawn && regexp.MustCompile(c.detail).MatchString(f.Detail) {
			return false
		}
	}
	return true
}

// drawer draws JSON near a schema; where wrong is set, one value in some is not what it says.
type drawer struct {
	t     *rapid.T
	root  node
	wrong bool
}

func (d drawer) oneIn(n int) bool { return rapid.IntRange(1, n).Draw(d.t, "one in") == 1 }

func (d drawer) astray() bool { return d.wrong && d.oneIn(25) }

func pick[T any](d drawer, of ...T) T { return rapid.SampledFrom(of).Draw(d.t, "pick") }

func (d drawer) value(n node) string {
	n = n.in(d.root)
	examples, _ := n["examples"].([]any)
	members, _ := n["enum"].([]any)
	choices, _ := n["anyOf"].([]any)
	switch {
	case d.astray():
		return pick(d, `null`, `true`, `0`, `-1`, `1.5`, `200`, `1e3`, `""`, `"x"`, `"2xx"`, `"300-200"`, `"GET"`, `[]`, `[0]`, `{}`, `{"x":1}`)
	case len(examples) > 0 && d.oneIn(2):
		return d.written(pick(d, examples...))
	case members != nil:
		return d.written(pick(d, members...))
	case choices != nil:
		return d.value(asNode(pick(d, choices...)))
	case n["allOf"] != nil && n["properties"] == nil:
		list, _ := n["allOf"].([]any)
		return d.value(asNode(list[0]))
	}
	switch d.kind(n) {
	case "object":
		return d.object(n)
	case "array":
		size := rapid.IntRange(0, 3).Draw(d.t, "size")
		if d.oneIn(20) {
			size = 100 + rapid.IntRange(0, 1).Draw(d.t, "more")
		}
		items := make([]string, size)
		for i := range items {
			items[i] = d.value(n.child("items"))
		}
		return "[" + strings.Join(items, ",") + "]"
	case "integer", "number":
		return d.number(n)
	case "string":
		return d.written(d.text(n))
	case "boolean":
		return pick(d, `true`, `false`)
	case "null":
		return `null`
	default: // anything goes
		return pick(d, `1`, `"text"`, `{"a":[1]}`, `null`)
	}
}

func asNode(v any) node {
	n, _ := v.(map[string]any)
	return n
}

func (d drawer) kind(n node) string {
	switch kinds := n["type"].(type) {
	case string:
		return kinds
	case []any:
		kind, _ := pick(d, kinds...).(string)
		return kind
	default:
		return ""
	}
}

func (d drawer) object(n node) string {
	required, _ := n["required"].([]any)
	properties := n.child("properties")
	var fields []string
	asked := d.askedBy(properties)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		likely := 6
		switch {
		case slices.Contains(required, any(name)) || name == asked:
			likely = 1
		case asked == "type" && slices.Contains(targets, name) && !d.astray(), asked == "uri" && name == "type":
			continue
		}
		if d.oneIn(likely) && !(likely == 1 && d.astray()) {
			fields = append(fields, fmt.Sprintf("%q:%s", name, d.value(properties.child(name))))
		}
	}
	if more := n.child("additionalProperties"); more != nil {
		seen := map[string]bool{}
		for range rapid.IntRange(0, 2).Draw(d.t, "more") {
			name := pick(d, "a", "A", "b-c", "x_1", "default")
			if d.astray() {
				name = pick(d, "", "a b", "é", "Host", "dispatch-x", "a.b", long(65))
			}
			if !seen[name] {
				fields = append(fields, d.written(name)+":"+d.value(more))
			}
			seen[name] = true
		}
	} else if d.astray() {
		fields = append(fields, `"other":1`)
	}
	return "{" + strings.Join(fields, ",") + "}"
}

// targets are the fields that a task with a type leaves to the targets of its route.
var targets = []string{"uri", "method", "headers", "format", "successCodes", "successCode", "stopCodes", "waitCodes", "attempts", "httpTimeout", "redirects"}

// askedBy draws by which field a task says where it goes; "" for what is no task.
func (d drawer) askedBy(properties node) string {
	switch {
	case properties.child("uri") == nil || properties.child("type") == nil:
		return ""
	case d.oneIn(4):
		return "type"
	default:
		return "uri"
	}
}

// number draws one at or about a limit, or between them.
func (d drawer) number(n node) string {
	least, hasLeast := n["minimum"].(float64)
	most, hasMost := n["maximum"].(float64)
	if !hasLeast || !hasMost {
		return pick(d, `0`, `-1`, `1800000000`, `1.5`)
	}
	if d.astray() {
		return plain(pick(d, least-1, least-0.001, most+1, most+0.5, least+0.5, -least-1))
	}
	return plain(pick(d, least, most, min(most, least+1), max(least, most-1), float64(int((least+most)/2)), min(most, 60)))
}

func plain(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// text draws one like an example, or a short or a long one; where it goes astray, with something wrong in it.
func (d drawer) text(n node) string {
	s := pick(d, "a", "bulk", "old", "x_1", "2xx", "404", "200-204", "300-200", "true", "attempt > 1", "body +", "https://example.com/", "http://a/b?c", "https://a/%zz", "2030-01-31T12:00:00Z", "2020-01-31T12:00:00+01:00")
	if examples, _ := n["examples"].([]any); len(examples) > 0 && d.oneIn(2) {
		if text, ok := pick(d, examples...).(string); ok {
			s = text
		}
	}
	switch {
	case d.oneIn(20):
		s = long(pick(d, 0, 64, 65, 128, 129, 4096, 4097))
	case d.astray():
		at := rapid.IntRange(0, len(s)).Draw(d.t, "at")
		s = s[:at] + pick(d, " ", "#", "/", "@", ":", "é", "\n", "\x00", "-", "x", "0") + s[at:]
	}
	return s
}

func (d drawer) written(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		d.t.Fatalf("%v", err)
	}
	return string(b)
}
