// Package receiver answers calls as a task's receiver does, for trying things out: it verifies signatures,
// fails when told to, and reports each call.
package receiver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"example.com/dispatch/pkg/dispatch/signature"
)

// Options says how a receiver behaves.
type Options struct {
	Verify func(r *http.Request, body []byte) string // says what is true of the signature; nil: nothing
	Status func(r *http.Request, nth int) int        // the answer to the nth call, from 1, of a task's run
	Delay  time.Duration                             // before each answer
	Report func(Call)                                // is told each call before it is answered; nil: nobody is
}

// Call is a call that arrived.
type Call struct {
	At        time.Time
	Method    string
	Path      string
	ID        string // the Idempotency-Key, "" if there is none
	Attempt   string // the Dispatch-Attempt, "" if there is none
	Signature string // what Verify said
	Body      []byte
	Status    int // the answer
}

const (
	maxBody = 1 << 20 // bytes
	maxIDs  = 1 << 20 // tasks that are counted; then counting begins anew

	maxHeader = 64 << 10 // bytes
)

// Receiver is an [http.Handler].
type Receiver struct {
	options Options

	mu    sync.Mutex
	calls map[string]int // by Idempotency-Key
}

// New returns a receiver.
func New(o Options) *Receiver { return &Receiver{options: o, calls: map[string]int{}} }

// ServeHTTP implements [http.Handler].
func (v *Receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "the body could not be read, or is over 1 MB", http.StatusRequestEntityTooLarge)
		return
	}
	c := Call{
		At: time.Now(), Method: r.Method, Path: r.URL.RequestURI(), Body: body,
		ID: r.Header.Get("Idempotency-Key"), Attempt: r.Header.Get("Dispatch-Attempt"),
	}
	c.Status = v.options.Status(r, v.count(c.ID))
	if v.options.Verify != nil {
		c.Signature = v.options.Verify(r, body)
	}
	if v.options.Report != nil {
		v.options.Report(c)
	}
	if v.options.Delay > 0 {
		timer := time.NewTimer(v.options.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return
		}
	}
	w.WriteHeader(c.Status)
}

func (v *Receiver) count(id string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.calls) >= maxIDs {
		clear(v.calls)
	}
	v.calls[id]++
	return v.calls[id]
}

// FailFirst answers 503 to the first n calls of each run of a task, and code to the others.
func FailFirst(n, code int) func(*http.Request, int) int {
	return func(_ *http.Request, nth int) int {
		if nth <= n {
			return http.StatusServiceUnavailable
		}
		return code
	}
}

const (
	headerTime = 5 * time.Second
	readTime   = 30 * time.Second
	idleTime   = 2 * time.Minute
	endTime    = 2 * time.Second // what calls get to end
)

// Serve answers what comes to the listener until the context ends. Answers take delay at least.
func Serve(ctx context.Context, l net.Listener, h http.Handler, delay time.Duration) error {
	s := &http.Server{
		Handler: h, ReadHeaderTimeout: headerTime, ReadTimeout: readTime,
		WriteTimeout: readTime + delay, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader,
	}
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("receiving: %w", err)
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer cancel()
	if err := s.Shutdown(ending); err != nil {
		return errors.Join(fmt.Errorf("ending calls: %w", err), s.Close())
	}
	return nil
}

// describe says in a few words what an error of [signature.Verifier] means.
func describe(err error) string {
	switch {
	case err == nil:
		return "signature ok"
	case errors.Is(err, signature.ErrMissing):
		return "unsigned"
	default:
		return "signature BAD: " + err.Error()
	}
}
