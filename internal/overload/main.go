package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// run is one run of the command.
type run struct {
	short    bool
	scale    float64 // by which an hour, or ten minutes, is shorter
	folder   string  // temporary
	dispatch string  // path of the command
	table    table
}

// overload is one case.
type overload struct {
	name string
	try  func(*run, context.Context) error
}

func cases() []overload {
	return []overload{{"burst", (*run).burst}, {"pending", (*run).pending}, {"hang", (*run).hang}, {"outage", (*run).outage}, {"flood", (*run).flood}}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := start(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "overload:", err)
		os.Exit(1)
	}
}

func start(ctx context.Context) error {
	var names []string
	for _, c := range cases() {
		names = append(names, c.name)
	}
	r := &run{}
	flag.BoolVar(&r.short, "short", false, "less of everything, for a quick look")
	flag.Float64Var(&r.scale, "scale", 60, "how much shorter the hour of an outage is, at least 1; the ten minutes of a flood are a third of that")
	flag.StringVar(&r.dispatch, "dispatch", "", "try this built command instead of building it")
	only := flag.String("only", strings.Join(names, ","), "the cases to try, of "+strings.Join(names, ","))
	flag.Parse()
	wanted := strings.Split(*only, ",")
	for _, name := range wanted {
		if !slices.Contains(names, name) {
			return fmt.Errorf("there is no case %q; cases are %s", name, strings.Join(names, ", "))
		}
	}
	if r.scale < 1 {
		return errors.New("-scale must be at least 1")
	}
	return r.all(ctx, wanted)
}

// all tries the wanted cases and prints the table, however they ended.
func (r *run) all(ctx context.Context, wanted []string) (err error) {
	if r.folder, err = os.MkdirTemp("", "dispatch-overload-"); err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.folder)) }()
	if r.dispatch == "" {
		if err := r.build(ctx); err != nil {
			return err
		}
	}
	var failed error
	for _, c := range cases() {
		if !slices.Contains(wanted, c.name) || ctx.Err() != nil {
			continue
		}
		began := time.Now()
		fmt.Fprintf(os.Stderr, "trying %s …", c.name)
		r.table.part = c.name
		if err := c.try(r, ctx); err != nil {
			failed = errors.Join(failed, fmt.Errorf("trying %s: %w", c.name, err))
		}
		fmt.Fprintf(os.Stderr, " %.0f s\n", time.Since(began).Seconds())
	}
	return errors.Join(failed, r.table.write(os.Stdout), r.table.broken())
}

// pick returns the count for a whole run, or the one for a short run.
func (r *run) pick(whole, short int) int {
	if r.short {
		return short
	}
	return whole
}
