package wiring

import (
	"errors"
	"slices"
	"strings"

	"example.com/dispatch/pkg/dispatch"
)

// CheckARN says why no task may go to a function or a state machine: handle may call none, or it is one of these
// functions, which would call each other for ever.
func (e Environment) CheckARN(a dispatch.ARN) error {
	own := []string{functionName(e.HandleFunction), functionName(e.SweepFunction), e.get("AWS_LAMBDA_FUNCTION_NAME")}
	switch {
	case a.Service == dispatch.StatesService && !e.TargetStateMachines:
		return errors.New("state machines are not called here: the stack's parameter TargetStateMachines is empty")
	case a.Service == dispatch.StatesService:
		return nil
	case !e.TargetFunctions:
		return errors.New("functions are not called here: the stack's parameter TargetFunctions is empty")
	case slices.Contains(own, a.Name):
		return errors.New("is one of dispatch's own functions")
	default:
		return nil
	}
}

// functionName returns the name out of a function's name or ARN.
func functionName(s string) string {
	if _, name, ok := strings.Cut(s, ":function:"); ok {
		s = name
	}
	name, _, _ := strings.Cut(s, ":")
	return name
}
