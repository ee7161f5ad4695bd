package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"example.com/dispatch/pkg/dispatch/client"
	"example.com/dispatch/pkg/dispatch/dynamo"
	"example.com/dispatch/pkg/dispatch/dynamo/dynamotest"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// scenario is a way in which tasks are put and delivered.
type scenario struct {
	name           string
	tasksPerHandle int
	batch          int  // tasks of one run of enqueue; 0: 1
	delay          int  // seconds
	refusals       int  // of each task's first attempts
	byCaller       bool // put in a transaction, by the caller
	body           int  // bytes, 0: 300
}

func scenarios() []scenario {
	return []scenario{
		{name: "due now", tasksPerHandle: 1},
		{name: "scheduled", tasksPerHandle: 1, delay: 2},
		{name: "retried once", tasksPerHandle: 1, refusals: 1},
		{name: "100 an enqueue, 10 a handle", tasksPerHandle: 10, batch: 100},
		{name: "100 an enqueue, 50 a handle", tasksPerHandle: 50, batch: 100},
		{name: "100 an enqueue, 1 a handle", tasksPerHandle: 1, batch: 100},
		{name: "put by its caller", tasksPerHandle: 1, byCaller: true},
		{name: "put by its caller, 10 a handle", tasksPerHandle: 10, byCaller: true},
		{name: "a body of 3.5 KB, due now", tasksPerHandle: 1, body: 3500},
	}
}

// job is what others would have to do.
func (s scenario) job() job {
	return job{scheduled: s.delay > 0, attempts: float64(1 + s.refusals), callTime: callTime.Seconds()}
}

// swept reports whether the tasks are found by a sweep alone, the last time.
func (s scenario) swept() bool { return s.delay > 0 || s.refusals > 0 || s.byCaller }

const (
	scenarioTime = 2 * time.Minute
	// Few processes, so that they do not wait for each other's turn at the processor: that would be billed here.
	handles  = 3
	enqueues = 1
)

// measure runs a scenario with so many tasks.
func (d *dollars) measure(ctx context.Context, s scenario, tasks int) (u usage, err error) {
	ctx, cancel := context.WithTimeout(ctx, scenarioTime)
	defer cancel()
	k, err := d.begin(ctx, fmt.Sprint("TASKS_PER_HANDLE=", s.tasksPerHandle), "PRECISION=minute")
	if err != nil {
		return usage{}, err
	}
	defer k.close()
	r, err := newReceiver(s.refusals)
	if err != nil {
		return usage{}, err
	}
	defer r.Close()
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, k.said())
		}
	}()
	transactions, err := k.put(ctx, s, r, tasks)
	if err != nil {
		return usage{}, err
	}
	calls, dueIn := 0, time.Duration(s.delay)*time.Second
	if !s.swept() || s.refusals > 0 {
		calls = tasks
		if err := k.await(ctx, r, calls); err != nil {
			return usage{}, err
		}
		dueIn = time.Second // the interval
	}
	for round := 0; s.swept() && calls < tasks*(1+s.refusals); round++ {
		select {
		case <-time.After(dueIn + 100*time.Millisecond):
		case <-ctx.Done():
			return usage{}, ctx.Err()
		}
		if _, err := k.lambda.Call(ctx, "sweep", []byte("{}")); err != nil {
			return usage{}, err
		}
		calls += tasks
		if err := k.await(ctx, r, calls); err != nil {
			return usage{}, err
		}
	}
	u, err = k.end(ctx)
	u.tasks = tasks
	u.writes += transactions
	return u, err
}

// put puts the tasks, and returns what transactions cost that are not the functions'.
func (k *stack) put(ctx context.Context, s scenario, r *receiver, tasks int) (float64, error) {
	all := make([]client.Task, tasks)
	for i := range all {
		all[i] = client.Task{
			ID: fmt.Sprintf("%08d-ceea-467f-9c6b-2d1e0a7b5c3d", i), URI: r.url(i, s.refusals), Delay: float64(s.delay),
			Body: body(max(s.body, 300)), Lifetime: 86400, Attempts: client.Attempts{Interval: 1},
		}
	}
	if s.byCaller {
		return k.commit(ctx, all)
	}
	batches := slices.Collect(slices.Chunk(all, max(s.batch, 1)))
	errs := make([]error, enqueues)
	var wg sync.WaitGroup
	for n := range enqueues {
		wg.Go(func() {
			for i := n; i < len(batches) && errs[n] == nil; i += enqueues {
				var event []byte
				if event, errs[n] = json.Marshal(map[string]any{"tasks": batches[i]}); errs[n] == nil {
					_, errs[n] = k.lambda.Call(ctx, "enqueue", event)
				}
			}
		})
	}
	wg.Wait()
	return 0, errors.Join(errs...)
}

// commit puts each task in a transaction, by formula: DynamoDB Local misreports them.
func (k *stack) commit(ctx context.Context, tasks []client.Task) (float64, error) {
	var meter dynamotest.Meter
	db := database(k.database.Endpoint, meter.Count)
	outbox := &dynamo.Outbox{Client: db, Stack: dynamo.OutboxStack{Table: k.table, AllowHTTP: true}}
	for _, task := range tasks {
		item, err := outbox.Item(ctx, task)
		if err == nil {
			_, err = db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{item}})
		}
		if err != nil {
			return 0, fmt.Errorf("committing task %s: %w", task.ID, err)
		}
	}
	return meter.Costs()["TransactWriteItems"].Units(), nil
}

// commitLater puts tasks that are due in two seconds.
func (k *stack) commitLater(ctx context.Context, r *receiver, tasks int) (float64, error) {
	all := make([]client.Task, tasks)
	for i := range all {
		all[i] = client.Task{ID: fmt.Sprint("later-", i), URI: r.url(i, 0), Delay: 2}
	}
	return k.commit(ctx, all)
}

// body is JSON of n bytes, as callers write it.
func body(n int) json.RawMessage {
	b := []byte(`{"customer":"Ada Lovelace","lines":[`)
	for i := uint64(1); len(b) < n-100; i++ {
		x := i * 0x9e3779b97f4a7c15
		b = fmt.Appendf(b, `{"id":"%016x","sku":"SKU-%06d","quantity":%d,"price":%d.%02d,"currency":"EUR"},`, x, x%1_000_000, x%9+1, x%900, x%100)
	}
	b = append(b, `{}],"paid":true}`...)
	return append(b, slices.Repeat([]byte(" "), max(0, n-len(b)))...)
}

func database(endpoint string, options ...func(*dynamodb.Options)) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		BaseEndpoint: &endpoint, Region: "us-east-1",
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "dollars", SecretAccessKey: "dollars"}, nil
		}),
	}, options...)
}
