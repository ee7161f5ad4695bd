// Command dispatch makes outgoing HTTP calls happen: it is the command line and the local server.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, console{in: os.Stdin, out: os.Stdout, err: os.Stderr, args: os.Args[1:]}))
}
