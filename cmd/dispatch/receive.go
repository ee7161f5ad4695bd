package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"example.com/dispatch/cmd/dispatch/internal/receiver"
	"example.com/dispatch/cmd/dispatch/internal/view"
	"example.com/dispatch/pkg/dispatch/signature"
)

type receiveCommand struct {
	Listen    string        `default:"127.0.0.1:8701" help:"Where to listen (${default})."`
	Fail      int           `default:"0" help:"Answer 503 to the first so many calls of each task."`
	Code      int           `default:"204" help:"Answer this status (${default})."`
	Delay     time.Duration `default:"0s" help:"Wait so long before each answer."`
	JWKS      string        `name:"jwks" default:"http://127.0.0.1:8700/.well-known/jwks.json" help:"URL or file of the keys that verify signatures (${default})."`
	PublicKey string        `type:"path" placeholder:"FILE" help:"Instead: the public key as PEM, EC P-256 or Ed25519."`
	Issuer    string        `default:"dispatch" help:"The issuer of signatures (${default})."`
	Origin    string        `help:"Where this receiver is called, as tasks have it; the address it listens on unless given."`
	Quiet     bool          `help:"Neither print nor verify calls: count them each second."`
}

// Validate is called by kong.
func (r receiveCommand) Validate() error {
	switch {
	case r.Fail < 0:
		return errors.New("--fail must not be negative")
	case r.Code < 200 || r.Code > 599:
		return errors.New("--code must be 200 to 599")
	case r.Delay < 0:
		return errors.New("--delay must not be negative")
	}
	return nil
}

// Run receives until a signal comes.
func (r receiveCommand) Run(ctx context.Context, c console) error {
	checker := &receiver.Checker{Keys: receiver.Published(r.JWKS), Issuer: r.Issuer}
	if r.PublicKey != "" {
		if err := r.readKey(checker); err != nil {
			return err
		}
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", r.Listen)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	o := receiver.Options{Status: receiver.FailFirst(r.Fail, r.Code), Delay: r.Delay}
	if r.Quiet {
		var calls atomic.Int64
		o.Report = func(receiver.Call) { calls.Add(1) }
		go count(ctx, c, &calls)
	} else {
		checker.Origins = r.origins(l.Addr())
		o.Verify, o.Report = checker.Verify, printer(c)
	}
	fmt.Fprintf(c.err, "dispatch: receiving on http://%s\n", l.Addr())
	return receiver.Serve(ctx, l, receiver.New(o), r.Delay)
}

// readKey has signatures verified with the one key of a file.
func (r receiveCommand) readKey(checker *receiver.Checker) error {
	text, err := os.ReadFile(r.PublicKey)
	if err != nil {
		return fmt.Errorf("%w: reading the public key: %w", errUsage, err)
	}
	key, err := signature.ParsePublicKey(text)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", errUsage, r.PublicKey, err)
	}
	checker.Keys = receiver.Only(key)
	return nil
}

// origins are what a task's URI may begin with that is meant for this receiver.
func (r receiveCommand) origins(a net.Addr) []string {
	if r.Origin != "" {
		return []string{r.Origin}
	}
	origins := []string{"http://" + a.String()}
	if tcp, ok := a.(*net.TCPAddr); ok && (tcp.IP.IsLoopback() || tcp.IP.IsUnspecified()) {
		origins = append(origins, fmt.Sprintf("http://localhost:%d", tcp.Port), fmt.Sprintf("http://127.0.0.1:%d", tcp.Port))
	}
	return origins
}

// printer prints each call in a line.
func printer(c console) func(receiver.Call) {
	var mu sync.Mutex
	return func(call receiver.Call) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(c.out, "%s  %s %s  attempt %s  %s  %s  -> %d  %s\n", call.At.Format("15:04:05.000"), call.Method,
			view.Plain(call.Path, 200), view.Plain(call.Attempt, 10), view.Plain(call.ID, 200), call.Signature, call.Status,
			view.Plain(string(call.Body), 120))
	}
}

// count prints each second how many calls have come, as long as some do.
func count(ctx context.Context, c console, calls *atomic.Int64) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var last int64
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if n := calls.Load(); n != last {
			fmt.Fprintf(c.out, "%d calls, %d in the last second\n", n, n-last)
			last = n
		}
	}
}
