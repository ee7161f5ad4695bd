package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// wholeTime bounds a run, whatever hangs.
	wholeTime = 40 * time.Minute
	// gcPercent is that of dispatch's server, for everything that is compared.
	gcPercent = 400
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, wholeTime)
	defer cancel()
	debug.SetGCPercent(gcPercent)
	if err := start(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are those of the command line.
type options struct {
	short       bool
	only        []string
	concurrency []int
	work        string // for a worker: what it is to do
}

// names are what -only takes.
func names() []string { return []string{"dispatch", "river", "asynq"} }

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.BoolVar(&o.short, "short", false, "less of everything, for a quick look")
	only := flags.String("only", strings.Join(names(), ","), "the systems to measure")
	tried := flags.String("concurrency", "100,200,500,1000", "the numbers of calls at once to try for each")
	flags.StringVar(&o.work, "work", "", "be a worker, until standard input ends: what it is to do, as JSON")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("%q is no flag", flags.Arg(0))
	}
	o.only = strings.Split(*only, ",")
	for _, name := range o.only {
		if !slices.Contains(names(), name) {
			return o, fmt.Errorf("-only: there is no system %q; systems are %s", name, strings.Join(names(), ", "))
		}
	}
	for text := range strings.SplitSeq(*tried, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < asynqServers || n > 10_000 {
			return o, fmt.Errorf("-concurrency: %q is not a number from %d to 10000", text, asynqServers)
		}
		o.concurrency = append(o.concurrency, n)
	}
	return o, nil
}

func start(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if o.work != "" {
		return runWorker(ctx, o.work)
	}
	r := &run{options: o, table: newTable()}
	err = r.measure(ctx)
	return errors.Join(err, r.table.write(out))
}
