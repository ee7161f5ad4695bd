package table_test

import (
	"context"
	"testing"

	"example.com/dispatch/internal/simulate/table"
	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/dynamo"
	"example.com/dispatch/pkg/dispatch/storetest"
)

// TestContract runs the stores' contract against the store in DynamoDB over the model: what holds of the real table must
// hold of this one.
func TestContract(t *testing.T) {
	for name, page := range map[string]int{"whole pages": 0, "small pages": 400} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(*testing.T) dispatch.Store {
				model := &table.Table{Page: page}
				return dynamo.Store{Table: "tasks", Chance: func() float64 { return 0 }, Client: table.Client(func(ctx context.Context, in any) (any, error) {
					out, _, err := model.Do(in)
					return out, err
				})}
			})
		})
	}
}
