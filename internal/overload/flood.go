package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// flood enqueues faster than what is enqueued can be handled, for ten minutes by a third of the scale.
func (r *run) flood(ctx context.Context) error {
	const (
		rate    = 1000
		takes   = 100 * time.Millisecond // a call
		workers = 32                     // 320 calls a second at most
	)
	lasts := time.Duration(float64(10*time.Minute) / max(1, r.scale/3))
	if r.short {
		lasts /= 2
	}
	var seen journal
	receivers, err := receive(4, answering(&seen, takes))
	if err != nil {
		return err
	}
	defer receivers.end()
	db := filepath.Join(r.folder, "flood.db")
	s, err := r.serve(ctx, db, "--workers", fmt.Sprint(workers))
	if err != nil {
		return err
	}
	c := s.caller()
	watching, stop := context.WithCancel(ctx)
	var watched sync.WaitGroup
	var memory []int64
	watched.Go(func() {
		for watching.Err() == nil {
			memory = append(memory, s.memory())
			select {
			case <-time.After(lasts / 60):
			case <-watching.Done():
			}
		}
	})
	sent, took, err := c.steadily(ctx, rate, lasts, func(i int) asked {
		return to(receivers.URLs[i%len(receivers.URLs)], time.Now())
	})
	stop()
	watched.Wait()
	if err != nil {
		return errors.Join(err, s.kill())
	}
	told, err := c.oldest(ctx)
	if err != nil {
		return errors.Join(err, s.kill())
	}
	calls := seen.calls()
	time.Sleep(time.Second) // the calls that tell how late they are
	late := seen.lateness()[calls:]
	if err := s.end(); err != nil {
		return err
	}
	states, _, err := states(ctx, db)
	if err != nil {
		return err
	}
	tasks, again := seen.tasks()
	r.table.saw("enqueued, handled meanwhile", "%d in %s, %d: %.1f × as fast", sent, short(lasts), tasks, float64(sent)/float64(max(1, calls)))
	r.table.promise(calls < sent*3/4, "the flood", "faster than handling", "%d were waiting at its end", sent-calls)
	r.table.promise(states[dispatch.Delivered]+states[dispatch.Scheduled] == sent && states[dispatch.Delivered] == tasks && again == 0, "tasks acknowledged that are kept", "all, none called twice", "%d of %d, %d called again", states[dispatch.Delivered]+states[dispatch.Scheduled], sent, again)
	third := len(took) / 3
	r.table.within("acknowledged, p99: the last third beside the first", percentile(99, took[2*third:]), percentile(99, took[:third]), 3, 100*time.Millisecond)
	if third := len(memory) / 3; third > 0 && memory[0] > 0 {
		first, last := slices.Max(memory[third:2*third]), slices.Max(memory[2*third:])
		if what := "memory: the most in the last third beside the second"; lasts < 20*time.Second { // it has not settled
			r.table.saw(what, "%d MB, %d MB; %d MB at the start", last>>20, first>>20, memory[0]>>20)
		} else {
			r.table.promise(float64(last) <= 1.25*float64(first), what, "≤ 1.25 ×", "%d MB, %d MB; %d MB at the start", last>>20, first>>20, memory[0]>>20)
		}
	}
	if len(late) > 0 {
		most := slices.Max(late) // those just enqueued may overtake what has waited
		r.table.promise(most <= told+2*time.Second, "the oldest that waits, as the server lists it, and the latest call after that", "no call is later, but for the second that was watched", "%s, %s; p50 %s", short(told), short(most), short(percentile(50, late)))
	}
	return nil
}

// oldest returns how long the first task that waits has been due, as the server lists it.
func (c caller) oldest(ctx context.Context) (time.Duration, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.server+"/tasks?state=scheduled&limit=200", nil)
	if err != nil {
		return 0, err
	}
	answer, err := c.client.Do(request)
	if err != nil {
		return 0, fmt.Errorf("listing: %w", err)
	}
	defer answer.Body.Close()
	var list struct {
		Tasks []struct {
			DueAt time.Time `json:"dueAt"`
		} `json:"tasks"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&list); err != nil {
		return 0, fmt.Errorf("listing: %w", err)
	}
	if len(list.Tasks) == 0 {
		return 0, nil
	}
	return time.Since(list.Tasks[0].DueAt), nil
}
