package view

import (
	"slices"

	"example.com/dispatch/pkg/dispatch"
)

// States returns all states, in the order of a task's life.
func States() []dispatch.State {
	return []dispatch.State{
		dispatch.Scheduled, dispatch.Blocked, dispatch.Held, dispatch.Delivered, dispatch.Stopped, dispatch.Exhausted,
		dispatch.Expired, dispatch.Skipped, dispatch.Cancelled,
	}
}

// IsState reports whether there is such a state.
func IsState(s dispatch.State) bool { return slices.Contains(States(), s) }
