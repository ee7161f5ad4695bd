package dispatch_test

import (
	"errors"
	"strings"
	"testing"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/rule"
)

// What may be in an ARN is tested with the schema; here, what is read out of it.
func TestParseARN(t *testing.T) {
	for _, c := range []struct {
		uri  string
		want dispatch.ARN
	}{
		{"arn:aws:lambda:eu-west-1:123456789012:function:invoices",
			dispatch.ARN{Service: "lambda", Region: "eu-west-1", Name: "invoices", Base: "arn:aws:lambda:eu-west-1:123456789012:function:invoices"}},
		{"arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:invoices:live",
			dispatch.ARN{Service: "lambda", Region: "us-gov-west-1", Name: "invoices", Base: "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:invoices"}},
		{"arn:aws:states:eu-west-1:123456789012:stateMachine:Onboarding:3",
			dispatch.ARN{Service: "states", Region: "eu-west-1", Name: "Onboarding", Base: "arn:aws:states:eu-west-1:123456789012:stateMachine:Onboarding"}},
	} {
		got, err := dispatch.ParseARN(c.uri)
		if err != nil || got != c.want || !dispatch.IsARN(c.uri) {
			t.Errorf("%s: %+v, %v, want %+v", c.uri, got, err, c.want)
		}
	}
	if dispatch.IsARN("https://arn:aws@example.com/") {
		t.Error("a URL is taken for an ARN")
	}
}

func TestAllowedARNs(t *testing.T) {
	const function, machine = "arn:aws:lambda:eu-west-1:123456789012:function:", "arn:aws:states:eu-west-1:123456789012:stateMachine:"
	functions, machines := dispatch.AllowedARNs{Functions: true}, dispatch.AllowedARNs{StateMachines: true}
	own := dispatch.AllowedARNs{Functions: true, StateMachines: true, Own: []string{"", "handle", function + "sweep:live"}}
	for _, c := range []struct {
		allowed dispatch.AllowedARNs
		uri     string
		fault   string // what the error holds; "" for none
	}{
		{functions, function + "f:live", ""},
		{machines, function + "f", "TargetFunctions is empty"},
		{machines, machine + "m", ""},
		{functions, machine + "m", "TargetStateMachines is empty"},
		{own, function + "f", ""},
		{own, function + "handle", "own"},
		{own, function + "handle:live", "own"},
		{own, function + "sweep", "own"},
		{own, machine + "handle", ""},
	} {
		arn, err := dispatch.ParseARN(c.uri)
		if err != nil {
			t.Fatal(err)
		}
		err = c.allowed.Check(arn)
		if (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: %v, want %q", c.uri, err, c.fault)
		}
	}
}

// A route may go to ARNs; whether they are called is for whoever enqueues a task of its type to say.
func TestARNsInRoutes(t *testing.T) {
	const function, machine = `"arn:aws:lambda:eu-west-1:123456789012:function:f"`, `"arn:aws:states:eu-west-1:123456789012:stateMachine:`
	p := newProducer(t)
	p.settings(t, `{"routes":{
		"good":{"targets":[{"name":"a","uri":`+function+`},{"name":"b","uri":`+machine+`m"},{"name":"c","uri":"https://example.com/"}]},
		"bad":{"targets":[{"name":"a","uri":"https://example.com/"},{"name":"b","uri":`+machine+`forbidden"}]}}}`)
	for _, c := range []struct{ input, fault string }{
		{`{"type":"good","body":{"x":1}}`, ""},
		{`{"type":"bad"}`, "its route cannot be used here: target 1/uri may not be called"},
		{`{"type":"good","body":"` + strings.Repeat("a", 256<<10) + `"}`, "its route cannot be used here: target 1/body is too large for a state machine"},
	} {
		_, err := p.run(t, c.input)
		invalid, ok := errors.AsType[*dispatch.InvalidInput](err)
		switch {
		case c.fault == "" && err != nil:
			t.Errorf("%.50s: %v", c.input, err)
		case c.fault != "" && (!ok || len(invalid.Faults) != 1 || invalid.Faults[0].Pointer != "#/type" || !strings.HasPrefix(invalid.Faults[0].Detail, c.fault)):
			t.Errorf("%.50s: %v, want %s", c.input, err, c.fault)
		}
	}
	for _, fields := range []string{`"method":"PUT"`, `"headers":{"A":"b"}`, `"successCodes":200`} {
		input := `{"routes":{"a":{"targets":[{"name":"a","uri":` + function + `,` + fields + `}]}}}`
		if _, err := dispatch.ParseSettings([]byte(input), rule.Check); err == nil {
			t.Errorf("taken: %s", input)
		}
	}
}
