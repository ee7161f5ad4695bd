package main

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"time"
)

// outage has a receiver away for an hour, by the scale, while many tasks wait for it, then back.
func (r *run) outage(ctx context.Context) error {
	const (
		rate    = 50               // tasks a second for another receiver, all the time
		spread  = 5 * time.Minute  // the longest over which those that waited come back
		between = time.Minute      // the longest between two tries
		opening = 10 * time.Second // in which its circuit opens; those under way then are called
	)
	n, away := r.pick(50_000, 5000), time.Duration(float64(time.Hour)/r.scale)
	wide := min(away, spread)
	var seen, other, tries journal
	var back atomic.Bool
	answer := answering(&seen, 0)
	failing, err := receive(1, func(w http.ResponseWriter, request *http.Request) {
		if back.Load() {
			answer(w, request)
			return
		}
		tries.note(request)
		panic(http.ErrAbortHandler) // hangs up
	})
	if err != nil {
		return err
	}
	defer failing.end()
	well, err := receive(1, answering(&other, 0))
	if err != nil {
		return err
	}
	defer well.end()
	db := filepath.Join(r.folder, "outage.db")
	s, err := r.serve(ctx, db)
	if err != nil {
		return err
	}
	c := s.caller()
	fresh := func(lasts time.Duration) ([]time.Duration, error) {
		before := other.calls()
		sent, _, err := c.steadily(ctx, rate, lasts, func(int) asked { return to(well.URLs[0], time.Now()) })
		other.await(ctx, before+sent, 30*time.Second)
		return other.lateness()[before:], err
	}
	alone, err := fresh(max(5*time.Second, min(away/6, 20*time.Second)))
	began := time.Now()
	for i := 0; i < n && err == nil; {
		var tasks []asked
		for ; i < n && len(tasks) < together; i++ {
			task := to(failing.URLs[0], time.Now())
			task.Attempts = &attempts{Interval: 5}
			tasks = append(tasks, task)
		}
		err = c.enqueue(ctx, tasks...)
	}
	if err != nil {
		return errors.Join(err, s.kill())
	}
	meanwhile, err := fresh(max(time.Second, away-time.Since(began)))
	if err != nil {
		return errors.Join(err, s.kill())
	}
	returned := time.Now()
	back.Store(true)
	most := min(away, between) + wide + min(away, between) // the next try, what waits behind it, and what waits behind the one after
	after, err := fresh(min(most, wide+20*time.Second))
	seen.await(ctx, n, most+time.Minute-time.Since(returned))
	if err = errors.Join(err, s.end()); err != nil {
		return err
	}
	states, attempts, err := states(ctx, db)
	if err != nil {
		return err
	}
	at := seen.since(returned)
	tasks, again := seen.tasks()
	r.table.promise(tasks == n && again == 0, "tasks that waited, called once it was back", "all, each once", "%d of %d, %d again", tasks, n, again)
	calls := tries.calls()
	later := len(tries.since(began.Add(opening)))
	atMost := 10 + int(away/between) + 10 // tries after 5, 10, 20, 40 and every 60 s
	r.table.promise(later <= atMost, "calls once its circuit was open", "single tries: one a minute, and 20", "%d in %s; %d before", later, short(away), calls-later)
	delivered := tasks + other.calls()
	r.table.promise(attempts == delivered+calls, "attempts counted", "one a call", "%d of %d calls", attempts, delivered+calls)
	if len(at) > 0 {
		even := float64(n) / wide.Seconds()
		r.table.promise(float64(busiest(at)) <= 3*even+100, "calls in the busiest second after its return", "≤ 3 × an even spread, and 100", "%d, %.0f if even; the first after %s, the last after %s", busiest(at), even, short(at[0].Sub(returned)), short(at[len(at)-1].Sub(returned)))
	}
	left := 0
	for state, n := range states {
		if state != "delivered" {
			left += n
		}
	}
	r.table.promise(left == 0, "tasks in the end", "all delivered", "%v", states)
	r.table.saw("late for another, before, p50, p99", "%s, %s", short(percentile(50, alone)), short(percentile(99, alone)))
	r.table.saw("late for another, while it was away, p50, p99", "%s, %s", short(percentile(50, meanwhile)), short(percentile(99, meanwhile)))
	r.table.within("late for another after its return, p99", percentile(99, after), percentile(99, alone), 2, time.Second) // what the next look may add
	return nil
}
