package dynamo_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/client"
	"example.com/dispatch/pkg/dispatch/dynamo"
	"example.com/dispatch/pkg/dispatch/dynamo/dynamotest"
	"example.com/dispatch/pkg/dispatch/rule"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// rig is an outbox with the table of tasks, and a table of its caller's.
type rig struct {
	*dynamo.Outbox
	t      *testing.T
	client *dynamodb.Client
	store  dynamo.Store
	orders string
	meter  dynamotest.Meter
	now    time.Time
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, now: now, orders: server.Table(t)}
	r.client = server.Client(t, nil, r.meter.Count)
	r.store = dynamo.Store{Client: r.client, Table: server.Table(t)}
	r.Outbox = &dynamo.Outbox{
		Client: r.client, Stack: dynamo.OutboxStack{Table: r.store.Table, CanSign: true}, CheckRule: rule.Check,
		Now: func() time.Time { return r.now },
	}
	return r
}

// order puts a row of the caller's own, once.
func (r *rig) order(id string) types.TransactWriteItem {
	return types.TransactWriteItem{Put: &types.Put{
		TableName: &r.orders, Item: map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: id}},
		ConditionExpression: aws.String("attribute_not_exists(id)"),
	}}
}

func (r *rig) item(task client.Task) types.TransactWriteItem {
	r.t.Helper()
	item, err := r.Item(r.t.Context(), task)
	if err != nil {
		r.t.Fatal(err)
	}
	return item
}

func (r *rig) commit(items ...types.TransactWriteItem) error {
	_, err := r.client.TransactWriteItems(r.t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: items})
	return err
}

func (r *rig) orderIsThere(id string) bool {
	r.t.Helper()
	out, err := r.client.GetItem(r.t.Context(), &dynamodb.GetItemInput{
		TableName: &r.orders, Key: map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: id}},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return out.Item != nil
}

// swept returns the ids that a sweep hands over.
func (r *rig) swept() []string {
	r.t.Helper()
	var ids []string
	sweep := dispatch.Sweep{
		Store: r.store, Settings: dispatch.CachedSettings(r.store, r.Now, 0), Precision: dispatch.PrecisionMinute, TasksPerHandle: 1, Limit: 100, Parallel: 1,
		Now: r.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Invoke: func(_ context.Context, hints []dispatch.Hint) error {
			for _, h := range hints {
				ids = append(ids, h.ID)
			}
			return nil
		},
	}
	if _, err := sweep.Run(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	return ids
}

const uri = "https://example.com/"

// TestOutbox commits a row of the caller's and a task, which the next sweep then finds.
func TestOutbox(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	task := client.Task{ID: "order-1", URI: uri, Body: "<paid>", Lifetime: 3600, Identifier: "i", When: "attempt < 3"}
	items := []types.TransactWriteItem{r.order("order-1"), r.item(task)}
	if ids := r.swept(); ids != nil {
		t.Fatalf("swept %v before the commit", ids)
	}
	if err := r.commit(items...); err != nil {
		t.Fatal(err)
	}
	if !r.orderIsThere("order-1") {
		t.Error("the caller's row is not there")
	}
	if ids := r.swept(); !reflect.DeepEqual(ids, []string{"order-1"}) {
		t.Errorf("swept %v", ids)
	}

	// It is the row that enqueue makes.
	other := dynamo.Store{Client: r.client, Table: server.Table(t)}
	verb := dispatch.Enqueue{
		Store: other, Settings: dispatch.CachedSettings(other, r.Now, 0), Retention: dispatch.DefaultRetention, CheckRule: rule.Check, Now: r.Now,
	}
	input := `{"id":"order-1","uri":"https://example.com/","body":"<paid>","lifetime":3600,"identifier":"i","when":"attempt < 3"}`
	if _, err := verb.Run(t.Context(), []byte(input), nil); err != nil {
		t.Fatal(err)
	}
	got, want := r.store.Get(t.Context(), []string{"order-1"})[0], other.Get(t.Context(), []string{"order-1"})[0]
	if got.Err != nil || want.Err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("row %+v\nenqueue puts %+v", got, want)
	}
}

// TestOutboxRefused commits nothing of a transaction any item of which is refused, and tells which was.
func TestOutboxRefused(t *testing.T) {
	t.Parallel()
	task := client.Task{ID: "a", URI: uri, Lifetime: 60}
	for _, c := range []struct {
		name       string
		before     bool // the task is there already
		taken      bool // the caller's own row is
		task       client.Task
		after      time.Duration
		there      bool
		same, fine bool
	}{
		{name: "neither there", task: task, fine: true},
		{name: "the same task", before: true, task: task, there: true, same: true},
		{name: "the same task, later", before: true, task: task, after: time.Hour, there: true, same: true},
		{name: "another task of its id", before: true, task: client.Task{ID: "a", URI: uri + "other"}, there: true},
		{name: "the caller's own row", taken: true, task: task},
		{name: "a task that counts as gone", before: true, task: task, after: 9 * 24 * time.Hour, fine: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			if c.before {
				if err := r.commit(r.item(task)); err != nil {
					t.Fatal(err)
				}
			}
			if c.taken {
				if err := r.commit(r.order("own")); err != nil {
					t.Fatal(err)
				}
			}
			r.now = r.now.Add(c.after)
			items := []types.TransactWriteItem{r.order("own"), r.item(c.task)}
			err := r.commit(items...)
			if (err == nil) != c.fine {
				t.Fatalf("commit: %v", err)
			}
			if r.orderIsThere("own") != (c.fine || c.taken) {
				t.Errorf("the caller's row is there: %t", r.orderIsThere("own"))
			}
			stored, same, ok := dynamo.AlreadyThere(err, items, 1)
			if ok != c.there || same != c.same || ok && (stored.ID != "a" || stored.State != dispatch.Scheduled) {
				t.Errorf("there %t, same %t: %+v", ok, same, stored)
			}
			if _, _, ok := dynamo.AlreadyThere(err, items, 0); ok && !c.taken {
				t.Error("the caller's row taken for the refused one")
			}
			if _, _, ok := dynamo.AlreadyThere(err, items, 2); ok {
				t.Error("an item that is not there taken for the refused one")
			}
		})
	}
}

