package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"example.com/dispatch/pkg/dispatch/dynamo/dynamotest"
)

// wholeTime bounds a run, whatever hangs.
const wholeTime = 8 * time.Minute

// dollars is one run.
type dollars struct {
	folder   string // temporary
	programs map[string]string
	database *dynamotest.Database
	short    bool

	mu     sync.Mutex
	stacks int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, wholeTime)
	defer cancel()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "dollars:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	d := &dollars{programs: map[string]string{}}
	flag.BoolVar(&d.short, "short", false, "fewer tasks, and no busy minute, for a quick look")
	only := flag.String("only", "", "the scenarios whose names hold this")
	flag.Parse()
	if d.folder, err = os.MkdirTemp("", "dispatch-dollars-"); err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(d.folder)) }()
	for name := range memories() {
		d.programs[name] = filepath.Join(d.folder, name)
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags=lambda.norpc", "-ldflags=-s", "-o", d.programs[name], "./functions/"+name)
		if text, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w\n%s", name, err, text)
		}
	}
	if d.database, err = dynamotest.StartDatabase(ctx); err != nil {
		return err
	}
	defer d.database.Close()
	tasks := 300
	if d.short {
		tasks = 100
	}
	fmt.Printf("List prices: %s.\n%d tasks of each kind, a receiver that takes %v, arm64. Dollars for a million delivered tasks.\n", pricesOf, tasks, callTime)
	var totals []summary
	for _, s := range scenarios() {
		if !strings.Contains(s.name, *only) {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring %s …\n", s.name)
		u, err := d.measure(ctx, s, tasks)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		totals = append(totals, summary{s, u})
	}
	write(os.Stdout, totals)
	if *only != "" {
		return nil
	}
	return d.months(ctx)
}

// months measures what sweeps cost.
func (d *dollars) months(ctx context.Context) error {
	const month = 30 * 24 * time.Hour
	fmt.Fprintln(os.Stderr, "measuring a sweep with nothing to do …")
	idle, took, err := d.sweeps(ctx, 20, 0)
	if err != nil {
		return fmt.Errorf("idle sweeps: %w", err)
	}
	writeMonth(os.Stdout, fmt.Sprintf("A month in which nothing is due: a sweep a minute, %v each", took.Round(time.Millisecond)), idle.month(list(), alarms, month.Minutes()))
	if d.short {
		return nil
	}
	fmt.Fprintln(os.Stderr, "measuring a sweep that looks every second, for up to a minute …")
	busy, took, err := d.sweeps(ctx, 1, 1)
	if err != nil {
		return fmt.Errorf("a busy sweep: %w", err)
	}
	writeMonth(os.Stdout, "A month in which something is due in every minute, so that a sweep always looks each second", busy.month(list(), alarms, month.Seconds()/took.Seconds()))
	return nil
}

// sweeps runs sweeps over a table with so many tasks, due in two seconds, and returns what one used and how long it took.
func (d *dollars) sweeps(ctx context.Context, n, tasks int) (usage, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, scenarioTime)
	defer cancel()
	k, err := d.begin(ctx, "PRECISION=second")
	if err != nil {
		return usage{}, 0, err
	}
	defer k.close()
	r, err := newReceiver(0)
	if err != nil {
		return usage{}, 0, err
	}
	defer r.Close()
	if _, err := k.commitLater(ctx, r, tasks); err != nil {
		return usage{}, 0, err
	}
	for range n {
		if _, err := k.lambda.Call(ctx, "sweep", []byte("{}")); err != nil {
			return usage{}, 0, err
		}
	}
	if err := k.await(ctx, r, tasks); err != nil {
		return usage{}, 0, err
	}
	billed, _ := k.lambda.Billed()
	wall := billed["sweep"].Wall
	u, err := k.end(ctx)
	sweep := u.functions["sweep"]
	one := usage{
		reads: u.reads / float64(n), logged: u.logged / float64(n),
		functions: map[string]work{"sweep": {invocations: 1, gbSeconds: sweep.gbSeconds / float64(n)}},
	}
	return one, wall / time.Duration(n), err
}
