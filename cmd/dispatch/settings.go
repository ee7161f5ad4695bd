package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"example.com/dispatch/cmd/dispatch/internal/settingsfile"
	"example.com/dispatch/pkg/dispatch"
)

type settingsCommand struct {
	Get   settingsGetCommand   `cmd:"" help:"Print the settings as JSON, with their version."`
	Apply settingsApplyCommand `cmd:"" help:"Replace the settings by those in a JSON file."`
}

type settingsGetCommand struct{ storeFlags }

// Run prints the settings.
func (s settingsGetCommand) Run(ctx context.Context, c console) error {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	return s.with(ctx, func(ctx context.Context, store dispatch.Store) error {
		f, err := settingsfile.Load(ctx, store)
		if err != nil {
			return err
		}
		return c.json(f)
	})
}

type settingsApplyCommand struct {
	storeFlags
	File string `arg:"" help:"The settings, as settings get prints them; with a version, only over that one."`
}

// Run replaces the settings. Queues and tenants are never removed, nor their lanes lowered.
func (s settingsApplyCommand) Run(ctx context.Context, c console) error {
	text, err := os.ReadFile(s.File)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	f, err := settingsfile.Parse(text)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	return s.opened(ctx, s.Store.Create, func(ctx context.Context, store dispatch.Store) error {
		saved, err := f.Save(ctx, store)
		if errors.Is(err, dispatch.ErrConflict) {
			return fmt.Errorf("%w; get them again, or leave the version out of the file to overwrite them", err)
		}
		if err != nil {
			return err
		}
		if s.JSON {
			return c.json(saved)
		}
		fmt.Fprintf(c.out, "settings saved, version %d\n", saved.Version)
		return nil
	})
}

type pauseCommand struct {
	storeFlags
	Queue string `arg:"" help:"The queue's name."`
}

// Run has nothing of the queue called any more, within a second by a local server, a minute on Lambda.
func (p pauseCommand) Run(ctx context.Context, c console) error {
	return p.set(ctx, c, p.Queue, true)
}

type resumeCommand struct {
	storeFlags
	Queue string `arg:"" help:"The queue's name."`
}

// Run ends a pause.
func (r resumeCommand) Run(ctx context.Context, c console) error {
	return r.set(ctx, c, r.Queue, false)
}

// set pauses or resumes a queue, again where somebody else saved settings meanwhile.
func (f storeFlags) set(ctx context.Context, c console, queue string, paused bool) error {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	return f.with(ctx, func(ctx context.Context, store dispatch.Store) error {
		for {
			settings, err := settingsfile.Load(ctx, store)
			if err != nil {
				return err
			}
			q, ok := settings.Queues[queue]
			if !ok {
				names := dispatch.Settings{Queues: settings.Queues}.QueueNames()
				return fmt.Errorf("%w: there is no queue %q; there are %s", errUsage, queue, strings.Join(names, ", "))
			}
			if q.Paused != paused {
				q.Paused = paused
				settings.Queues[queue] = q
				if settings, err = settings.Save(ctx, store); errors.Is(err, dispatch.ErrConflict) {
					continue
				}
			}
			if err != nil {
				return err
			}
			if f.JSON {
				return c.json(settings)
			}
			state := "goes on"
			if paused {
				state = "is paused"
			}
			fmt.Fprintf(c.out, "queue %s %s; settings version %d\n", queue, state, settings.Version)
			return nil
		}
	})
}
