// Command local runs dispatch on this machine as it runs on AWS: the three functions in containers under SAM, DynamoDB
// Local, and a tick every minute. Ctrl-C ends all of it.
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
	"syscall"
	"time"

	"example.com/dispatch/functions/internal/samlocal"
)

func main() {
	var o samlocal.Options
	flag.IntVar(&o.DynamoDBPort, "dynamodb-port", 8702, "port for DynamoDB Local, on all addresses")
	flag.IntVar(&o.LambdaPort, "lambda-port", 3001, "port for Lambda's API, on the address that containers call")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "local:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o samlocal.Options) error {
	for _, program := range []string{"docker", "sam", "java"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("this needs Docker, the AWS SAM CLI and Java: %w", err)
		}
	}
	root, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("finding the repository: %w", err)
	}
	o.Root, o.Work, o.Log = root, filepath.Join(root, ".cache", "local"), os.Stderr
	o.Variables = map[string]string{"PRECISION": "always"} // one sweep at a time, which looks every second
	s, err := samlocal.Start(ctx, o)
	if err != nil {
		if ctx.Err() != nil {
			return nil // Ctrl-C while starting
		}
		return err
	}
	fmt.Print(help(s, o))
	err = tick(ctx, s)
	fmt.Println("\nstopping")
	return errors.Join(err, s.Close())
}

// tick sweeps at each minute until the context ends. It waits for each sweep, because a container runs one at a time:
// a tick that comes meanwhile is left out.
func tick(ctx context.Context, s *samlocal.System) error {
	event, err := os.ReadFile(filepath.Join("events", "tick.json"))
	if err != nil {
		return fmt.Errorf("reading the tick: %w", err)
	}
	ended := s.Ended()
	ticks := time.NewTicker(time.Minute)
	defer ticks.Stop()
	for {
		if _, err := s.Invoke(ctx, samlocal.Sweep, event); err != nil && ctx.Err() == nil {
			fmt.Fprintln(os.Stderr, "local:", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ended:
			return errors.New("DynamoDB Local or Lambda's API has ended; see above")
		case <-ticks.C:
		}
	}
}

func help(s *samlocal.System, o samlocal.Options) string {
	return fmt.Sprintf(`
Running. Ctrl-C stops it; the table is in memory and goes with it.

  a receiver   go run ./cmd/dispatch receive --listen %[1]s:8701 --origin http://%[2]s:8701 --jwks %[3]s
  enqueue      aws lambda invoke --endpoint-url %[4]s --function-name %[5]s \
                 --payload fileb://events/call-record.json /dev/stdout
  see tasks    AWS_ENDPOINT_URL=%[6]s go run ./cmd/dispatch list --store dynamodb:%[7]s

The AWS CLI wants AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; any values do.

`, s.Address, samlocal.Host, filepath.Join(".cache", "local", samlocal.KeysFile), s.Lambda(), samlocal.Enqueue, s.DynamoDB(), samlocal.Table)
}
