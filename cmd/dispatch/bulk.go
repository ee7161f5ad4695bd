package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"example.com/dispatch/cmd/dispatch/internal/view"
	"example.com/dispatch/pkg/dispatch"
	"github.com/schollz/progressbar/v3"
)

// bulkFlags are those of commands that change all tasks that a filter finds.
type bulkFlags struct {
	Yes bool `help:"Do not ask before changing what a filter finds."`
}

const (
	// bulkTime bounds a command that changes many tasks.
	bulkTime = 6 * time.Hour
	bulkWide = 16 // changes side by side
)

// errUnconfirmed says that a person was asked, and did not say yes.
var errUnconfirmed = errors.New("nothing was changed: it was not confirmed; --yes does not ask")

// listed is a list of tasks as --json prints it.
type listed struct {
	Tasks []view.Task `json:"tasks"`
}

// bare keeps of a task what changing it needs: there may be millions.
func bare(t dispatch.Task) dispatch.Task {
	return dispatch.Task{ID: t.ID, State: t.State, EndedAt: t.EndedAt, Generation: t.Generation, Group: t.Group}
}

// all says how many tasks there are, asks, and changes each; change reports whether the task was still as it
// was found. Tasks of one group are changed in their order, others side by side.
func (b bulkFlags) all(ctx context.Context, c console, asJSON bool, would, done string, tasks []dispatch.Task, change func(context.Context, dispatch.Task) (bool, error)) error {
	fmt.Fprintf(c.err, "dispatch: %s %s\n", counted(len(tasks)), would)
	if !b.Yes && len(tasks) > 0 {
		if err := c.confirm(ctx); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	bar := c.bar(len(tasks))
	var changed atomic.Int64
	var failed error
	var once sync.Once
	var wg sync.WaitGroup
	slots := make(chan struct{}, bulkWide)
	for _, row := range inOrder(tasks) {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			for _, t := range row {
				if ctx.Err() != nil {
					return
				}
				ok, err := change(ctx, t)
				if err != nil {
					once.Do(func() { failed = fmt.Errorf("task %s: %w", t.ID, err) })
					cancel()
					return
				}
				if ok {
					changed.Add(1)
				}
				bar.Add(1) // it writes to the terminal, whose failures harm nothing
			}
		})
	}
	wg.Wait()
	bar.Finish()
	n := int(changed.Load())
	if failed == nil && ctx.Err() != nil {
		failed = fmt.Errorf("stopped: %w", ctx.Err())
	}
	if asJSON {
		return errors.Join(failed, c.json(struct {
			Found   int `json:"found"`
			Changed int `json:"changed"`
		}{len(tasks), n}))
	}
	fmt.Fprintf(c.out, "%s %s\n", counted(n), done)
	if left := len(tasks) - n; left > 0 && failed == nil {
		fmt.Fprintf(c.err, "dispatch: %s changed meanwhile and stayed as they are\n", counted(left))
	}
	return failed
}

// inOrder returns the tasks in rows: each group in one, each other task in its own.
func inOrder(tasks []dispatch.Task) [][]dispatch.Task {
	var rows [][]dispatch.Task
	groups := map[string]int{}
	for _, t := range tasks {
		at, known := groups[t.Group]
		if t.Group == "" || !known {
			at = len(rows)
			rows = append(rows, nil)
			groups[t.Group] = at
		}
		rows[at] = append(rows[at], t)
	}
	return rows
}

// confirm asks a person whether to go on.
func (c console) confirm(ctx context.Context) error {
	fmt.Fprint(c.err, "dispatch: go on? [y/N] ")
	said := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(c.in).ReadString('\n') // what cannot be read is no yes
		said <- line
	}()
	select {
	case line := <-said:
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "y", "yes":
			return nil
		}
	case <-ctx.Done():
	}
	return errUnconfirmed
}

// bar shows on a terminal how far a command is, of a total of -1 how much it did; elsewhere it shows nothing.
func (c console) bar(total int) *progressbar.ProgressBar {
	return progressbar.NewOptions(total, progressbar.OptionSetWriter(c.err), progressbar.OptionSetVisibility(terminal(c.err) && total != 0),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
}

func counted(n int) string {
	if n == 1 {
		return "1 task"
	}
	return fmt.Sprintf("%d tasks", n)
}
