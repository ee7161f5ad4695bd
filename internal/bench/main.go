package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"example.com/dispatch/internal/bench/plot"
)

// The bounds of a run, whatever hangs.
const (
	wholeTime  = 4 * time.Minute
	checkTime  = 10 * time.Minute // where parts are measured several times
	lambdaTime = 15 * time.Minute // where functions are measured
)

// bench is one run.
type bench struct {
	short    bool
	workers  int    // of the server
	folder   string // temporary
	dispatch string // path of the command
	table    table
}

// tenantsPart is measured only where it is asked for: it takes a minute.
const tenantsPart = "tenants"

// onLambda says that the built functions are measured, which is done only where it is asked for too, and takes longer.
func onLambda(part string) bool {
	return slices.Contains([]string{"sweep", "backlog", "ontime", "cold"}, part)
}

// part is one subject that is measured.
type part struct {
	name string
	run  func(*bench, context.Context) error
}

func parts() []part {
	return []part{
		{"drain", (*bench).drain}, {"enqueue", (*bench).enqueue}, {"latency", (*bench).latency},
		{"claim", (*bench).claim}, {"writes", (*bench).writes}, {"init", (*bench).start}, {tenantsPart, (*bench).tenants},
		{"sweep", (*bench).sweep}, {"backlog", (*bench).backlog}, {"ontime", (*bench).onTime}, {"cold", (*bench).cold},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var names []string
	for _, p := range parts() {
		names = append(names, p.name)
	}
	b := &bench{}
	flag.BoolVar(&b.short, "short", false, "less of everything, for a quick look")
	flag.IntVar(&b.workers, "workers", 0, "the server's --workers (0: its own default)")
	flag.StringVar(&b.dispatch, "dispatch", "", "measure this built command, to compare two, instead of building it")
	asJSON := flag.Bool("json", false, "print JSON")
	usual := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == tenantsPart || onLambda(name) })
	only := flag.String("only", "", "the parts to measure, of "+strings.Join(names, ",")+"; none: "+strings.Join(usual, ","))
	check := flag.Bool("check", false, "compare ratios with the recorded baseline, in short runs: make bench-check")
	record := flag.Bool("record", false, "with -check: record the baseline instead")
	grow := flag.Bool("growth", false, "measure how speed changes with what a store holds, and plot it: make plots")
	draw := flag.Bool("draw", false, "with -growth: draw the plots anew from what was measured")
	receive := flag.Bool("receive", false, "be the receiver, until standard input ends")
	embedded := flag.String("embed", "", "be a program that embeds enqueue: what it is to do, as JSON")
	flag.Parse()
	if *receive {
		return runReceiver(ctx)
	}
	if *embedded != "" {
		return runEmbedded(ctx, *embedded)
	}
	if *draw {
		return plot.Draw(plotFolder)
	}
	if *grow {
		names = nil
		for _, w := range ways() {
			names = append(names, w.name)
		}
		usual = names
	}
	wanted := usual
	if *only != "" {
		wanted = strings.Split(*only, ",")
	}
	for _, name := range wanted {
		if !slices.Contains(names, name) {
			return fmt.Errorf("there is no part %q; parts are %s", name, strings.Join(names, ", "))
		}
	}
	within := wholeTime
	switch {
	case *check || *record:
		within = checkTime
	case *grow:
		within = growthTime
	case slices.ContainsFunc(wanted, onLambda):
		within = lambdaTime
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return b.prepared(ctx, func() error {
		switch {
		case *grow:
			return b.growth(ctx, wanted)
		case *record:
			b.short = true
			return b.record(ctx)
		case *check:
			b.short = true
			return b.check(ctx, wanted, os.Stdout)
		default:
			return b.measure(ctx, wanted, *asJSON)
		}
	})
}

// prepared calls do while there are the folder and the command.
func (b *bench) prepared(ctx context.Context, do func() error) (err error) {
	if b.folder, err = os.MkdirTemp("", "dispatch-bench-"); err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.folder)) }()
	if b.dispatch == "" {
		if b.dispatch, err = b.build(ctx, "./cmd/dispatch"); err != nil {
			return err
		}
	}
	return do()
}

func (b *bench) measure(ctx context.Context, wanted []string, asJSON bool) error {
	if err := b.disk(ctx); err != nil {
		return err
	}
	var failed error
	for _, p := range parts() {
		if !slices.Contains(wanted, p.name) {
			continue
		}
		began := time.Now()
		fmt.Fprintf(os.Stderr, "measuring %s …", p.name)
		if err := p.run(b, ctx); err != nil {
			failed = errors.Join(failed, fmt.Errorf("measuring %s: %w", p.name, err))
		}
		fmt.Fprintf(os.Stderr, " %.0f s\n", time.Since(began).Seconds())
	}
	if asJSON {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return errors.Join(failed, e.Encode(b.table))
	}
	return errors.Join(failed, b.table.write(os.Stdout))
}

// pick returns the count for a whole run, or the one for a short run.
func (b *bench) pick(whole, short int) int {
	if b.short {
		return short
	}
	return whole
}
