package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

const (
	killWorkers   = 64
	killProducers = 8
	// early is the share of servers that are killed while they start.
	early = 0.1
	// longestLife is how long a server serves at most.
	longestLife = 500 * time.Millisecond
	// endTime is what the last server gets to end everything: it is not killed.
	endTime = 2 * time.Minute
)

// kill kills `dispatch serve` at random moments under load, and holds what the last one leaves to the promise.
func kill(ctx context.Context, o options) (r *report, err error) {
	r = &report{title: fmt.Sprintf("dispatch serve, killed %d times (seed %d)", o.cycles, o.seed)}
	dispatch, err := build(ctx, o.folder, "example.com/dispatch/cmd/dispatch")
	if err != nil {
		return r, err
	}
	log, err := os.Create(filepath.Join(o.folder, "log"))
	if err != nil {
		return r, fmt.Errorf("making the log: %w", err)
	}
	defer log.Close()
	to := newReceiver()
	defer to.Close()
	w := &killing{
		chance: rand.New(rand.NewPCG(o.seed, 0)), door: newHTTPDoor(), receiver: to, killed: map[string]bool{},
		start: func(issuer string) (*server, error) {
			return start(log, dispatch, "serve", "--db", filepath.Join(o.folder, "dispatch.db"), "--listen", "127.0.0.1:0",
				"--workers", fmt.Sprint(killWorkers), "--issuer", issuer)
		},
	}
	w.load = &load{door: w.door, receiver: to.URL, pause: 2 * time.Millisecond, seed: o.seed}
	if err := w.configure(ctx); err != nil {
		return r, err
	}
	loading, stop := context.WithCancel(ctx)
	produced := make(chan struct{})
	go func() { w.load.run(loading, killProducers); close(produced) }()
	defer func() { stop(); <-produced }()
	for i := range o.cycles {
		if err := w.cycle(ctx, i); err != nil {
			return r, fmt.Errorf("cycle %d: %w", i, err)
		}
	}
	last, err := w.serve("last")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, last.kill()) }()
	stop()
	<-produced
	rows, err := awaitEnd(ctx, storedIn(filepath.Join(o.folder, "dispatch.db")), endTime)
	if err != nil {
		r.violate("%v", err)
	}
	r.add("kills", o.cycles)
	r.add("of them while starting", w.early)
	r.add("requests refused or unanswered", w.load.refused)
	r.add("calls in flight at a kill, in all", w.inFlight)
	for _, err := range w.load.wrong {
		r.violate("%v", err)
	}
	evidence{asked: w.load.asked, calls: to.calls(), rows: rows, killed: w.killed, workers: killWorkers}.check(r)
	return r, ctx.Err()
}

// killing is one run of kill.
type killing struct {
	chance   *rand.Rand
	door     *httpDoor
	receiver *receiver
	load     *load
	start    func(issuer string) (*server, error)

	killed   map[string]bool
	early    int
	inFlight int
}

// configure starts a server, saves the settings, and kills it.
func (w *killing) configure(ctx context.Context) error {
	s, err := w.serve("first")
	if err != nil {
		return err
	}
	status, text, err := w.door.request(ctx, http.MethodPut, "/settings", w.load.settings(), "If-Match", "*")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("saving the settings: %d %s", status, text)
	}
	return errors.Join(err, s.kill())
}

// serve starts a server and has the producers go there.
func (w *killing) serve(issuer string) (*server, error) {
	s, err := w.start(issuer)
	if err != nil {
		return nil, err
	}
	url, err := s.ready()
	if err != nil {
		return nil, err
	}
	w.door.url.Store(url)
	return s, nil
}

// cycle is the life of one server.
func (w *killing) cycle(ctx context.Context, i int) error {
	issuer := fmt.Sprintf("server-%d", i)
	w.killed[issuer] = true
	if w.chance.Float64() < early {
		w.early++
		s, err := w.start(issuer)
		if err != nil {
			return err
		}
		time.Sleep(time.Duration(w.chance.Int64N(int64(60 * time.Millisecond))))
		return s.kill()
	}
	s, err := w.serve(issuer)
	if err != nil {
		return err
	}
	select {
	case <-time.After(time.Duration(w.chance.Int64N(int64(longestLife)))):
	case <-ctx.Done():
	}
	w.inFlight += w.receiver.inFlight()
	return errors.Join(s.kill(), ctx.Err())
}
