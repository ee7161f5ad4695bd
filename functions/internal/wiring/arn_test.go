package wiring

import (
	"maps"
	"strings"
	"testing"

	"example.com/dispatch/pkg/dispatch"
)

func TestCheckARN(t *testing.T) {
	const function, machine = "arn:aws:lambda:eu-west-1:123456789012:function:", "arn:aws:states:eu-west-1:123456789012:stateMachine:m"
	functions, machines := map[string]string{"TARGET_FUNCTIONS": "true"}, map[string]string{"TARGET_STATE_MACHINES": "true"}
	for _, c := range []struct {
		name      string
		variables map[string]string
		uri       string
		fault     string // what the error holds; "" for none
	}{
		{"a function", functions, function + "f:live", ""},
		{"a function where none is allowed", machines, function + "f", "TargetFunctions"},
		{"a state machine", machines, machine, ""},
		{"a state machine where none is allowed", functions, machine, "TargetStateMachines"},
		{"handle", functions, function + "handle-1A", "own"},
		{"an alias of sweep", functions, function + "sweep-1A:live", "own"},
		{"enqueue", functions, function + "enqueue-1A", "own"},
	} {
		all := map[string]string{
			"TABLE": "tasks", "AWS_REGION": "eu-west-1", "AWS_LAMBDA_FUNCTION_NAME": "enqueue-1A",
			"HANDLE_FUNCTION": "handle-1A", "SWEEP_FUNCTION": function + "sweep-1A",
		}
		maps.Copy(all, c.variables)
		e, err := Read(func(name string) string { return all[name] })
		if err != nil {
			t.Fatal(err)
		}
		arn, err := dispatch.ParseARN(c.uri)
		if err != nil {
			t.Fatal(err)
		}
		err = e.CheckARN(arn)
		if (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: %v, want %q", c.name, err, c.fault)
		}
	}
}
