package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// job is what a worker's process is to do.
type job struct {
	System      string `json:"system"`
	At          string `json:"at"` // where its tasks are
	Concurrency int    `json:"concurrency"`
	Signed      bool   `json:"signed"`
}

const readyWord = "ready to work"

// ready tells the program that started this one.
func ready() { fmt.Fprintln(os.Stderr, readyWord) }

// startWorker starts this program again, as a worker.
func startWorker(ctx context.Context, j job) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	todo, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	return begin(ctx, exec.CommandContext(ctx, self, "-work", string(todo)), readyWord)
}

// runWorker works until standard input ends, which it does with the program that started it.
func runWorker(ctx context.Context, todo string) error {
	var j job
	if err := json.Unmarshal([]byte(todo), &j); err != nil {
		return fmt.Errorf("reading what to work on: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	switch j.System {
	case riverName:
		return workRiver(ctx, j)
	case asynqName:
		return workAsynq(ctx, j)
	default:
		return fmt.Errorf("there is no worker for %q", j.System)
	}
}
