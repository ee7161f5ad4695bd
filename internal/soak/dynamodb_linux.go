package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"example.com/dispatch/internal/lambdaapi"
	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/dynamo"
	"example.com/dispatch/pkg/dispatch/dynamo/dynamotest"
	"example.com/dispatch/pkg/dispatch/signature"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

const (
	soakTable       = "soak"
	cloudProducers  = 6
	handleProcesses = 8 // each has one invocation at a time
	enqueueing      = 6
	sweeping        = 2
	// tickEvery is shorter than a minute, so that a lapse is met sooner.
	tickEvery = 5 * time.Second
	// cloudEnd is what is left to end everything: leases of 30 s and more, one after the other for members of a group.
	cloudEnd = 6 * time.Minute
	longHalt = 6 * time.Second
	longCalm = 3 * time.Second
)

// cloud is the three functions, as processes, with DynamoDB Local behind a proxy.
type cloud struct {
	chance   *rand.Rand
	log      *os.File
	lambda   *lambdaapi.Server
	database *database
	proxy    *proxy
	receiver *receiver
	programs map[string]string // by function
	key      string
	store    dynamo.Store // not through the proxy

	mu      sync.Mutex
	running map[string][]*lambdaapi.Process // by function
	killed  map[string]bool
	started int
	faults  map[string]int
	atWork  int // functions that were killed with a call or an invocation
}

func onDynamoDB(ctx context.Context, o options) (r *report, err error) {
	r = &report{title: fmt.Sprintf("The functions on DynamoDB Local, %d faults (seed %d)", o.cycles, o.seed)}
	log, err := os.Create(filepath.Join(o.folder, "log"))
	if err != nil {
		return r, fmt.Errorf("making the log: %w", err)
	}
	defer log.Close()
	c := &cloud{chance: rand.New(rand.NewPCG(o.seed, 0)), log: log, lambda: lambdaapi.New(mostWaiting), receiver: newReceiver(),
		programs: map[string]string{}, running: map[string][]*lambdaapi.Process{}, killed: map[string]bool{}, faults: map[string]int{}}
	defer c.receiver.Close()
	defer c.lambda.CloseClientConnections()
	l := &load{receiver: c.receiver.URL, pause: 20 * time.Millisecond, seed: o.seed}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := c.begin(ctx, o, l); err != nil {
		return r, err
	}
	ticking, stopTicks := context.WithCancel(ctx)
	defer stopTicks()
	go c.tick(ticking)
	loading, stop := context.WithCancel(ctx)
	produced := make(chan struct{})
	go func() { l.run(loading, cloudProducers); close(produced) }()
	defer func() { stop(); <-produced }()
	for i := range o.cycles {
		if err := c.cycle(ctx); err != nil {
			return r, fmt.Errorf("fault %d: %w", i, err)
		}
	}
	stop()
	<-produced
	rows, err := awaitEnd(ctx, stored(c.store), cloudEnd)
	if err != nil {
		r.violate("%v", err)
	}
	for _, f := range c.possible() {
		r.add(f.name, c.faults[f.name])
	}
	r.add("of the functions killed, at work", c.atWork)
	r.add("connections cut", c.proxy.cut.Load())
	r.add("messages truncated", c.proxy.truncated.Load())
	r.add("messages delayed", c.proxy.delayed.Load())
	r.add("messages that came after their request was given up", c.proxy.late.Load())
	r.add("requests refused or unanswered", l.refused)
	for _, err := range l.wrong {
		r.violate("%v", err)
	}
	evidence{asked: l.asked, calls: c.receiver.calls(), rows: rows, killed: c.killed}.check(r)
	return r, ctx.Err()
}

// begin starts everything.
func (c *cloud) begin(ctx context.Context, o options, l *load) (err error) {
	for _, name := range []string{"enqueue", "sweep", "handle"} {
		if c.programs[name], err = build(ctx, o.folder, "example.com/dispatch/functions/"+name, "-tags=lambda.norpc"); err != nil {
			return err
		}
	}
	key, err := signature.NewKey()
	if err != nil {
		return err
	}
	text, err := key.PEM()
	if err != nil {
		return err
	}
	c.key = string(text)
	if c.database, err = startDatabase(ctx, o.folder, c.log); err != nil {
		return err
	}
	if c.proxy, err = newProxy(c.database.address(), o.seed); err != nil {
		return err
	}
	c.store = dynamo.Store{Client: client("http://" + c.database.address()), Table: soakTable}
	if err := dynamotest.CreateTable(ctx, c.store.Client, soakTable); err != nil {
		return err
	}
	if err := c.store.Save(ctx, dispatch.Document{Name: dispatch.SettingsName, Version: 1, Body: []byte(l.settings())}); err != nil {
		return fmt.Errorf("saving the settings: %w", err)
	}
	l.door = &functionDoor{c.lambda, &dispatch.Editor{
		Store:    dynamo.Store{Client: client(c.proxy.url()), Table: soakTable},
		Settings: dispatch.CachedSettings(c.store, time.Now, time.Minute), Retention: dispatch.DefaultRetention, Now: time.Now,
	}}
	for name, n := range map[string]int{"enqueue": enqueueing, "sweep": sweeping, "handle": handleProcesses} {
		for range n {
			if err := c.start(name); err != nil {
				return err
			}
		}
	}
	return nil
}

func client(endpoint string) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		BaseEndpoint: &endpoint, Region: "eu-west-1",
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "soak", SecretAccessKey: "soak"}, nil
		}),
		HTTPClient: &http.Client{Timeout: answerTime},
	})
}

