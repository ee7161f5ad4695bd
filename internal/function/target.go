package function

import (
	"errors"
	"slices"
	"strings"

	"example.com/dispatch/pkg/dispatch"
)

// Targets says which functions and state machines tasks may go to.
type Targets struct {
	Functions     bool     // the stack has the parameter TargetFunctions
	StateMachines bool     // and TargetStateMachines
	Own           []string // names or ARNs of dispatch's own functions
}

// Check says why no task may go to a function or a state machine: handle may call none, or it is one of dispatch's own
// functions, which would call each other for ever.
func (t Targets) Check(a dispatch.ARN) error {
	own := func(s string) bool { return s != "" && functionName(s) == a.Name }
	switch {
	case a.Service == dispatch.StatesService && !t.StateMachines:
		return errors.New("state machines are not called here: the stack's parameter TargetStateMachines is empty")
	case a.Service == dispatch.StatesService:
		return nil
	case !t.Functions:
		return errors.New("functions are not called here: the stack's parameter TargetFunctions is empty")
	case slices.ContainsFunc(t.Own, own):
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
