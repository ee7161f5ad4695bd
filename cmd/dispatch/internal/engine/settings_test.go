package engine_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

func TestSettingsTakeEffect(t *testing.T) {
	const queues = `{"queues": {"default": {"lanes": 1}, "bulk": {"lanes": 1, "paused": %t}}}`
	var calls record
	in(t, 2, func(ctx context.Context, c dispatch.Call) dispatch.Answer { return calls.answer(ctx, c, 0, 204) }, func(t *testing.T, r rig) {
		if s, err := r.engine.Settings(t.Context()); err != nil || s.Queues["bulk"].Paused {
			t.Fatalf("settings before: %v, %v", s, err)
		}
		r.save(fmt.Sprintf(queues, true))
		r.engine.SettingsChanged() // no time has passed
		settings, err := r.engine.Settings(t.Context())
		if err != nil || !settings.Queues["bulk"].Paused {
			t.Errorf("settings that this process has saved: %v, %v", settings, err)
		}
		r.chain("g", `, "queue": "bulk"`, 3)
		<-time.After(time.Hour)
		if got := calls.all(); len(got) != 0 {
			t.Errorf("a paused queue called %v", got)
		}
		r.save(fmt.Sprintf(queues, false)) // by another process
		resumed := time.Now()
		r.until(5*time.Second, "delivered", func() bool { return r.in(dispatch.Delivered, "g") == 3 })
		if took := time.Since(resumed); took > 2*time.Second+100*time.Millisecond {
			t.Errorf("resuming took effect after %v", took)
		}
	})
}

func TestLimitsHold(t *testing.T) {
	for _, c := range []struct {
		limits        string
		atOnce, least int // calls at once at most; seconds for 30 of them at least
	}{
		{`"inFlight": 2`, 2, 15},
		{`"rate": 2`, 5, 13},
	} {
		t.Run(c.limits, func(t *testing.T) {
			var calls record
			in(t, 16, func(ctx context.Context, one dispatch.Call) dispatch.Answer {
				if one.Task.Queue != "bulk" {
					return slowly(ctx, time.Second, 204)
				}
				return calls.answer(ctx, one, time.Second, 204)
			}, func(t *testing.T, r rig) {
				r.save(`{"queues": {"bulk": {"lanes": 1, ` + c.limits + `}}}`)
				r.engine.SettingsChanged()
				began := time.Now()
				r.enqueue("bulk", 30, func(t *dispatch.Task) { t.Queue, t.Lane = "bulk", dispatch.Lane("bulk", "", 1) })
				r.until(time.Second, "it has begun", func() bool { return len(calls.all()) > 0 })
				r.enqueue("plain", 5, nil)
				r.until(3*time.Second, "another queue is not delayed", func() bool { return r.in(dispatch.Delivered, "plain") == 5 })
				r.until(5*time.Minute, "all delivered", func() bool { return r.in(dispatch.Delivered, "bulk") == 30 })
				if took := time.Since(began); took < time.Duration(c.least)*time.Second || calls.most > c.atOnce {
					t.Errorf("%v, %d at once", took, calls.most)
				}
			})
		})
	}
}
