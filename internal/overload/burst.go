package main

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"time"
)

// burst has many tasks due in one second.
func (r *run) burst(ctx context.Context) error {
	n := r.pick(10_000, 2000)
	var seen journal
	receiver, err := receive(1, answering(&seen, 0))
	if err != nil {
		return err
	}
	defer receiver.end()
	s, err := r.serve(ctx, filepath.Join(r.folder, "burst.db"))
	if err != nil {
		return err
	}
	const before = 10 * time.Second // in which all are enqueued
	second := time.Now().Add(before).Truncate(time.Second)
	c := s.caller()
	for i := 0; i < n; {
		var tasks []asked
		for ; i < n && len(tasks) < together; i++ {
			tasks = append(tasks, ahead(receiver.URLs[0], second.Add(time.Duration(i)*time.Second/time.Duration(n))))
		}
		if err := c.enqueue(ctx, tasks...); err != nil {
			return errors.Join(err, s.end())
		}
	}
	enqueued := time.Until(second)
	seen.await(ctx, n, before+time.Minute)
	time.Sleep(time.Second) // for what is called again
	if err := s.end(); err != nil {
		return err
	}
	tasks, again := seen.tasks()
	late := seen.lateness()
	r.table.promise(enqueued > 0 && tasks == n && again == 0, "tasks called, each once", "all", "%d of %d, %d again", tasks, n, again)
	if len(late) > 0 {
		r.table.promise(slices.Min(late) >= 0, "the earliest", "not before it is due", "%s after", short(slices.Min(late)))
		r.table.saw("late, p50, p99, most", "%s, %s, %s", short(percentile(50, late)), short(percentile(99, late)), short(slices.Max(late)))
	}
	return nil
}
