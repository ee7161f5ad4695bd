// Command soak does to the real programs what the world may do to them, under load, and holds what is left to the
// promise, by the receiver's own journal. Each part prints a table of what was seen; a violation ends it with 1.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// options are what a part is given.
type options struct {
	seed   uint64
	cycles int    // 0: as many as the part has by itself
	folder string // temporary, of the part alone; kept after a violation
}

// part is one thing that is done.
type part struct {
	name   string
	cycles int // unless said
	run    func(context.Context, options) (*report, error)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

// errViolated says that a table has violations.
var errViolated = errors.New("the promise was broken")

func run(ctx context.Context, args []string, out io.Writer) error {
	var names []string
	for _, p := range parts() {
		names = append(names, p.name)
	}
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprintf(flags.Output(), "soak [flags] [part …]\nParts, all unless named: %s\n", strings.Join(names, ", "))
		flags.PrintDefaults()
	}
	o := options{}
	flags.Uint64Var(&o.seed, "seed", rand.Uint64(), "of all random choices (default: another each time)")
	flags.IntVar(&o.cycles, "cycles", 0, "how often each fault comes (default: each part's own)")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	wanted := flags.Args()
	for _, name := range wanted {
		if !slices.Contains(names, name) {
			return fmt.Errorf("there is no part %q; parts are %s", name, strings.Join(names, ", "))
		}
	}
	var failed error
	for _, p := range parts() {
		if len(wanted) == 0 || slices.Contains(wanted, p.name) {
			failed = errors.Join(failed, p.do(ctx, o, out))
		}
	}
	return failed
}

// do runs the part in a folder of its own.
func (p part) do(ctx context.Context, o options, out io.Writer) (err error) {
	if o.cycles == 0 {
		o.cycles = p.cycles
	}
	if o.folder, err = os.MkdirTemp("", "dispatch-soak-"+p.name+"-"); err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	r, err := p.run(ctx, o)
	if err != nil {
		err = fmt.Errorf("%s: %w", p.name, err)
	}
	err = errors.Join(err, r.write(out))
	if r.failed() {
		err = errors.Join(err, fmt.Errorf("%s: %w; what it left is in %s", p.name, errViolated, o.folder))
	}
	if err != nil {
		return err
	}
	return os.RemoveAll(o.folder)
}
