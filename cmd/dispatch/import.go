package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"example.com/dispatch/cmd/dispatch/internal/transfer"
	"example.com/dispatch/pkg/dispatch"
)

type importCommand struct {
	storeFlags
	File         string `arg:"" optional:"" default:"-" help:"What export wrote; - reads standard input (${default})."`
	KeepSettings bool   `help:"Where the store has settings, leave them as they are."`
}

// maxNamed is how many tasks that were left out are named.
const maxNamed = 20

// errLeftOut says that not every task of a file was imported; what was printed says which.
var errLeftOut = errors.New("not every task was imported")

// Run puts a file's tasks into the store. A file is read to its end first: nothing of one that is cut off is imported, unless it comes
// by standard input.
func (i importCommand) Run(ctx context.Context, c console) error {
	ctx, cancel := context.WithTimeout(ctx, bulkTime)
	defer cancel()
	in, total := c.in, -1
	if i.File != "-" {
		f, err := os.Open(i.File)
		if err != nil {
			return fmt.Errorf("%w: %w", errUsage, err)
		}
		defer f.Close()
		if total, err = transfer.Check(f); err != nil {
			return fmt.Errorf("%s: %w; nothing was imported", i.File, err)
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("reading %s again: %w", i.File, err)
		}
		in = f
	}
	return i.opened(ctx, i.Store.Create, func(ctx context.Context, store dispatch.Store) error {
		bar := c.bar(total)
		named := 0
		verb := &transfer.Import{
			Store: store, KeepSettings: i.KeepSettings, Now: time.Now, Did: func(n int) { bar.Add(n) },
			Refuse: func(id string, cause error) {
				if named++; named <= maxNamed {
					fmt.Fprintf(c.err, "dispatch: task %s: %v\n", id, cause)
				}
			},
		}
		did, err := verb.Run(ctx, in)
		bar.Finish()
		if errors.Is(err, transfer.ErrSettings) {
			err = fmt.Errorf("%w; nothing was imported: apply the same ones there first, or --keep-settings", err)
		}
		if named > maxNamed {
			fmt.Fprintf(c.err, "dispatch: and %d more\n", named-maxNamed)
		}
		if err == nil && did.Refused > 0 {
			err = errLeftOut
		}
		if i.JSON {
			return errors.Join(c.json(did), err)
		}
		fmt.Fprintf(c.out, "%s: %d imported, %d there already, %d left out\n", counted(did.Tasks), did.New, did.Same, did.Refused)
		return err
	})
}
