package simulate

import (
	"context"
	"errors"
	"strings"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// dressed is a store some of whose methods do something else.
type dressed struct {
	dispatch.Store
	claim  func(ctx context.Context, ids []string, l dispatch.Lease) []dispatch.Result
	settle func(ctx context.Context, t dispatch.Task, callbacks ...dispatch.Task) (dispatch.Hint, error)
	put    func(ctx context.Context, now time.Time, tasks []dispatch.Task) []dispatch.Result
	edit   func(ctx context.Context, id string, edit func(*dispatch.Task) error) (dispatch.Task, dispatch.Hint, error)
	load   func(ctx context.Context, name string) (dispatch.Document, error)
	save   func(ctx context.Context, d dispatch.Document) error
}

func (d dressed) Load(ctx context.Context, name string) (dispatch.Document, error) {
	if d.load != nil {
		return d.load(ctx, name)
	}
	return d.Store.Load(ctx, name)
}

func (d dressed) Save(ctx context.Context, doc dispatch.Document) error {
	if d.save != nil {
		return d.save(ctx, doc)
	}
	return d.Store.Save(ctx, doc)
}

func (d dressed) Claim(ctx context.Context, ids []string, l dispatch.Lease) []dispatch.Result {
	if d.claim != nil {
		return d.claim(ctx, ids, l)
	}
	return d.Store.Claim(ctx, ids, l)
}

func (d dressed) Settle(ctx context.Context, t dispatch.Task, callbacks ...dispatch.Task) (dispatch.Hint, error) {
	if d.settle != nil {
		return d.settle(ctx, t, callbacks...)
	}
	return d.Store.Settle(ctx, t, callbacks...)
}

func (d dressed) Put(ctx context.Context, now time.Time, tasks []dispatch.Task) []dispatch.Result {
	if d.put != nil {
		return d.put(ctx, now, tasks)
	}
	return d.Store.Put(ctx, now, tasks)
}

func (d dressed) Edit(ctx context.Context, id string, edit func(*dispatch.Task) error) (dispatch.Task, dispatch.Hint, error) {
	if d.edit != nil {
		return d.edit(ctx, id, edit)
	}
	return d.Store.Edit(ctx, id, edit)
}

type dress = func(s dispatch.Store, p *process) dispatch.Store

func claimingWith(change func(*dispatch.Lease)) dress {
	return func(s dispatch.Store, _ *process) dispatch.Store {
		return dressed{Store: s, claim: func(ctx context.Context, ids []string, l dispatch.Lease) []dispatch.Result {
			change(&l)
			return s.Claim(ctx, ids, l)
		}}
	}
}

// claimed changes what a claim returns.
func claimed(change func(*dispatch.Task)) dress {
	return func(s dispatch.Store, _ *process) dispatch.Store {
		return dressed{Store: s, claim: func(ctx context.Context, ids []string, l dispatch.Lease) []dispatch.Result {
			results := s.Claim(ctx, ids, l)
			for i := range results {
				if results[i].Err == nil {
					change(&results[i].Task)
				}
			}
			return results
		}}
	}
}

func settlingWith(change func(*dispatch.Task)) dress {
	return func(s dispatch.Store, _ *process) dispatch.Store {
		return dressed{Store: s, settle: func(ctx context.Context, t dispatch.Task, callbacks ...dispatch.Task) (dispatch.Hint, error) {
			change(&t)
			return s.Settle(ctx, t, callbacks...)
		}}
	}
}

// settlesFirst settles a task as delivered when it is claimed.
func settlesFirst(s dispatch.Store, p *process) dispatch.Store {
	return dressed{Store: s, claim: func(ctx context.Context, ids []string, l dispatch.Lease) []dispatch.Result {
		results := s.Claim(ctx, ids, l)
		for _, r := range results {
			if r.Err == nil {
				t := r.Task
				t.State, t.EndedAt, t.DueAt, t.Lane, t.TTL = dispatch.Delivered, p.now(), time.Time{}, "", p.now().Add(dispatch.MinRetention)
				_, _ = s.Settle(ctx, t)
			}
		}
		return results
	}}
}

// trustsHints goes on where a claim was refused because somebody else holds the task.
func trustsHints(s dispatch.Store, _ *process) dispatch.Store {
	return dressed{Store: s, claim: func(ctx context.Context, ids []string, l dispatch.Lease) []dispatch.Result {
		results := s.Claim(ctx, ids, l)
		for i, r := range results {
			if errors.Is(r.Err, dispatch.ErrRefused) && r.Task.State == dispatch.Scheduled && r.Task.Lease != "" {
				results[i].Err = nil
			}
		}
		return results
	}}
}

func acknowledgesEarly(s dispatch.Store, _ *process) dispatch.Store {
	return dressed{Store: s, put: func(ctx context.Context, now time.Time, tasks []dispatch.Task) []dispatch.Result {
		ctx, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		results := s.Put(ctx, now, tasks)
		for i, r := range results {
			if r.Err != nil {
				results[i] = dispatch.Result{Task: tasks[i]}
			}
		}
		return results
	}}
}

func sameRun(s dispatch.Store, _ *process) dispatch.Store {
	return dressed{Store: s, edit: func(ctx context.Context, id string, edit func(*dispatch.Task) error) (dispatch.Task, dispatch.Hint, error) {
		return s.Edit(ctx, id, func(t *dispatch.Task) error {
			run := t.Run
			err := edit(t)
			t.Run = run
			return err
		})
	}}
}

// settlesOnce takes a settle whose first try fails for one that was done.
func settlesOnce(s dispatch.Store, _ *process) dispatch.Store {
	return dressed{Store: s, settle: func(ctx context.Context, t dispatch.Task, callbacks ...dispatch.Task) (dispatch.Hint, error) {
		ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		next, err := s.Settle(ctx, t, callbacks...)
		if errors.Is(err, context.DeadlineExceeded) {
			err = nil
		}
		return next, err
	}}
}

// callsOn has calls last as long as the receiver likes, up to a minute more.
func callsOn(_ *process, h *dispatch.Handle) {
	send := h.Send
	h.Send = func(ctx context.Context, c dispatch.Call) dispatch.Answer {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.Timeout+time.Minute)
		defer cancel()
		return send(ctx, c)
	}
}

// settlingFor changes the callbacks that a settle puts.
func settlingFor(change func(*dispatch.Task)) dress {
	return func(s dispatch.Store, _ *process) dispatch.Store {
		return dressed{Store: s, settle: func(ctx context.Context, t dispatch.Task, callbacks ...dispatch.Task) (dispatch.Hint, error) {
			for i := range callbacks {
				change(&callbacks[i])
			}
			return s.Settle(ctx, t, callbacks...)
		}}
	}
}

// tenantsUnlimited has the limits of tenants never used up.
func tenantsUnlimited(s dispatch.Store, _ *process) dispatch.Store {
	return dressed{Store: s, load: func(ctx context.Context, name string) (dispatch.Document, error) {
		d, err := s.Load(ctx, name)
		if strings.HasSuffix(name, "~"+red) && err == nil {
			d.Body = []byte("{}")
		}
		return d, err
	}}
}
