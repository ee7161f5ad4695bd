package schema_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/schema"
)

// broken is a store that fails to put some ids.
type broken struct {
	dispatch.Store
	errs map[string]error
}

// Put implements [dispatch.Store].
func (b broken) Put(ctx context.Context, now time.Time, tasks []dispatch.Task) []dispatch.Result {
	results := b.Store.Put(ctx, now, tasks)
	for i, t := range tasks {
		if err := b.errs[t.ID]; err != nil {
			results[i] = dispatch.Result{Err: err}
		}
	}
	return results
}

// What enqueue answers is valid, of every kind; and so is each receipt by itself, which one task gets.
func TestAnswers(t *testing.T) {
	validator := compile(t, schema.Answer())
	valid := func(what string, v any) {
		t.Helper()
		if err := validator.Validate(decode(t, encode(t, v))); err != nil {
			t.Errorf("%s: %s\n%v", what, encode(t, v), err)
		}
	}
	e := newEnqueue()
	e.Store = broken{e.Store, map[string]error{"large": dispatch.ErrTooLarge, "lost": errors.New("no answer")}}
	now := noon
	e.Now = func() time.Time { return now }
	run := func(input string) dispatch.Receipts {
		t.Helper()
		receipts, err := e.Run(t.Context(), []byte(input), func(int) string { return "new" })
		if err != nil && !errors.Is(err, dispatch.ErrNotStored) {
			t.Fatal(err)
		}
		valid("receipts", receipts)
		for _, one := range receipts.Tasks {
			valid("receipt", one)
			if one.Error != nil {
				valid("its problem", *one.Error)
			}
		}
		return receipts
	}
	all := run(`{"tasks":[{"id":"a",` + uri + `},{` + uri + `,"delay":0.5},{"id":"a",` + uri + `,"delay":1},{"id":"a",` + uri + `},
		{"id":"large",` + uri + `},{"id":"lost",` + uri + `},{"id":"g1",` + uri + `,"group":"g"},{"id":"g2",` + uri + `,"group":"g"}]}`)
	if n := len(slices.DeleteFunc(all.Tasks, func(r dispatch.Receipt) bool { return r.Error == nil })); n != 3 {
		t.Errorf("%d problems, want a conflict, a row too large and one not stored", n)
	}
	run(`{"id":"a",` + uri + `,"body":1,"onConflict":"replace"}`)
	editor := dispatch.Editor{Store: e.Store, Settings: e.Settings, Retention: e.Retention, Now: e.Now}
	if _, err := editor.Cancel(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if got := run(`{"id":"a",` + uri + `,"body":1}`).Tasks[0]; got.State != dispatch.Cancelled || !got.DueAt.IsZero() {
		t.Errorf("receipt %+v", got)
	}

	for _, input := range []string{`{`, `[]`, `{}`, `{"tasks":[{},{"a b":1}]}`, `{` + uri + `,"headers":{"a b":1,"":2}}`} {
		_, err := e.Run(t.Context(), []byte(input), func(int) string { return "new" })
		invalid, ok := errors.AsType[*dispatch.InvalidInput](err)
		if !ok {
			t.Fatalf("%s: %v", input, err)
		}
		valid("a problem", invalid.Problem())
		if err := validator.Validate(decode(t, invalid.Problem().Error())); err != nil {
			t.Errorf("a problem as an error's text: %v", err)
		}
	}
}

func TestNoAnswers(t *testing.T) {
	validator := compile(t, schema.Answer())
	for _, text := range []string{
		`{}`, `[]`, `null`, `{"id":"a"}`, `{"existing":false}`, `{"id":1,"existing":false}`, `{"id":"","existing":false}`, `{"id":"a","existing":0}`, `{"id":"a","existing":false,"state":"leased"}`,
		`{"id":"a","existing":false,"dueAt":"soon"}`, `{"id":"a","existing":false,"error":{}}`, `{"tasks":{}}`, `{"tasks":[{}]}`, `{"title":"x"}`, `{"status":400}`,
		`{"title":"","status":400}`, `{"title":"x","status":200}`, `{"title":"x","status":"400"}`, `{"title":"x","status":400,"errors":[]}`, `{"title":"x","status":400,"errors":[{"detail":"x"}]}`,
		`{"title":"x","status":400,"errors":[{"detail":"x","pointer":"/a"}]}`,
	} {
		if err := validator.Validate(decode(t, text)); err == nil {
			t.Errorf("%s is valid", text)
		}
	}
}

// The schema names the fields that the types have, requires those that are always there, and knows every state.
func TestAnswersAreTheTypes(t *testing.T) {
	root := read(t, schema.Answer())
	for name, typ := range map[string]reflect.Type{
		"receipts": reflect.TypeFor[dispatch.Receipts](), "receipt": reflect.TypeFor[dispatch.Receipt](),
		"problem": reflect.TypeFor[dispatch.Problem](), "fault": reflect.TypeFor[dispatch.Fault](),
	} {
		var fields, always []string
		for f := range typ.Fields() {
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "-" {
				continue
			}
			fields = append(fields, name)
			if options == "" {
				always = append(always, name)
			}
		}
		slices.Sort(fields)
		slices.Sort(always)
		object := root.child("$defs", name)
		if got := object.properties(); !slices.Equal(got, fields) {
			t.Errorf("%s: the schema has %v, the type %v", name, got, fields)
		}
		var required []string
		list, _ := object["required"].([]any)
		for _, r := range list {
			required = append(required, r.(string))
		}
		slices.Sort(required)
		if !slices.Equal(required, always) {
			t.Errorf("%s: the schema requires %v, the type always has %v", name, required, always)
		}
		for _, field := range object.properties() {
			if text, _ := object.child("properties", field)["description"].(string); len(text) < 12 || !strings.HasSuffix(text, ".") {
				t.Errorf("%s: %s: description %q", name, field, text)
			}
		}
	}
	states, _ := root.child("$defs", "receipt", "properties", "state")["enum"].([]any)
	for _, s := range []dispatch.State{
		dispatch.Scheduled, dispatch.Blocked, dispatch.Held, dispatch.Delivered, dispatch.Stopped, dispatch.Exhausted, dispatch.Expired, dispatch.Skipped, dispatch.Cancelled,
	} {
		if !slices.Contains(states, any(string(s))) {
			t.Errorf("no state %s", s)
		}
	}
	if len(states) != 9 {
		t.Errorf("%d states", len(states))
	}
}