// TestOutboxWrites counts what a task in its caller's transaction costs; a plain put costs 2.
func TestOutboxWrites(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	item := r.item(client.Task{ID: "a", URI: uri})
	r.meter.Reset()
	if err := r.commit(item); err != nil {
		t.Fatal(err)
	}
	task := r.store.Get(t.Context(), []string{"a"})[0].Task
	claim(t, r.store, &task)
	deliver(t, r.store, &task)
	costs := r.meter.Costs()
	if put, rest := costs[transact].Units(), costs["UpdateItem"].Units(); put != 3 || rest != 1+2 {
		t.Errorf("%v and %v writes, want 3 and 3", put, rest)
	}
	t.Logf("%-32s %v = %v writes", "put by its caller", []float64{3, 1, 2}, 6)
}

// TestOutboxSettings reads the settings once a minute, and makes rows as they have them.
func TestOutboxSettings(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	task := client.Task{ID: "a", URI: uri, Queue: "bulk"}
	var invalid *dispatch.InvalidInput
	if _, err := r.Item(t.Context(), task); !errors.As(err, &invalid) || invalid.Faults[0].Pointer != "#/queue" {
		t.Fatalf("error %v, want a fault of the queue", err)
	}
	settings := dispatch.Settings{Queues: map[string]dispatch.QueueSettings{"default": {Lanes: 1}, "bulk": {Lanes: 50, Defaults: dispatch.Defaults{HTTPTimeout: 9}}}}
	if _, err := dispatch.SaveSettings(t.Context(), r.store, settings); err != nil {
		t.Fatal(err)
	}
	r.meter.Reset()
	r.now = r.now.Add(time.Minute - time.Second)
	if _, err := r.Item(t.Context(), task); !errors.As(err, &invalid) {
		t.Fatalf("error %v, want that of the settings of a minute ago", err)
	}
	r.now = r.now.Add(time.Second)
	if err := r.commit(r.item(task)); err != nil {
		t.Fatal(err)
	}
	if n := r.meter.Costs()["GetItem"].Requests; n != 1 {
		t.Errorf("%d readings of the settings in two minutes, want 1", n)
	}
	stored := r.store.Get(t.Context(), []string{"a"})[0].Task
	if stored.Lane != dispatch.Lane("bulk", "a", 50) || stored.Timeout != 9*time.Second {
		t.Errorf("stored %+v", stored)
	}
	if ids := r.swept(); !reflect.DeepEqual(ids, []string{"a"}) {
		t.Errorf("swept %v", ids)
	}
}

// TestOutboxFaults says what cannot go into a transaction.
func TestOutboxFaults(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for want, task := range map[string]any{
		"#/group":      client.Task{ID: "a", URI: uri, Group: "g"},
		"#/id":         client.Task{URI: uri},
		"#/onConflict": client.Task{ID: "a", URI: uri, OnConflict: client.Replace},
		"#/uri":        client.Task{ID: "a", URI: "http://10.1.2.3/"},
		"#":            []client.Task{{ID: "a", URI: uri}},
	} {
		_, err := r.Item(t.Context(), task)
		if invalid, ok := errors.AsType[*dispatch.InvalidInput](err); !ok || len(invalid.Faults) != 1 || invalid.Faults[0].Pointer != want {
			t.Errorf("error %v, want a fault of %s", err, want)
		}
	}
	r.Outbox = &dynamo.Outbox{Client: r.client, Stack: dynamo.OutboxStack{Table: r.store.Table, Functions: true, Own: []string{"dispatch-handle"}}}
	for name, want := range map[string]string{
		"lambda:eu-west-1:123456789012:function:bill":            "",
		"lambda:eu-west-1:123456789012:function:dispatch-handle": "#/uri: is one of dispatch's own functions",
		"states:eu-west-1:123456789012:stateMachine:bill":        "#/uri: state machines are not called here",
	} {
		_, err := r.Item(t.Context(), client.Task{ID: "a", URI: "arn:aws:" + name})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", name, err, want)
		}
	}
	if _, err := r.Item(t.Context(), func() {}); err == nil {
		t.Error("a function is no task")
	}
	r.Outbox = &dynamo.Outbox{Client: r.client, Stack: dynamo.OutboxStack{Table: "absent"}}
	if _, err := r.Item(t.Context(), client.Task{ID: "a", URI: uri}); err == nil {
		t.Error("no settings, and no error")
	}
}
