package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"sync"
	"time"

	"example.com/dispatch/internal/lambdaapi"
	"example.com/dispatch/pkg/dispatch/dynamo/dynamotest"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// memories are the functions' in MB, and alarms how many there are, as in template.yaml.
func memories() map[string]float64 {
	return map[string]float64{"enqueue": 512, "sweep": 512, "handle": 256}
}

const alarms = 8

// wholeCore is the memory in MB at which a function has a whole processor core; with less it has that share of one.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
const wholeCore = 1769

// What Lambda itself logs of each invocation, in its JSON format at the level INFO, and what CloudWatch adds to each line.
// https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html
const (
	startLine  = `{"time":"2026-11-21T23:28:47.123Z","type":"platform.start","record":{"requestId":"79b4f56e-95b1-4643-9700-2807f4e68189","version":"$LATEST"}}`
	reportLine = `{"time":"2026-11-21T23:28:47.197Z","type":"platform.report","record":{"requestId":"79b4f56e-95b1-4643-9700-2807f4e68189","metrics":{"durationMs":73.405,"billedDurationMs":74,"memorySizeMB":256,"maxMemoryUsedMB":38},"status":"success"}}`
	lineExtra  = 26
)

// itemExtra is what DynamoDB bills of each row's storage besides what is in it, in bytes.
const itemExtra = 100

// stack is the functions, as processes, with a table of their own.
type stack struct {
	*dollars
	table    string
	lambda   *lambdaapi.Server
	capacity *capacity
	running  []*function
}

// function is a process of one, and what it writes.
type function struct {
	name    string
	process *lambdaapi.Process
	log     log
}

// log gathers what a process writes.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements [io.Writer].
func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// mostWaiting is more invocations of a function than ever wait.
const mostWaiting = 100_000

// begin starts a stack; the variables are added to its functions' environment.
func (d *dollars) begin(ctx context.Context, variables ...string) (*stack, error) {
	d.mu.Lock()
	d.stacks++
	k := &stack{dollars: d, table: fmt.Sprintf("dollars-%d", d.stacks), lambda: lambdaapi.New(mostWaiting), capacity: newCapacity(d.database.Endpoint)}
	d.mu.Unlock()
	if err := dynamotest.CreateTable(ctx, database(d.database.Endpoint), k.table); err != nil {
		return nil, errors.Join(err, k.close())
	}
	for name, n := range map[string]int{"enqueue": enqueues, "sweep": 1, "handle": handles} {
		for range n {
			f := &function{name: name}
			var err error
			f.process, err = k.lambda.Start(&f.log, d.programs[name], name, fmt.Sprint(name, "-", len(k.running)), append([]string{
				"TABLE=" + k.table, "STACK=dollars", "HANDLE_FUNCTION=handle", "SWEEP_FUNCTION=sweep",
				"ALLOWED_NETWORKS=127.0.0.0/8", "AWS_ENDPOINT_URL_DYNAMODB=" + k.capacity.URL,
			}, variables...)...)
			if err != nil {
				return nil, errors.Join(err, k.close())
			}
			k.running = append(k.running, f)
		}
	}
	return k, nil
}

// said is the end of what the functions logged.
func (k *stack) said() string {
	var b strings.Builder
	for _, f := range k.running {
		log := f.log.String()
		fmt.Fprintf(&b, "%s: %s\n", f.name, log[max(0, len(log)-500):])
	}
	return b.String()
}

// await waits until the receiver has had so many calls, and nothing runs any more.
func (k *stack) await(ctx context.Context, r *receiver, calls int) error {
	for r.calls.Load() < int64(calls) || !k.lambda.Idle() {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			_, failures := k.lambda.Billed()
			return fmt.Errorf("%d of %d calls came, failures %v: %w", r.calls.Load(), calls, failures, ctx.Err())
		}
	}
	if n := r.calls.Load(); n > int64(calls) {
		return fmt.Errorf("%d calls came instead of %d", n, calls)
	}
	return nil
}

// end ends the stack and returns what it used.
func (k *stack) end(ctx context.Context) (usage, error) {
	u := usage{writes: k.capacity.writes, reads: k.capacity.reads, requests: k.capacity.requests, functions: map[string]work{}}
	billed, failures := k.lambda.Billed()
	for name, b := range billed {
		if b.Invocations == 0 {
			continue
		}
		u.functions[name] = work{invocations: b.Invocations, gbSeconds: b.Wall.Seconds() * memories()[name] / 1024}
		u.logged += float64(b.Invocations * (len(startLine) + len(reportLine) + 2*lineExtra))
	}
	for _, f := range k.running {
		if err := f.process.Kill(); err != nil {
			return u, err
		}
		processor := f.process.CPU()
		u.processor += processor
		w, used := u.functions[f.name]
		if !used {
			continue
		}
		// What it computed here at full speed takes longer with its share of a core.
		w.gbSeconds += processor.Seconds() * (wholeCore/memories()[f.name] - 1) * memories()[f.name] / 1024
		u.functions[f.name] = w
		log := f.log.String()
		u.logged += float64(len(log) + strings.Count(log, "\n")*lineExtra)
	}
	k.running = nil
	if k.capacity.refused > 0 {
		fmt.Fprintf(os.Stderr, "%d writes were refused and counted: this machine is too busy, and requests were repeated\n", k.capacity.refused)
	}
	if len(failures) > 0 || len(k.capacity.uncounted) > 0 {
		return u, fmt.Errorf("failed: %v, not counted: %v", failures, k.capacity.uncounted)
	}
	var err error
	u.stored, err = k.stored(ctx)
	return u, err
}

// stored is the size of the table's rows: what a scan consumes, which is billed by it.
func (k *stack) stored(ctx context.Context) (float64, error) {
	db, bytes := database(k.database.Endpoint), 0.0
	pages := dynamodb.NewScanPaginator(db, &dynamodb.ScanInput{
		TableName: &k.table, ConsistentRead: aws.Bool(true), ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return 0, fmt.Errorf("scanning: %w", err)
		}
		bytes += aws.ToFloat64(page.ConsumedCapacity.CapacityUnits)*4096 + float64(page.Count*itemExtra)
	}
	return math.Round(bytes), nil
}

// close ends what still runs.
func (k *stack) close() error {
	var errs []error
	for _, f := range k.running {
		errs = append(errs, f.process.Kill())
	}
	k.running = nil
	k.lambda.CloseClientConnections()
	k.capacity.CloseClientConnections()
	return errors.Join(errs...)
}
