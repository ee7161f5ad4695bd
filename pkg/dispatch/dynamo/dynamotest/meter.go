package dynamotest

import (
	"context"
	"errors"
	"maps"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"
)

// Meter adds up what the requests of a client cost, by ReturnConsumedCapacity; transactions by formula, of which the rows
// must not be written by others meanwhile. The zero value is ready; [Meter.Count] is the option that puts it into a
// client.
type Meter struct {
	mu    sync.Mutex
	costs map[string]Cost
}

// Cost is what the requests of one operation cost, in capacity units: writes of 1 KB, or reads of 4 KB.
type Cost struct {
	Requests int     // that were answered, once each however often they were repeated
	Refused  int     // of them by their condition, transactions apart: billed as a write of the row's size, which no answer tells
	Table    float64 // units of the table
	Index    float64 // units of its indexes
}

// Units returns the units of table and indexes, and 1 for each refused write, as for rows of up to 1 KB.
func (c Cost) Units() float64 { return c.Table + c.Index + float64(c.Refused) }

// Costs returns what each operation, such as "PutItem", cost so far.
func (m *Meter) Costs() map[string]Cost {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.costs)
}

// Reset begins anew.
func (m *Meter) Reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.costs = nil
}

// Count is an option of a client.
func (m *Meter) Count(o *dynamodb.Options) {
	uncounted := dynamodb.New(o.Copy())
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("Meter", func(
			ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
		) (middleware.InitializeOutput, middleware.Metadata, error) {
			if transaction, ok := in.Parameters.(*dynamodb.TransactWriteItemsInput); ok {
				return m.transaction(ctx, uncounted, transaction, in, next)
			}
			return m.handle(ctx, in, next)
		}), middleware.After)
	})
}

func (m *Meter) transaction(ctx context.Context, uncounted *dynamodb.Client, transaction *dynamodb.TransactWriteItemsInput,
	in middleware.InitializeInput, next middleware.InitializeHandler,
) (middleware.InitializeOutput, middleware.Metadata, error) {
	before, err := entries(ctx, uncounted, transaction)
	if err != nil {
		return middleware.InitializeOutput{}, middleware.Metadata{}, err
	}
	out, meta, err := next.HandleInitialize(ctx, in)
	cancelled := (*types.TransactionCanceledException)(nil)
	if err != nil && !errors.As(err, &cancelled) {
		return out, meta, err
	}
	after, failure := entries(ctx, uncounted, transaction)
	if failure != nil {
		return out, meta, failure
	}
	m.add(ctx, Cost{Requests: 1, Table: tableUnits(transaction), Index: indexUnits(before, after)})
	return out, meta, err
}

// add adds the cost of one request.
func (m *Meter) add(ctx context.Context, c Cost) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.costs == nil {
		m.costs = make(map[string]Cost)
	}
	operation := middleware.GetOperationName(ctx)
	sum := m.costs[operation]
	sum.Requests += c.Requests
	sum.Refused += c.Refused
	sum.Table += c.Table
	sum.Index += c.Index
	m.costs[operation] = sum
}

func (m *Meter) handle(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
	middleware.InitializeOutput, middleware.Metadata, error,
) {
	ask(in.Parameters)
	out, meta, err := next.HandleInitialize(ctx, in)
	refused := (*types.ConditionalCheckFailedException)(nil)
	if err == nil || errors.As(err, &refused) {
		cost := Cost{Requests: 1}
		if refused != nil {
			cost.Refused++
		}
		for _, c := range consumed(out.Result) {
			cost.add(c)
		}
		m.add(ctx, cost)
	}
	return out, meta, err
}

func (c *Cost) add(used types.ConsumedCapacity) {
	if used.Table != nil && used.Table.CapacityUnits != nil {
		c.Table += *used.Table.CapacityUnits
	}
	for _, index := range used.GlobalSecondaryIndexes {
		if index.CapacityUnits != nil {
			c.Index += *index.CapacityUnits
		}
	}
}

func ask(parameters any) {
	switch in := parameters.(type) {
	case *dynamodb.PutItemInput:
		in.ReturnConsumedCapacity = types.ReturnConsumedCapacityIndexes
	case *dynamodb.UpdateItemInput:
		in.ReturnConsumedCapacity = types.ReturnConsumedCapacityIndexes
	case *dynamodb.DeleteItemInput:
		in.ReturnConsumedCapacity = types.ReturnConsumedCapacityIndexes
	case *dynamodb.GetItemInput:
		in.ReturnConsumedCapacity = types.ReturnConsumedCapacityIndexes
	case *dynamodb.BatchGetItemInput:
		in.ReturnConsumedCapacity = types.ReturnConsumedCapacityIndexes
	case *dynamodb.QueryInput:
		in.ReturnConsumedCapacity = types.ReturnConsumedCapacityIndexes
	case *dynamodb.ScanInput:
		in.ReturnConsumedCapacity = types.ReturnConsumedCapacityIndexes
	}
}

func consumed(result any) []types.ConsumedCapacity {
	var one *types.ConsumedCapacity
	switch out := result.(type) {
	case *dynamodb.PutItemOutput:
		one = out.ConsumedCapacity
	case *dynamodb.UpdateItemOutput:
		one = out.ConsumedCapacity
	case *dynamodb.DeleteItemOutput:
		one = out.ConsumedCapacity
	case *dynamodb.GetItemOutput:
		one = out.ConsumedCapacity
	case *dynamodb.BatchGetItemOutput:
		return out.ConsumedCapacity
	case *dynamodb.QueryOutput:
		one = out.ConsumedCapacity
	case *dynamodb.ScanOutput:
		one = out.ConsumedCapacity
	}
	if one == nil {
		return nil
	}
	return []types.ConsumedCapacity{*one}
}