// start starts one more process of a function.
func (c *cloud) start(function string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.started++
	name := fmt.Sprintf("%s-%d", function, c.started)
	p, err := c.lambda.Start(c.log, c.programs[function], function, name,
		"TABLE="+soakTable, "STACK=soak", "HANDLE_FUNCTION=handle", "SWEEP_FUNCTION=sweep", "SIGN=true", "SIGNING_KEY="+c.key, "ISSUER="+name,
		"ALLOWED_NETWORKS=127.0.0.0/8", "AWS_ENDPOINT_URL_DYNAMODB="+c.proxy.url())
	if err != nil {
		return err
	}
	c.running[function] = append(c.running[function], p)
	return nil
}

// close ends everything.
func (c *cloud) close() error {
	var errs []error
	for _, all := range c.running {
		for _, p := range all {
			errs = append(errs, p.Kill())
		}
	}
	if c.proxy != nil {
		errs = append(errs, c.proxy.listener.Close())
	}
	if c.database != nil && c.database.cmd != nil {
		errs = append(errs, c.database.kill())
	}
	return errors.Join(errs...)
}

// tick invokes the sweep, as the rule does.
func (c *cloud) tick(ctx context.Context) {
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if c.lambda.Waiting("sweep") == 0 { // nobody is busy with earlier ones alone
				c.lambda.Event("sweep", []byte("{}"))
			}
		case <-ctx.Done():
			return
		}
	}
}

// fault is something that is done to the system, and is over when do returns.
type fault struct {
	name string
	do   func(context.Context) error
}

func (c *cloud) possible() []fault {
	return []fault{
		{"times the database was stopped and went on", c.halts},
		{"times it was killed, and started again on its data", c.dies},
		{"times of bad weather between", c.storm},
		{"handles killed", c.killHandle},
		{"other functions killed", c.killOther},
	}
}

// cycle is a fault, and a while without.
func (c *cloud) cycle(ctx context.Context) error {
	all := c.possible()
	f := all[c.chance.IntN(len(all))]
	c.faults[f.name]++
	if err := f.do(ctx); err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	return c.pass(ctx, longCalm)
}

// pass lets some time pass, up to most.
func (c *cloud) pass(ctx context.Context, most time.Duration) error {
	select {
	case <-time.After(time.Duration(c.chance.Int64N(int64(most)))):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *cloud) halts(ctx context.Context) error {
	if err := c.database.halt(); err != nil {
		return err
	}
	return errors.Join(c.pass(ctx, longHalt), c.database.resume())
}

func (c *cloud) dies(ctx context.Context) error {
	if err := c.database.kill(); err != nil {
		return err
	}
	if err := c.pass(ctx, time.Second); err != nil {
		return err
	}
	return c.database.start(ctx)
}

func (c *cloud) storm(ctx context.Context) error {
	c.proxy.bad.Store(true)
	defer c.proxy.bad.Store(false)
	return c.pass(ctx, longHalt)
}

// killHandle kills a handle while the receiver has a call of it, if there soon is any.
func (c *cloud) killHandle(ctx context.Context) error {
	for range 250 {
		if senders := c.receiver.senders(); len(senders) > 0 {
			return c.replace("handle", senders)
		}
		if err := c.pass(ctx, 40*time.Millisecond); err != nil {
			return err
		}
	}
	return c.replace("handle", nil)
}

func (c *cloud) killOther(ctx context.Context) error {
	if err := c.pass(ctx, 300*time.Millisecond); err != nil {
		return err
	}
	name := []string{"enqueue", "sweep"}[c.chance.IntN(2)]
	return c.replace(name, c.lambda.Busy(name))
}

// replace kills a process of a function, one of those named if any is left, and starts another.
func (c *cloud) replace(function string, named []string) error {
	c.mu.Lock()
	all := c.running[function]
	n := c.chance.IntN(len(all))
	if at := slices.IndexFunc(all, func(p *lambdaapi.Process) bool { return slices.Contains(named, p.Name) }); at >= 0 {
		n = at
		c.atWork++
	}
	one := all[n]
	c.killed[one.Name] = true
	c.running[function] = slices.Delete(slices.Clone(all), n, n+1)
	c.mu.Unlock()
	return errors.Join(one.Kill(), c.start(function))
}

// functionDoor enqueues by invoking the function, and cancels as the command line does.
type functionDoor struct {
	lambda *lambdaapi.Server
	editor *dispatch.Editor
}

// mostWaiting invocations of a function wait; more are throttled.
const mostWaiting = 500

const functionAnswer = 40 * time.Second // more than enqueue has

func (d *functionDoor) enqueue(ctx context.Context, task map[string]any) (r dispatch.Receipt, err error) {
	ctx, cancel := context.WithTimeout(ctx, functionAnswer)
	defer cancel()
	event, err := json.Marshal(task)
	if err != nil {
		return r, err
	}
	payload, err := d.lambda.Call(ctx, "enqueue", event)
	if failed, ok := errors.AsType[*lambdaapi.Error](err); ok && (failed.Type == "InvalidInput" || failed.Type == "Conflict") {
		return r, fmt.Errorf("%w: %w", errWrong, err)
	}
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(payload, &r); err != nil || r.ID != task["id"] {
		return r, fmt.Errorf("%w: %s", errWrong, payload)
	}
	return r, nil
}

func (d *functionDoor) cancel(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, functionAnswer)
	defer cancel()
	_, err := d.editor.Cancel(ctx, id)
	if _, ended := errors.AsType[*dispatch.StateError](err); ended || errors.Is(err, dispatch.ErrLeased) {
		return errNotNow
	}
	return err
}
