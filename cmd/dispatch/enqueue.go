package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"text/tabwriter"
	"time"

	"example.com/dispatch/cmd/dispatch/internal/view"
	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/rule"
	"github.com/oklog/ulid/v2"
)

type enqueueCommand struct {
	storeFlags
	File string `arg:"" optional:"" default:"-" help:"One task, or {\"tasks\": […]}, as JSON; - reads standard input (${default})."`
}

// maxInput is the most that is read of an input, in bytes.
const maxInput = 64 << 20

// errSome says that not every task of an input was taken; what was printed says which.
var errSome = errors.New("not every task was enqueued")

// Run enqueues the tasks of the file.
func (e enqueueCommand) Run(ctx context.Context, c console) error {
	input, err := e.read(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	return e.opened(ctx, e.Store.Create, func(ctx context.Context, store dispatch.Store) error {
		verb := &dispatch.Enqueue{
			Store: store, Settings: e.editor(store).Settings, Retention: e.Retention,
			// Whoever sends decides whether it may call plain http or an ARN, and whether it has a key and secrets.
			AllowHTTP: e.Store.Local(), CanSign: true, CheckRule: rule.Check, CheckARN: func(dispatch.ARN) error { return nil },
			CheckSecret: func(string) error { return nil },
			Now:         time.Now, Log: slog.New(slog.DiscardHandler),
		}
		receipts, err := verb.Run(ctx, input, func(int) string { return ulid.Make().String() })
		if err != nil && !errors.Is(err, dispatch.ErrNotStored) {
			return err
		}
		return errors.Join(err, e.print(c, receipts))
	})
}

func (e enqueueCommand) read(c console) ([]byte, error) {
	in := c.in
	if e.File != "-" {
		f, err := os.Open(e.File)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errUsage, err)
		}
		defer f.Close()
		in = f
	}
	input, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", e.File, err)
	}
	if len(input) > maxInput {
		return nil, fmt.Errorf("%w: %s is over %d MB", errUsage, e.File, maxInput>>20)
	}
	return input, nil
}

func (e enqueueCommand) print(c console, receipts dispatch.Receipts) error {
	var failed error
	for _, r := range receipts.Tasks {
		if r.Error != nil {
			failed = errSome
		}
	}
	if e.JSON {
		return errors.Join(c.json(receipts), failed)
	}
	now := time.Now()
	t := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	for _, r := range receipts.Tasks {
		switch {
		case r.Error != nil:
			fmt.Fprintf(t, "%s\tnot enqueued\t%s: %s\n", r.ID, r.Error.Title, r.Error.Detail)
		case r.Replaced:
			fmt.Fprintf(t, "%s\t%s\treplaced, due %s\n", r.ID, r.State, view.When(r.DueAt, now))
		case r.Existing:
			fmt.Fprintf(t, "%s\t%s\tenqueued before\n", r.ID, r.State)
		default:
			fmt.Fprintf(t, "%s\t%s\tdue %s\n", r.ID, r.State, view.When(r.DueAt, now))
		}
	}
	return errors.Join(t.Flush(), failed)
}
