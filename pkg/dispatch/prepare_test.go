package dispatch_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"example.com/dispatch/pkg/dispatch"
)

// TestPrepare holds the row to the one that Run puts, and faults to what cannot be put alone.
func TestPrepare(t *testing.T) {
	const id = `"id":"a","uri":"https://example.com/"`
	for _, c := range []struct{ name, input, faults string }{
		{name: "a task", input: `{` + id + `}`},
		{name: "with everything", input: `{` + id + `,"body":{"a":1},"delay":60,"lifetime":3600,"identifier":"i","httpTimeout":7,"onConflict":"keep",` +
			`"attempts":{"limit":3},"onFailure":{"uri":"https://example.com/failed"}}`},
		{name: "of a tenant", input: `{` + id + `,"tenant":"acme"}`},
		{name: "without an id", input: `{"uri":"https://example.com/"}`, faults: "#/id"},
		{name: "of a group", input: `{` + id + `,"group":"g"}`, faults: "#/group"},
		{name: "that replaces", input: `{` + id + `,"onConflict":"replace"}`, faults: "#/onConflict"},
		{name: "that replaces a finished one", input: `{` + id + `,"onConflict":"replaceFinished"}`, faults: "#/onConflict"},
		{name: "with faults of all kinds", input: `{"group":"g","onConflict":"replace","queue":"none"}`, faults: "#/queue #/uri #/onConflict #/id #/group #/onConflict"},
		{name: "a list", input: `{"tasks":[{` + id + `}]}`, faults: "#/tasks"},
		{name: "too large", input: `{` + id + `,"body":"` + strings.Repeat("x", 400<<10) + `"}`, faults: "#"},
		{name: "no JSON", input: `{`, faults: "#"},
		{name: "no object", input: `[]`, faults: "#"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newProducer(t)
			row, err := p.Prepare(t.Context(), []byte(c.input))
			var pointers []string
			if invalid, ok := errors.AsType[*dispatch.InvalidInput](err); ok {
				for _, f := range invalid.Faults {
					pointers = append(pointers, f.Pointer)
				}
			} else if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(pointers, " "); got != c.faults {
				t.Errorf("faults %q, want %q", got, c.faults)
			}
			if found := p.store.Get(t.Context(), []string{"a"})[0]; !errors.Is(found.Err, dispatch.ErrNotFound) || len(p.invoked) > 0 {
				t.Errorf("stored %+v, %v; invoked %v", found.Task, found.Err, p.invoked)
			}
			if c.faults != "" {
				return
			}
			if _, err := p.run(t, c.input); err != nil {
				t.Fatal(err)
			}
			if want, _ := p.row(t, "a"); !reflect.DeepEqual(row, want) {
				t.Errorf("row %+v\nRun puts %+v", row, want)
			}
		})
	}
}
