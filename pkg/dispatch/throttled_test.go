package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// lambda runs handle as Lambda runs a function that is invoked asynchronously: an event that finds as many running as may
// run is throttled, comes again after about 1, 2, 4 … seconds, and is dropped once it is too old. Some come twice.
type lambda struct {
	handle      *dispatch.Handle
	concurrency int
	perSecond   int // invokes that its API takes, 0 for all; the others get 429
	random      *rand.Rand

	mu                                        sync.Mutex
	second                                    time.Time
	invokes                                   int // within the second
	running, most                             int
	refused, throttled, aged, doubled, failed int
	events                                    sync.WaitGroup
}

const eventAge = time.Minute // MaximumEventAgeInSeconds of handle in template.yaml

var errThrottled = errors.New("429")

// invoke takes an event; that it will run is not said.
func (l *lambda) invoke(ctx context.Context, hints []dispatch.Hint) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now().Truncate(time.Second); !now.Equal(l.second) {
		l.second, l.invokes = now, 0
	}
	if l.invokes++; l.perSecond > 0 && l.invokes > l.perSecond {
		l.refused++
		return errThrottled
	}
	l.events.Go(func() { l.event(hints) })
	if l.random.IntN(50) == 0 {
		l.doubled++
		l.events.Go(func() { l.event(hints) })
	}
	return nil
}

func (l *lambda) event(hints []dispatch.Hint) {
	born := time.Now()
	for wait := time.Second; !l.run(hints); wait = min(2*wait, 5*time.Minute) {
		l.mu.Lock()
		jittered := wait/2 + time.Duration(l.random.Int64N(int64(wait)))
		tooOld := time.Since(born)+jittered > eventAge
		if tooOld {
			l.aged++
		}
		l.mu.Unlock()
		if tooOld {
			return
		}
		time.Sleep(jittered)
	}
}

// run runs handle unless too many run.
func (l *lambda) run(hints []dispatch.Hint) bool {
	l.mu.Lock()
	if l.running >= l.concurrency {
		l.throttled++
		l.mu.Unlock()
		return false
	}
	l.running++
	l.most = max(l.most, l.running)
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	err := l.handle.Run(ctx, hints)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running--
	if err != nil {
		l.failed++
	}
	return true
}

// Far more is due than handle's concurrency bears: its events are throttled and dropped, and still each task is called
// once, without an attempt or a lapse that nobody made.
func TestHandleAtItsConcurrency(t *testing.T) {
	const takes = 2 * time.Second // a call
	for _, c := range []struct {
		name                                string
		tasks, concurrency, perSecond, each int // each: tasks of one event
	}{
		{"one task in an event", 2000, 10, 0, 1},
		{"ten tasks in an event", 5000, 4, 0, 10},
		{"its API throttles too", 2000, 10, 20, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.takes, w.answers = takes, []dispatch.Answer{{Status: 200}}
				l := &lambda{handle: w.handle, concurrency: c.concurrency, perSecond: c.perSecond, random: rand.New(rand.NewPCG(1, 2))}
				began := time.Now()
				settings := dispatch.CachedSettings(w.store, time.Now, 10*time.Second)
				enqueue := dispatch.Enqueue{
					Store: w.store, Settings: settings, Invoke: l.invoke, TasksPerHandle: c.each, Retention: dispatch.DefaultRetention,
					Now: time.Now, Log: slog.New(slog.DiscardHandler),
				}
				for i := range c.tasks {
					input := fmt.Appendf(nil, `{"id":"t%d","uri":"https://example.com/"}`, i)
					if _, err := enqueue.Run(w.Context(), input, nil); err != nil {
						t.Fatal(err)
					}
				}
				sweep := dispatch.Sweep{
					Store: w.store, Settings: settings, Invoke: l.invoke, Precision: dispatch.PrecisionSecond, TasksPerHandle: c.each,
					Limit: 100_000, Parallel: 64, Now: time.Now, Log: slog.New(slog.DiscardHandler),
				}
				ideal := time.Duration(c.tasks/(c.concurrency*c.each)) * takes
				var ticks sync.WaitGroup
				for time.Since(began) < 3*ideal && !w.allFinal() {
					ticks.Go(func() {
						if _, err := sweep.Run(w.Context()); err != nil && !errors.Is(err, errThrottled) {
							t.Error(err)
						}
					})
					time.Sleep(time.Minute)
				}
				took := time.Since(began)
				ticks.Wait()
				l.events.Wait()
				t.Logf("overload: %d tasks, %s, %d handles at once: %d events throttled, %d dropped as too old, %d invokes refused, %d doubled; all delivered within %v; %v is the least",
					c.tasks, c.name, l.most, l.throttled, l.aged, l.refused, l.doubled, took, ideal)
				if l.most != c.concurrency || l.aged == 0 || l.doubled == 0 || c.perSecond > 0 && l.refused == 0 {
					t.Errorf("the limit was not reached: %d at once, %d dropped, %d doubled, %d refused", l.most, l.aged, l.doubled, l.refused)
				}
				if l.failed > 0 {
					t.Errorf("handle failed %d times", l.failed)
				}
				calls := map[string]int{}
				for _, call := range w.calls {
					calls[call.Task.ID]++
					if call.Task.Lapses != 0 || call.Attempt != 1 {
						t.Errorf("%s: attempt %d after %d lapses", call.Task.ID, call.Attempt, call.Task.Lapses)
					}
				}
				for task, err := range w.store.List(w.Context(), dispatch.Filter{}) {
					if err != nil {
						t.Fatal(err)
					}
					if calls[task.ID] != 1 || task.State != dispatch.Delivered || task.Progress[0].Attempts != 1 {
						t.Errorf("%s: %s after %d calls, %+v", task.ID, task.State, calls[task.ID], task.Progress)
					}
				}
				if len(calls) != c.tasks {
					t.Errorf("%d of %d tasks were called", len(calls), c.tasks)
				}
			})
		})
	}
}

// allFinal reports whether no task is left.
func (w *world) allFinal() bool {
	w.Helper()
	for task, err := range w.store.List(w.Context(), dispatch.Filter{}) {
		if err != nil {
			w.Fatal(err)
		}
		if !task.State.Final() {
			return false
		}
	}
	return true
}
