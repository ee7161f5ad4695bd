package schema_test

import (
	"regexp"
	"strings"
	"testing"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/egress"
	"example.com/dispatch/pkg/dispatch/schema"
)

// unseen are the faults that only the parser sees, each with an input that the schema lets pass: a task, or settings.
var unseen = []struct {
	name, input string
	detail      string // of the fault, as a regular expression
	drawn       bool   // random inputs have it too
	with        func(*dispatch.Enqueue)
	settings    bool
}{
	{name: "two targets of one name", input: `{"routes":{"a":{"targets":[{"name":"a",` + uri + `},{"name":"a",` + uri + `}]}}}`, detail: `^is the name of another target`, drawn: true, settings: true},
	{name: "limits of a queue that is not there", input: `{"tenants":{"a":{"queues":{"bulk":{}}}}}`, detail: `^there is no queue "[a-z0-9_-]{1,64}" in these settings`, drawn: true, settings: true},
	{name: "an allowed host that is a number", input: `{"tenants":{"a":{"allowedHosts":["127.1"]}}}`, detail: `^has a host that is a number`, settings: true},
	{name: "an allowed address that is none", input: `{"tenants":{"a":{"allowedHosts":["1:2:"]}}}`, detail: `^has a host in brackets`, settings: true},
	{name: "a time in the past", input: `{` + uri + `,"expireAt":1700000000}`, detail: `^is in the past: it is 2026-06-01T12:00:00Z now$`, drawn: true},
	{name: "an end before the beginning", input: `{` + uri + `,"delay":60,"lifetime":60}`, detail: `^comes before the task is due`, drawn: true},
	{name: "a day that its month lacks", input: `{` + uri + `,"dueAt":"2030-02-30T12:00:00Z"}`, detail: `^must be Unix seconds or a time`},
	{name: "1969", input: `{` + uri + `,"dueAt":"1969-12-31T23:59:59Z"}`, detail: `^must be Unix seconds or a time`},
	{name: "an unknown queue", input: `{` + uri + `,"queue":"mail"}`, detail: `^there is no queue "[a-z0-9_-]{1,64}"`, drawn: true},
	{name: "a retired queue", input: `{` + uri + `,"queue":"old"}`, detail: `is retired`, drawn: true},
	{name: "a type without a route", input: `{"type":"order.paid"}`, detail: `^there is no route for `, drawn: true},
	{name: "a rule that does not compile", input: `{` + uri + `,"when":"body +"}`, detail: `^is not a rule`, drawn: true},
	{name: "a rule of more bytes than characters", input: `{` + uri + `,"when":"id == '` + strings.Repeat("é", 2048) + `'"}`, detail: `^is longer than 4096 bytes$`},
	{name: "rules where there are none", input: `{` + uri + `,"when":"true"}`, detail: `^rules are not evaluated here$`, with: func(e *dispatch.Enqueue) { e.CheckRule = nil }},
	{name: "claims without a key", input: `{` + uri + `,"claims":{}}`, detail: `^there is no signing key`, with: func(e *dispatch.Enqueue) { e.CanSign = false }},
	{name: "plain http", input: `{"uri":"http://example.com/"}`, detail: `^must be an https URL; plain http goes only`, with: func(e *dispatch.Enqueue) { e.AllowHTTP = false }},
	{name: "ARNs where none is called", input: `{"uri":"` + function + `"}`, detail: `^functions and state machines are not called here$`, with: func(e *dispatch.Enqueue) { e.CheckARN = nil }},
	{name: "a body that Step Functions refuses", input: `{"uri":"` + machine + `","body":"` + strings.Repeat("a", 256<<10) + `"}`, detail: `^is too large for a state machine`},
	{name: "claims that Step Functions refuses", input: `{"uri":"` + machine + `","claims":{"a":"` + strings.Repeat("a", 192<<10) + `"}}`, detail: `^is too large for a state machine`},
	{name: "a secret where there are none", input: `{` + uri + `,"headers":{"A":{"secret":"x"}}}`, detail: `^there are no secrets for headers here$`, with: func(e *dispatch.Enqueue) { e.CheckSecret = nil }},
	{name: "a secret that is not for headers", input: `{` + uri + `,"headers":{"A":{"secret":"x"}}}`, detail: `^a secret for a header must have a name that begins with shop/$`, with: func(e *dispatch.Enqueue) { e.CheckSecret = dispatch.SecretsUnder("shop/") }},
	{name: "digits that nobody keeps", input: `{` + uri + `,"delay":0.12345678901234567891}`, detail: `^has more digits than are kept: it would count as 0.12345678901234568$`},
	{name: "a port that is none", input: `{"uri":"https://example.com:65536/"}`, detail: `^has a port`, drawn: true},
	{name: "a broken escape", input: `{"uri":"https://example.com/%zz"}`, detail: `^is not a URL$`, drawn: true},
	{name: "a host that is a number", input: `{"uri":"https://127.1/"}`, detail: `^has a host that is a number`, drawn: true},
	{name: "a host in brackets that is none", input: `{"uri":"https://[1:2]/"}`, detail: `^(has a host in brackets|is not a URL$)`, drawn: true},
	{name: "a host that is too long", input: `{"uri":"https://` + strings.Repeat("a.", 126) + `example/"}`, detail: `^has a host that is longer`, drawn: true},
	{name: "an address that may not be called", input: `{"uri":"https://127.0.0.1/"}`, detail: `^goes where no task may go: address not allowed$`, with: func(e *dispatch.Enqueue) {
		e.CheckURL = egress.NewCheck(egress.Options{})
	}},
	{name: "the same header twice", input: `{` + uri + `,"headers":{"A":"x","a":"y"}}`, detail: `^is the same header as`, drawn: true},
	{name: "a range from its end", input: `{` + uri + `,"stopCodes":"300-200"}`, detail: `^"[1-5][0-9]{2}-[1-5][0-9]{2}" is not a status code`, drawn: true},
	{name: "a code in other digits", input: `{` + uri + `,"stopCodes":2e2}`, detail: `^"2e2" is not a status code`},
	{name: "a maximum below the interval", input: `{` + uri + `,"attempts":{"interval":120,"maxInterval":119}}`, detail: `^is less than interval$`, drawn: true},
	{name: "a name twice", input: `{` + uri + `,"id":"a","id":"b"}`, detail: `^given more than once$`},
	{name: "65 levels", input: `{` + uri + `,"body":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`, detail: `^nested deeper than 64 levels$`},
	{name: "a row that is too large", input: `{` + uri + `,"body":"` + strings.Repeat("a", 400<<10) + `"}`, detail: `^is too large`},
}

func TestOnlyTheParserSees(t *testing.T) {
	validator, config := compile(t, schema.Task()), compile(t, schema.Settings())
	for _, c := range unseen {
		if c.settings {
			faults := configured(t, c.input)
			if len(faults) != 1 || !regexp.MustCompile(c.detail).MatchString(faults[0].Detail) {
				t.Errorf("%s: faults %v, want %s", c.name, faults, c.detail)
			}
			if err := config.Validate(decode(t, c.input)); err != nil {
				t.Errorf("%s: the schema sees it too: %v", c.name, err)
			}
			continue
		}
		e := newEnqueue()
		if c.with != nil {
			if _, faults := enqueued(t, e, c.input); faults != nil {
				t.Errorf("%s: %v in any case", c.name, faults)
			}
			e = newEnqueue()
			c.with(e)
		}
		_, faults := enqueued(t, e, c.input)
		if len(faults) != 1 || !regexp.MustCompile(c.detail).MatchString(faults[0].Detail) {
			t.Errorf("%s: faults %v, want %s", c.name, faults, c.detail)
		}
		if err := validator.Validate(decode(t, c.input)); err != nil {
			t.Errorf("%s: the schema sees it too: %v", c.name, err)
		}
	}
}
