package cloud

import (
	"context"

	"example.com/dispatch/internal/simulate/table"
	"example.com/dispatch/pkg/dispatch/dynamo"
)

// NewTable returns what performs requests on a new, empty table.
func NewTable() func(in any) (any, error) {
	model := &table.Table{}
	return func(in any) (any, error) {
		out, _, err := model.Do(in)
		return out, err
	}
}

// Store is the store in that table, without a network between.
func Store(do func(in any) (any, error)) dynamo.Store {
	return dynamo.Store{Table: "bench", Client: table.Client(func(_ context.Context, in any) (any, error) { return do(in) })}
}
