package wiring

import (
	"example.com/dispatch/internal/function"
	"example.com/dispatch/pkg/dispatch"
)

// CheckARN says why no task may go to a function or a state machine, as [function.Targets] does.
func (e Environment) CheckARN(a dispatch.ARN) error {
	return function.Targets{
		Functions: e.TargetFunctions, StateMachines: e.TargetStateMachines,
		Own: []string{e.HandleFunction, e.SweepFunction, e.get("AWS_LAMBDA_FUNCTION_NAME")},
	}.Check(a)
}
