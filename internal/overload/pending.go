package main

import (
	"context"
	"errors"
	"path/filepath"
	"time"
)

// pending has very many tasks that are due some other day, beside those that are due now.
func (r *run) pending(ctx context.Context) error {
	const rate = 100
	n, lasts := r.pick(1_000_000, 100_000), time.Duration(r.pick(10, 5))*time.Second
	tomorrow := time.Now().Add(24 * time.Hour)
	began := time.Now()
	full, err := r.fill(ctx, "pending", n, func(i int) asked { return ahead("http://127.0.0.1:9", tomorrow.Add(time.Duration(i)*time.Millisecond)) })
	if err != nil {
		return err
	}
	r.table.saw("put into the file before", "%d in %s", n, short(time.Since(began)))
	var p50s, p99s, ready [2]time.Duration
	var memory [2]int64
	for i, db := range []string{filepath.Join(r.folder, "nothing pending.db"), full} {
		var seen journal
		receiver, err := receive(1, answering(&seen, 0))
		if err != nil {
			return err
		}
		s, err := r.serve(ctx, db)
		if err != nil {
			return errors.Join(err, receiver.end())
		}
		ready[i] = s.ready
		sent, _, err := s.caller().steadily(ctx, rate, lasts, func(i int) asked {
			if i%2 == 0 {
				return to(receiver.URLs[0], time.Now())
			}
			return ahead(receiver.URLs[0], time.Now().Add(1500*time.Millisecond))
		})
		all := seen.await(ctx, sent, 30*time.Second)
		memory[i] = s.memory()
		if err = errors.Join(err, s.end(), receiver.end()); err != nil {
			return err
		}
		late := seen.lateness()
		p50s[i], p99s[i] = percentile(50, late), percentile(99, late)
		tasks, again := seen.tasks()
		r.table.promise(all && again == 0, []string{"tasks due, in an empty file", "tasks due, beside them"}[i], "all, each once", "%d of %d, %d again", tasks, sent, again)
	}
	r.table.within("the server's start", ready[1], ready[0], 2, 2*time.Second)
	r.table.within("late, p50", p50s[1], p50s[0], 2, noise)
	r.table.within("late, p99", p99s[1], p99s[0], 2, 5*noise)
	if memory[0] > 0 {
		r.table.promise(memory[1] <= 2*memory[0]+64<<20, "memory", "≤ 2 × and 64 MB", "%d MB, %d MB without", memory[1]>>20, memory[0]>>20)
	}
	return nil
}
