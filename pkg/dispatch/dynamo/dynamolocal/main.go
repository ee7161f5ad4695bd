// Command dynamolocal runs DynamoDB Local in the foreground until it is interrupted, in memory or with its data in a folder.
// It needs Java 17 and, the first time, Maven.
//
//	go run ./pkg/dispatch/dynamo/dynamolocal --port 8000
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"example.com/dispatch/pkg/dispatch/dynamo/internal/local"
)

func main() {
	port := flag.Int("port", 8000, "the port to listen on, on all addresses; 0: any that is free")
	folder := flag.String("data", "", "a folder to keep the data in (default: it is kept in memory)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *port, *folder); err != nil {
		fmt.Fprintln(os.Stderr, "dynamolocal:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, port int, folder string) error {
	server, err := local.Start(ctx, port, folder, os.Stderr)
	if err != nil {
		return err
	}
	fmt.Println("DynamoDB Local", local.Version, "at", server.Endpoint)
	context.AfterFunc(ctx, server.Close)
	if err := server.Wait(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("DynamoDB Local ended: %w", err)
	}
	return nil
}
