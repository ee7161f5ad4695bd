package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// event is what the function is invoked with: a tick as EventBridge sends it, a part of a tick, as [dispatch.Part] has it, or
// nothing of these, such as {}: whoever enqueues wakes a sweep with that.
type event struct {
	DetailType string    `json:"detail-type"`
	Part       *int      `json:"part"`
	Of         *int      `json:"of"`
	End        time.Time `json:"end"`
}

// tick is the detail-type of what a schedule of EventBridge sends. It alone is divided: it comes once a minute, and any number
// of sweeps may be woken.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-run-lambda-schedule.html
const tick = "Scheduled Event"

// backlog is how many tasks are due when a tick is divided: seven seconds' work of one run at 512 MB.
const backlog = 10000

// readEvent reads what anybody may have sent who may invoke the function. The error says what is wrong with the part that it
// asks for.
func readEvent(payload []byte) (e event, err error) {
	if len(payload) == 0 {
		return e, nil
	}
	if err := json.Unmarshal(payload, &e); err != nil {
		return e, fmt.Errorf("reading the event: %w", err)
	}
	switch {
	case e.Part == nil && e.Of == nil:
		return e, nil
	case e.Part == nil || e.Of == nil:
		return e, errors.New("a part of a tick has both part and of")
	default:
		return e, e.part().Check()
	}
}

func (e event) part() dispatch.Part { return dispatch.Part{Number: *e.Part, Of: *e.Of, End: e.End} }

// run sweeps what the event is about. A part is never divided again.
func (e event) run(ctx context.Context, s *dispatch.Sweep) (dispatch.SweepReport, error) {
	switch {
	case e.Part != nil:
		return s.RunPart(ctx, e.part())
	case e.DetailType == tick:
		return s.Tick(ctx)
	default:
		return s.Run(ctx)
	}
}
