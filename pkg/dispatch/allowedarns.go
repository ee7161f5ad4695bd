package dispatch

import (
	"errors"
	"slices"
	"strings"
)

// AllowedARNs says which functions and state machines tasks may go to where a stack of the template calls them.
type AllowedARNs struct {
	Functions     bool     // the stack has the parameter TargetFunctions
	StateMachines bool     // and TargetStateMachines
	Own           []string // names or ARNs of dispatch's own functions
}

// Check says why no task may go to a function or a state machine: handle may call none, or it is one of dispatch's own
// functions, which would call each other for ever. It does not know which ones the parameters list; AWS refuses calls
// to others.
func (a AllowedARNs) Check(to ARN) error {
	own := func(s string) bool { return s != "" && functionName(s) == to.Name }
	switch {
	case to.Service == StatesService && !a.StateMachines:
		return errors.New("state machines are not called here: the stack's parameter TargetStateMachines is empty")
	case to.Service == StatesService:
		return nil
	case !a.Functions:
		return errors.New("functions are not called here: the stack's parameter TargetFunctions is empty")
	case slices.ContainsFunc(a.Own, own):
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
