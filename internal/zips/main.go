// Command zips builds every function and packs each as Lambda takes it: <name>.zip with one file, bootstrap. The same
// commit and Go release give the same bytes, wherever they are built. It is for those who deploy by other tools than SAM.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"text/tabwriter"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "zips:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("zips", flag.ContinueOnError)
	root := flags.String("root", ".", "the repository")
	out := flags.String("out", "dist", "where the zips go")
	architecture := flags.String("arch", "arm64", "of the functions: arm64 or x86_64")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("reading the flags: %w", err)
	}
	if flags.NArg() > 0 {
		return errors.New("it takes flags only")
	}
	zips, err := build(ctx, *root, *architecture)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(*out, 0o777); err != nil {
		return fmt.Errorf("making %s: %w", *out, err)
	}
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "zip\tbytes\tSHA-256\tCodeSha256, as Lambda says it")
	for _, z := range zips {
		path := filepath.Join(*out, z.function+".zip")
		if err := os.WriteFile(path, z.content, 0o666); err != nil {
			return fmt.Errorf("writing a zip: %w", err)
		}
		fmt.Fprintf(table, "%s\t%d\t%x\t%s\n", path, len(z.content), z.sum(), z.codeSHA256())
	}
	return table.Flush()
}
