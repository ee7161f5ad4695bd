package cloud

import (
	"sync"
	"time"
)

// lane is the part of the index that one partition holds.
type lane struct {
	mu    sync.Mutex
	state []byte // of each task
	head  int    // all before it have left the lane
	next  time.Time
}

const (
	pending byte = iota
	leased
	gone
)

// WritesOfAPartition is how many write units a second one partition of a table or an index bears.
const WritesOfAPartition = 1000

// Claim takes a task, and reports whether it was there to be taken.
func (b *Backlog) Claim(id string) bool {
	l, at := b.place(id)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state[at] != pending {
		return false
	}
	l.state[at] = leased
	return true
}

// Finish takes a claimed task out of its lane, which takes as long as the lane's partition has it wait.
func (b *Backlog) Finish(id string) {
	l, at := b.place(id)
	l.mu.Lock()
	now := time.Now()
	if l.next.Before(now) {
		l.next = now
	}
	turn := l.next
	l.next = l.next.Add(time.Second / WritesOfAPartition)
	l.mu.Unlock()
	time.Sleep(time.Until(turn))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state[at] = gone
	for l.head < len(l.state) && l.state[l.head] == gone {
		l.head++
	}
}
