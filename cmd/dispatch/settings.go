package main

import (
	"context"
	"fmt"
	"os"

	"example.com/dispatch/pkg/dispatch"
)

type settingsCommand struct {
	Get   settingsGetCommand   `cmd:"" help:"Print the settings as JSON."`
	Apply settingsApplyCommand `cmd:"" help:"Replace the settings by those in a JSON file."`
}

type settingsGetCommand struct{ storeFlags }

// Run prints the settings.
func (s settingsGetCommand) Run(ctx context.Context, c console) error {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	return s.with(ctx, func(ctx context.Context, store dispatch.Store) error {
		settings, _, err := dispatch.LoadSettings(ctx, store)
		if err != nil {
			return err
		}
		return c.json(settings)
	})
}

type settingsApplyCommand struct {
	storeFlags
	File string `arg:"" help:"The settings, as settings get prints them."`
}

// Run replaces the settings. Queues are never removed, nor their lanes lowered.
func (s settingsApplyCommand) Run(ctx context.Context, c console) error {
	text, err := os.ReadFile(s.File)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	settings, err := dispatch.ParseSettings(text)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	return s.opened(ctx, s.Store.Create, func(ctx context.Context, store dispatch.Store) error {
		version, err := dispatch.SaveSettings(ctx, store, settings)
		if err != nil {
			return err
		}
		if s.JSON {
			return c.json(settings)
		}
		fmt.Fprintf(c.out, "settings saved, version %d\n", version)
		return nil
	})
}
