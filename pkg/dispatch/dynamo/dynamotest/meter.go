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

// Meter adds up what the requests of a client cost, by ReturnConsumedCapacity. The zero value is ready; [Meter.Count]
// is the option that puts it into a client.
type Meter struct {
	mu    sync.Mutex
	costs map[string]Cost
}

// Cost is what the requests of one operation cost, in capacity units: writes of 1 KB, or reads of 4 KB.
type Cost struct {
	Requests int     // that were answered, once each however often they were repeated
	Refused  int     // of them by their condition: billed as a write of the row's size, which no answer tells
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
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("Meter", m.handle), middleware.After)
	})
}

func (m *Meter) handle(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
	middleware.InitializeOutput, middleware.Metadata, error,
) {
	ask(in.Parameters)
	out, meta, err := next.HandleInitialize(ctx, in)
	refused := (*types.ConditionalCheckFailedException)(nil)
	if err == nil || errors.As(err, &refused) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.costs == nil {
			m.costs = make(map[string]Cost)
		}
		operation := middleware.GetOperationName(ctx)
		cost := m.costs[operation]
		cost.Requests++
		if refused != nil {
			cost.Refused++
		}
		for _, c := range consumed(out.Result) {
			cost.add(c)
		}
		m.costs[operation] = cost
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
