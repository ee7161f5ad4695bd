package wiring

import "example.com/dispatch/pkg/dispatch"

// CheckARN says why no task may go to a function or a state machine, as [dispatch.AllowedARNs] does.
func (e Environment) CheckARN(a dispatch.ARN) error {
	return dispatch.AllowedARNs{
		Functions: e.TargetFunctions, StateMachines: e.TargetStateMachines,
		Own: []string{e.HandleFunction, e.SweepFunction, e.Function},
	}.Check(a)
}
