package http1

import (
	"container/list"
	"sync"
	"time"
)

// idle has the unused connections.
type idle struct {
	mu    sync.Mutex
	of    map[address][]*list.Element // the last one was used last
	all   list.List                   // of kept; the last one has been unused for longest
	timer *time.Timer                 // nil while there is none
	keep  time.Duration
}

type kept struct {
	*conn
	since time.Time
}

// take returns the connection to a place that was used last, nil if there is none.
func (i *idle) take(to address) *conn {
	i.mu.Lock()
	defer i.mu.Unlock()
	of := i.of[to]
	if len(of) == 0 {
		return nil
	}
	last := of[len(of)-1]
	of[len(of)-1] = nil
	i.of[to] = of[:len(of)-1]
	return i.all.Remove(last).(kept).conn
}

// put keeps a connection for so long, and at most so many.
func (i *idle) put(c *conn, most int, keep time.Duration) {
	var over *conn
	i.mu.Lock()
	if i.all.Len() >= most {
		over = i.oldest()
	}
	if i.of == nil {
		i.of = map[address][]*list.Element{}
	}
	i.of[c.to] = append(i.of[c.to], i.all.PushFront(kept{c, time.Now()}))
	if i.keep = keep; i.timer == nil {
		i.timer = time.AfterFunc(keep, i.expire)
	}
	i.mu.Unlock()
	if over != nil {
		over.Close()
	}
}

// oldest takes out what has been unused for longest.
func (i *idle) oldest() *conn {
	c := i.all.Remove(i.all.Back()).(kept).conn
	if i.of[c.to] = i.of[c.to][1:]; len(i.of[c.to]) == 0 {
		delete(i.of, c.to)
	}
	return c
}

// expire closes what has been unused for too long.
func (i *idle) expire() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for i.all.Len() > 0 {
		if left := i.keep - time.Since(i.all.Back().Value.(kept).since); left > 0 {
			i.timer.Reset(left)
			return
		}
		i.oldest().Close()
	}
	i.timer = nil
	clear(i.of)
}

// clear closes all.
func (i *idle) clear() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for i.all.Len() > 0 {
		i.oldest().Close()
	}
	if i.timer != nil {
		i.timer.Stop()
		i.timer = nil
	}
}
