package main

import (
	"fmt"

	"example.com/dispatch/pkg/dispatch/schema"
)

type schemaCommand struct {
	Of string `arg:"" optional:"" enum:"task,settings,answer" default:"task" help:"task, settings or answer (${default})."`
}

// Run prints the schema.
func (s schemaCommand) Run(c console) error {
	text := map[string]func() []byte{"task": schema.Task, "settings": schema.Settings, "answer": schema.Answer}[s.Of]()
	if _, err := c.out.Write(text); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}
