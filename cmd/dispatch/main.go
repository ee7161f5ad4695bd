// Command dispatch makes outgoing HTTP calls happen: it is the command line and the local server.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel()
		<-signals
		os.Exit(exitFailed) // a second signal ends the process at once
	}()
	os.Exit(run(ctx, console{in: os.Stdin, out: os.Stdout, err: os.Stderr, args: os.Args[1:]}))
}
