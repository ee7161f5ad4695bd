package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"example.com/dispatch/cmd/dispatch/internal/demo"
)

type demoCommand struct{}

// Run shows the main job in a temporary folder.
func (demoCommand) Run(ctx context.Context, c console) error {
	folder, err := os.MkdirTemp("", "dispatch-demo-")
	if err != nil {
		return fmt.Errorf("making a folder for the demo: %w", err)
	}
	return errors.Join(demo.Run(ctx, demo.Options{Folder: folder, Out: c.out, Colour: terminal(c.out)}), os.RemoveAll(folder))
}
