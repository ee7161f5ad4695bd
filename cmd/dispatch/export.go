package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"example.com/dispatch/cmd/dispatch/internal/transfer"
	"example.com/dispatch/pkg/dispatch"
)

type exportCommand struct {
	storeFlags
	File string `arg:"" optional:"" default:"-" help:"The file, which is replaced once it is complete; - writes to standard output (${default})."`
}

// Run writes what the store keeps.
func (e exportCommand) Run(ctx context.Context, c console) error {
	ctx, cancel := context.WithTimeout(ctx, bulkTime)
	defer cancel()
	return e.with(ctx, func(ctx context.Context, store dispatch.Store) error {
		served, err := e.Store.Served()
		if err != nil {
			return err
		}
		if served {
			fmt.Fprintln(c.err, "dispatch: a server runs on this store: stop it before you import the file elsewhere, or both will make the calls")
		}
		bar := c.bar(-1)
		did, err := e.write(c.out, func(out io.Writer) (transfer.Exported, error) {
			return transfer.Export(ctx, store, out, time.Now(), func(n int) { bar.Add(n) })
		})
		bar.Finish()
		if err != nil {
			return err
		}
		if e.File == "-" {
			c.out = c.err
		}
		if e.JSON {
			return c.json(did)
		}
		fmt.Fprintf(c.out, "%s exported, %d of them leased; %d past their retention left out\n", counted(did.Tasks), did.Leased, did.Gone)
		return nil
	})
}

// write has the file written beside its place, for the owner alone: it holds whatever tasks hold. It takes its place when it is on disk.
func (e exportCommand) write(stdout io.Writer, export func(io.Writer) (transfer.Exported, error)) (transfer.Exported, error) {
	if e.File == "-" {
		return export(stdout)
	}
	f, err := os.CreateTemp(filepath.Dir(e.File), filepath.Base(e.File)+".*")
	if err != nil {
		return transfer.Exported{}, fmt.Errorf("%w: %w", errUsage, err)
	}
	did, err := export(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), e.File)
	}
	if err != nil {
		return did, errors.Join(fmt.Errorf("exporting to %s: %w", e.File, err), os.Remove(f.Name()))
	}
	return did, nil
}
