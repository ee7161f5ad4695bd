package sqlite

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// heaviest is the weight at which a transaction takes no more calls: those that wait for it must not
	// wait long.
	heaviest = 4000
	// crowd is how many calls the last transactions must have joined for the writer to gather more.
	crowd = 16
	// patience is how long it gathers then. What it saves is one flush to the disk.
	patience = 2 * time.Millisecond
)

// write is a call that waits for the writer.
type write struct {
	ctx    context.Context
	weight int // about how many rows it writes
	// do runs within the transaction. It keeps for the caller what became of each item; an error of its own
	// undoes the whole transaction.
	do   func(*session) error
	done chan error // has room for the answer
	left error      // why it was not done: its caller had gone
}

// writer joins calls into transactions, on a goroutine of its own.
type writer struct {
	session *session
	wake    chan struct{} // has room for one

	mu      sync.Mutex
	waiting []*write
	want    int // how many must wait for the writer to be woken
	closed  bool
	stopped chan struct{}
}

func startWriter(s *session) *writer {
	w := &writer{session: s, wake: make(chan struct{}, 1), want: 1, stopped: make(chan struct{})}
	go w.run()
	return w
}

// stop ends the writer once it has done all that waits.
func (w *writer) stop() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.signal()
	<-w.stopped
}

// write has do done within the next transaction and returns once that is committed. After an error do may
// still be running, or about to: what it shares with the caller is no longer the caller's.
func (w *writer) write(ctx context.Context, weight int, do func(*session) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	one := &write{ctx: ctx, weight: weight, do: do, done: make(chan error, 1)}
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return ErrClosed
	}
	w.waiting = append(w.waiting, one)
	wake := len(w.waiting) >= w.want
	w.mu.Unlock()
	if wake {
		w.signal()
	}
	select {
	case err := <-one.done:
		return err
	case <-ctx.Done():
		select {
		case err := <-one.done: // at the same moment: what is done is done
			return err
		default:
			return ctx.Err()
		}
	}
}

func (w *writer) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *writer) run() {
	defer close(w.stopped)
	last := 0
	for {
		batch := w.take(last)
		if batch == nil {
			return
		}
		last = len(batch)
		err := w.commit(batch)
		for _, one := range batch {
			one.done <- cmp.Or(err, one.left)
		}
	}
}

// take waits for calls and takes them; nil once the store is closed and nothing waits. Where the last
// transaction joined a crowd, whose callers are about to be back, it gathers for a moment.
func (w *writer) take(last int) []*write {
	w.await(1, nil)
	if last >= crowd {
		t := time.NewTimer(patience)
		defer t.Stop()
		w.await(last*3/4, t.C)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	weight, n := 0, 0
	for n < len(w.waiting) && (n == 0 || weight+w.waiting[n].weight <= heaviest) {
		weight += w.waiting[n].weight
		n++
	}
	if n == 0 {
		return nil
	}
	batch := w.waiting[:n:n]
	w.waiting = append([]*write(nil), w.waiting[n:]...)
	return batch
}

// await returns when so many calls wait, or the store is closed, or the time is over.
func (w *writer) await(want int, over <-chan time.Time) {
	for {
		w.mu.Lock()
		enough := len(w.waiting) >= want || w.closed
		w.want = want
		w.mu.Unlock()
		if enough {
			return
		}
		select {
		case <-w.wake:
		case <-over:
			return
		}
	}
}

// commit does the calls whose callers still wait in one transaction.
func (w *writer) commit(batch []*write) error {
	if err := w.begin(batch); err != nil {
		return err
	}
	err := func() error {
		for _, one := range batch {
			if one.left = one.ctx.Err(); one.left != nil {
				continue
			}
			if err := one.do(w.session); err != nil {
				return err
			}
		}
		_, err := w.session.exec("COMMIT")
		return err
	}()
	if err != nil {
		// A full disk may have undone it already; then this fails, and that is no matter.
		w.session.exec("ROLLBACK")
		return fmt.Errorf("writing: %w", unwritable(err))
	}
	return nil
}

// begin waits for other processes to end their transactions for as long as any caller does.
func (w *writer) begin(batch []*write) error {
	for {
		_, err := w.session.exec("BEGIN IMMEDIATE")
		if err == nil {
			return nil
		}
		waits := false
		for _, one := range batch {
			waits = waits || one.ctx.Err() == nil
		}
		if !isBusy(err) || !waits || w.closing() {
			return fmt.Errorf("beginning to write: %w", unwritable(err))
		}
	}
}

func (w *writer) closing() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed
}
