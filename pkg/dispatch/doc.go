// Package dispatch makes an outgoing HTTP call happen: later, with retries, once the caller has moved on.
//
// A [Task] is one such call. Its row in a [Store] is the only truth, and its one clock, DueAt, is the
// instant at which somebody must look at it next. Three verbs work on it:
//
//   - [Enqueue] validates tasks and puts their rows.
//   - [Sweep] writes nothing: it hands the ids that are due to whoever runs handle.
//   - [Handle] alone claims a task, has it sent, lets [Decide] say what the answer means, and settles it.
//
// Whatever passes between them is a [Hint], an id that may be due: losing, repeating, delaying or
// reordering one is harmless.
//
//	enqueue ─► scheduled ─claim─► (leased) ─settle─┬─► delivered
//	             ▲   ▲                             ├─► stopped    a stop code, or ten lapses in a row
//	blocked ─────┘   └────── retry, wait ──────────┼─► exhausted  the last attempt failed, or it waited 14 days
//	(behind the head of its group)                 ├─► expired    expireAt came first
//	held: the head of a group that waits for a     ├─► skipped    a rule said no
//	person after a final failure                   └─► cancelled  by a person or a producer
//
// Leased is scheduled plus a lease whose end has not come. A lease that ends unsettled is a lapse.
package dispatch
