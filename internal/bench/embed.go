package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"example.com/dispatch/pkg/dispatch/sqlite"
)

// embed is what a program that embeds enqueue is to do: bench/ starts it, to measure it beside other libraries' clients.
type embed struct {
	File     string  `json:"file"`
	URI      string  `json:"uri"`
	Format   string  `json:"format"`
	Delay    float64 `json:"delay"` // seconds
	Tasks    int     `json:"tasks"`
	Together int     `json:"together"` // tasks in each call of the verb, 1 to 1000
	Callers  int     `json:"callers"`
	Most     float64 `json:"most"` // seconds, after which it ends with what is done
}

// runEmbedded puts tasks into a file and prints how many a second it put.
func runEmbedded(ctx context.Context, todo string) error {
	var e embed
	if err := json.Unmarshal([]byte(todo), &e); err != nil {
		return fmt.Errorf("reading what to embed: %w", err)
	}
	one := asked{URI: e.URI, Body: body(), Delay: e.Delay, Format: e.Format}
	input := encoded(one)
	if e.Together > 1 {
		batch := struct {
			Tasks []asked `json:"tasks"`
		}{make([]asked, e.Together)}
		for i := range batch.Tasks {
			batch.Tasks[i] = one
		}
		input = encoded(batch)
	}
	var calls float64
	err := with(ctx, e.File, func(store *sqlite.Store) (err error) {
		verb := verb(store)
		calls, err = side(e.Callers, e.Tasks/e.Together, time.Duration(e.Most*float64(time.Second)), func(int) error {
			_, err := verb.Run(ctx, input, newID)
			return err
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("putting tasks into %s: %w", e.File, err)
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]float64{"rate": calls * float64(e.Together)})
}
