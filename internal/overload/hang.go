package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// hang has one receiver among a thousand that answers after 30 s only, and gets as many tasks as all others together; then
// two that share those; and then one for which many tasks are due at once besides.
func (r *run) hang(ctx context.Context) error {
	const hangs = 30 * time.Second
	const rate = 200 // tasks a second for the others
	n, waiting, lasts := r.pick(1000, 100), r.pick(10_000, 2000), time.Duration(r.pick(40, 10))*time.Second
	var p99s []time.Duration
	for _, c := range []struct {
		name    string
		hung    int           // receivers
		takes   time.Duration // by those that hang
		steady  bool          // for them too
		waiting int
	}{
		{"nothing hangs", 1, 0, true, 0}, {"one hangs", 1, hangs, true, 0}, {"two hang", 2, hangs, true, 0},
		{fmt.Sprintf("%d wait for one", waiting), 1, hangs, false, waiting},
	} {
		var others journal
		var held, most atomic.Int64
		well, err := receive(n, answering(&others, 0))
		if err != nil {
			return err
		}
		hung, err := receive(c.hung, func(_ http.ResponseWriter, request *http.Request) {
			io.Copy(io.Discard, request.Body) // or its caller's end would not be seen
			now := held.Add(1)
			defer held.Add(-1)
			for m := most.Load(); now > m && !most.CompareAndSwap(m, now); m = most.Load() {
			}
			select {
			case <-time.After(c.takes):
			case <-request.Context().Done():
			}
		})
		if err != nil {
			return errors.Join(err, well.end())
		}
		steady := 0
		if c.steady {
			steady = rate
		}
		sent, err := r.besideHung(ctx, c.name, hung.URLs, c.waiting, steady, rate, lasts, well, &others)
		if err = errors.Join(err, hung.end(), well.end()); err != nil {
			return err
		}
		late := others.lateness()
		p99s = append(p99s, percentile(99, late))
		tasks, again := others.tasks()
		r.table.promise(tasks == sent && again == 0, "tasks for the others, "+c.name, "all, each once", "%d of %d, %d again; late p50 %s, p99 %s, most %s; %d calls hung at once", tasks, sent, again, short(percentile(50, late)), short(percentile(99, late)), short(percentile(100, late)), most.Load())
	}
	r.table.within("the others' lateness, p99, while one hangs", p99s[1], p99s[0], 2, noise)
	r.table.within("the others' lateness, p99, while two hang", p99s[2], p99s[0], 2, noise)
	return nil
}

// noise is what this machine's other programs add to a lateness now and then.
const noise = 10 * time.Millisecond

// besideHung enqueues tasks for those that are well, half of them ahead, while others wait for those that hang, in turn. It
// returns how many there were once all that come have come.
func (r *run) besideHung(ctx context.Context, name string, hung []string, waiting, steady, rate int, lasts time.Duration, well *farm, seen *journal) (sent int, err error) {
	s, err := r.serve(ctx, filepath.Join(r.folder, name+".db"))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.kill()) }()
	c := s.caller()
	for i := 0; i < waiting; {
		var tasks []asked
		for ; i < waiting && len(tasks) < together; i++ {
			tasks = append(tasks, slow(hung[i%len(hung)]))
		}
		if err := c.enqueue(ctx, tasks...); err != nil {
			return 0, err
		}
	}
	var hanging sync.WaitGroup
	defer hanging.Wait()
	if steady > 0 {
		hanging.Go(func() {
			_, _, failed := c.steadily(ctx, steady, lasts, func(i int) asked { return slow(hung[i%len(hung)]) })
			if failed != nil {
				fmt.Fprintln(os.Stderr, "overload: enqueueing for those that hang:", failed)
			}
		})
	}
	sent, _, err = c.steadily(ctx, rate, lasts, func(i int) asked {
		url := well.URLs[i%len(well.URLs)]
		if i%2 == 0 {
			return to(url, time.Now())
		}
		return ahead(url, time.Now().Add(1500*time.Millisecond))
	})
	seen.await(ctx, sent, 30*time.Second)
	return sent, err
}

// slow returns a task whose call may take longer than those that hang do: that answers in the end.
func slow(url string) asked {
	task := to(url, time.Now())
	task.HTTPTimeout = 60
	return task
}
