package linear

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

var errLost = errors.New("the answer was lost")

// lossy is a store some of whose answers are lost: then its caller learns nothing, or the same call is made again, or its context
// ends meanwhile.
type lossy struct {
	dispatch.Store
	mu     sync.Mutex
	random *rand.Rand
}

type fate int

const (
	answered fate = iota
	lost
	again
	ended
)

func (l *lossy) fate() fate {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch l.random.IntN(20) {
	case 0:
		return lost
	case 1:
		return again
	case 2:
		return ended
	}
	return answered
}

// do makes a call, once or twice, and says what its answer is instead of its own.
func (l *lossy) do(ctx context.Context, call func(context.Context)) error {
	switch l.fate() {
	case lost:
		call(ctx)
		return errLost
	case again:
		call(ctx)
		Repeated(ctx)
		runtime.Gosched()
	case ended:
		// The context ends about when the store is amid the call.
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		go func() { runtime.Gosched(); cancel() }()
	}
	call(ctx)
	return nil
}

func (l *lossy) Put(ctx context.Context, now time.Time, tasks []dispatch.Task) (r []dispatch.Result) {
	if err := l.do(ctx, func(ctx context.Context) { r = l.Store.Put(ctx, now, tasks) }); err != nil {
		return []dispatch.Result{{Err: err}}
	}
	return r
}

func (l *lossy) Claim(ctx context.Context, ids []string, lease dispatch.Lease) (r []dispatch.Result) {
	if err := l.do(ctx, func(ctx context.Context) { r = l.Store.Claim(ctx, ids, lease) }); err != nil {
		return []dispatch.Result{{Err: err}}
	}
	return r
}

func (l *lossy) Settle(ctx context.Context, t dispatch.Task, callbacks ...dispatch.Task) (h dispatch.Hint, err error) {
	if lost := l.do(ctx, func(ctx context.Context) { h, err = l.Store.Settle(ctx, t, callbacks...) }); lost != nil {
		return dispatch.Hint{}, lost
	}
	return h, err
}

func (l *lossy) Edit(ctx context.Context, id string, edit func(*dispatch.Task) error) (t dispatch.Task, h dispatch.Hint, err error) {
	if lost := l.do(ctx, func(ctx context.Context) { t, h, err = l.Store.Edit(ctx, id, edit) }); lost != nil {
		return dispatch.Task{}, dispatch.Hint{}, lost
	}
	return t, h, err
}

func (l *lossy) Delete(ctx context.Context, id string, generation int64) (err error) {
	if lost := l.do(ctx, func(ctx context.Context) { err = l.Store.Delete(ctx, id, generation) }); lost != nil {
		return lost
	}
	return err
}
