package dynamo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Outbox makes tasks into items of a caller's own transactions: its own rows and the task are committed together, or
// none of them is. Nobody is told of such a task, so the next sweep finds it, up to a minute after it is due. The caller
// needs the permissions of the stack's PutTaskPolicy, with which it could overwrite every task. It is safe for concurrent
// use and must not be copied.
type Outbox struct {
	Client    *dynamodb.Client
	Stack     OutboxStack
	CheckRule func(rule string) error // Check of package rule; nil: tasks may have no rule
	Now       func() time.Time        // nil: time.Now

	begin sync.Once
	verb  *dispatch.Enqueue
}

// OutboxStack is what an outbox must know of the deployment. Its JSON is the stack's output OutboxStack.
type OutboxStack struct {
	Table         string `json:"table"`         // name or ARN
	RetentionDays int    `json:"retentionDays"` // 0: 7
	CanSign       bool   `json:"canSign"`       // there is a signing key: tasks may have claims
	AllowHTTP     bool   `json:"allowHTTP"`     // networks are allowed: tasks may go to plain http

	Functions           bool   `json:"functions"`                     // tasks may go to Lambda functions
	StateMachines       bool   `json:"stateMachines"`                 // tasks may go to state machines
	HeaderSecretsPrefix string `json:"headerSecretsPrefix,omitempty"` // headers may be secrets whose names begin so; "" for none

	FormatVersion int `json:"formatVersion,omitempty"` // the newest of rows that its functions know; 0: older than 4

	Own []string `json:"own"` // names of dispatch's own functions, which no task may go to
}

const (
	// outboxAge is how late an outbox may learn of new settings.
	outboxAge = time.Minute
	// outboxTime bounds the reading of the settings.
	outboxTime = 10 * time.Second
)

// Item returns the item that puts a task: a client.Task, or anything else that encoding/json writes as one. It is
// validated, gets its defaults, and is due, as if it were enqueued now: make the item anew for each transaction. The
// settings are read from the table, at most once a minute. The error is a [*dispatch.InvalidInput] for a task with
// faults. It must have an id, and neither a group nor an onConflict but keep: such a task goes through enqueue.
//
// A transaction whose task is there already is cancelled, and nothing of it written, also where the task is the same: see
// [AlreadyThere].
func (o *Outbox) Item(ctx context.Context, task any) (types.TransactWriteItem, error) {
	o.begin.Do(o.prepare)
	ctx, cancel := context.WithTimeout(ctx, outboxTime)
	defer cancel()
	var input bytes.Buffer
	e := json.NewEncoder(&input)
	e.SetEscapeHTML(false) // the body is sent as it was given
	if err := e.Encode(task); err != nil {
		return types.TransactWriteItem{}, fmt.Errorf("encoding a task: %w", err)
	}
	t, err := o.verb.Prepare(ctx, input.Bytes())
	if err != nil {
		return types.TransactWriteItem{}, err
	}
	item, err := o.newRow(t)
	if err != nil {
		return types.TransactWriteItem{}, fmt.Errorf("making the row of task %q: %w", t.ID, err)
	}
	return types.TransactWriteItem{Put: &types.Put{
		TableName:                           &o.Stack.Table,
		Item:                                item,
		ConditionExpression:                 aws.String(absent),
		ExpressionAttributeNames:            aliases("id", "ttl"),
		ExpressionAttributeValues:           row{":now": number(o.verb.Now().Unix())},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}}, nil
}

// newRow compresses only what the stack's functions read: the caller may be built from newer code than they are.
func (o *Outbox) newRow(t dispatch.Task) (row, error) {
	var p *packer
	if o.Stack.FormatVersion >= packedVersion {
		p = new(packer)
	}
	return newRow(t, p)
}

func (o *Outbox) prepare() {
	now := o.Now
	if now == nil {
		now = time.Now
	}
	retention := time.Duration(o.Stack.RetentionDays) * 24 * time.Hour
	if retention == 0 {
		retention = dispatch.DefaultRetention
	}
	store := Store{Client: o.Client, Table: o.Stack.Table}
	o.verb = &dispatch.Enqueue{
		Store: store, Settings: dispatch.CachedSettings(store, now, outboxAge), Retention: retention,
		AllowHTTP: o.Stack.AllowHTTP, CanSign: o.Stack.CanSign, CheckRule: o.CheckRule, Now: now,
		CheckSecret: dispatch.SecretsUnder(o.Stack.HeaderSecretsPrefix),
		CheckARN:    dispatch.AllowedARNs{Functions: o.Stack.Functions, StateMachines: o.Stack.StateMachines, Own: o.Stack.Own}.Check,
	}
}

// AlreadyThere reports whether a transaction was cancelled because a task of the id is there already. index is that of
// the task's item, made by [Outbox.Item], among the transaction's. stored is the task that is there, and same says that
// it was asked for with the same content: then an earlier transaction has committed it, with everything else in it.
func AlreadyThere(err error, items []types.TransactWriteItem, index int) (stored dispatch.Task, same, ok bool) {
	var cancelled *types.TransactionCanceledException
	if !errors.As(err, &cancelled) || index >= len(items) || index >= len(cancelled.CancellationReasons) {
		return dispatch.Task{}, false, false
	}
	reason, put := cancelled.CancellationReasons[index], items[index].Put
	if aws.ToString(reason.Code) != "ConditionalCheckFailed" || put == nil {
		return dispatch.Task{}, false, false
	}
	stored, err = decode(reason.Item)
	if err != nil {
		return dispatch.Task{}, false, false
	}
	asked := decoder{row: put.Item}
	return stored, bytes.Equal(stored.Hash, asked.bytes("hash")), true
}
