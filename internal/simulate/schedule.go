package simulate

import (
	"cmp"
	"container/heap"
	"sync"
	"testing/synctest"
	"time"
)

// schedule is what is going to happen, in the order of time and, at the same instant, of names. One thing happens at a
// time: the next does when every goroutine of the world waits for something. So nothing depends on how goroutines are
// scheduled.
type schedule struct {
	mu    sync.Mutex
	queue queue
	woken chan struct{} // has room for one
}

type event struct {
	at   time.Time
	name string
	n    int // tells those of one name and instant apart
	do   func()
}

func newSchedule() *schedule { return &schedule{woken: make(chan struct{}, 1)} }

// at has something happen, not before now.
func (s *schedule) at(when time.Time, name string, do func()) {
	s.mu.Lock()
	heap.Push(&s.queue, event{when, name, len(s.queue), do})
	s.mu.Unlock()
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

func (s *schedule) in(d time.Duration, name string, do func()) { s.at(time.Now().Add(d), name, do) }

// run has everything happen until over says so.
func (s *schedule) run(over func() bool) {
	for {
		synctest.Wait()
		if over() {
			return
		}
		s.mu.Lock()
		wait := time.Hour
		var next *event
		if len(s.queue) > 0 {
			if wait = time.Until(s.queue[0].at); wait <= 0 {
				e := heap.Pop(&s.queue).(event)
				next = &e
			}
		}
		s.mu.Unlock()
		if next != nil {
			next.do()
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-s.woken:
			timer.Stop()
		}
	}
}

// queue is a heap of events.
type queue []event

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return cmp.Or(q[i].at.Compare(q[j].at), cmp.Compare(q[i].name, q[j].name), cmp.Compare(q[i].n, q[j].n)) < 0
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(e any)   { *q = append(*q, e.(event)) }
func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}
