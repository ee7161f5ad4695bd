package main

import "fmt"

// measure is one line of the tables.
type measure struct {
	name    string
	unit    string
	meaning string
	goals   map[string]goal // by the peer's name
}

// goal is what dispatch's figure divided by a peer's is to be.
type goal struct {
	bound float64
	below bool // below the bound; otherwise at least it
}

func atLeast(n float64) goal { return goal{bound: n} }

// lower is the goal of figures of which less is better.
func lower() map[string]goal {
	return map[string]goal{riverName: {1, true}, asynqName: {1, true}}
}

func (g goal) met(ratio float64) bool {
	if g.below {
		return ratio < g.bound
	}
	return ratio >= g.bound
}

func (g goal) String() string {
	if g.below {
		return fmt.Sprintf("< %g", g.bound)
	}
	return fmt.Sprintf("≥ %g", g.bound)
}

const (
	drainRate     = "drain"
	drainCPU      = "CPU per task, drain"
	drainMemory   = "memory, drain"
	signedRate    = "drain, signed"
	signedCPU     = "CPU per task, signed"
	signedMemory  = "memory, signed"
	singleRate    = "enqueue, single"
	batchRate     = "enqueue, batches"
	singleHTTP    = "enqueue over HTTP, single"
	batchHTTP     = "enqueue over HTTP, batches"
	latencyMiddle = "latency at 1,000/s, p50"
	latencyHigh   = "latency at 1,000/s, p99"
	steadyCPU     = "CPU per task at 1,000/s"
)

func measures() []measure {
	return []measure{
		{drainRate, "tasks/s", "due tasks, from the worker's start to the last call at the receiver", map[string]goal{riverName: atLeast(1.2), asynqName: atLeast(1.5)}},
		{signedRate, "tasks/s", "the same, each call with a JWT by ES256", map[string]goal{asynqName: atLeast(1)}},
		{singleRate, "tasks/s", "50 callers, a task each time; dispatch embedded, as the others' clients are", map[string]goal{riverName: atLeast(5), asynqName: atLeast(1)}},
		{batchRate, "tasks/s", "50 callers, 1,000 tasks each time; Asynq has no such call", nil},
		{singleHTTP, "tasks/s", "the same by requests to dispatch's server, beside the others' clients", nil},
		{batchHTTP, "tasks/s", "1,000 tasks each time", nil},
		{latencyMiddle, "ms", "from the caller's call to the receiver's handler; dispatch over HTTP", lower()},
		{latencyHigh, "ms", "of the same tasks", lower()},
		{drainCPU, "µs", "of the worker and the system's own servers, user and system time", lower()},
		{signedCPU, "µs", "the same while signing", nil},
		{steadyCPU, "µs", "the same while latency is measured, with what idling costs", nil},
		{drainMemory, "MB", "the most of all of them together, looked at twice a second: proportional set size, so shared buffers count once", lower()},
		{signedMemory, "MB", "the same while signing", nil},
	}
}

// beside says with which figure of a peer dispatch's is compared: the others' clients speak to their servers.
func beside(name string) string {
	switch name {
	case singleHTTP:
		return singleRate
	case batchHTTP:
		return batchRate
	default:
		return name
	}
}
