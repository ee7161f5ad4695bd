package dynamotest

import (
	"context"

	"example.com/dispatch/pkg/dispatch/dynamo/internal/local"
)

// Database is a DynamoDB Local in memory, for programs that measure.
type Database struct {
	Endpoint string

	server *local.Server
}

// StartDatabase starts one on a free port. It runs until Close or the death of this process.
func StartDatabase(ctx context.Context) (*Database, error) {
	server, err := local.Start(ctx, 0, "", nil)
	if err != nil {
		return nil, err
	}
	return &Database{server.Endpoint, server}, nil
}

// Close ends it.
func (d *Database) Close() { d.server.Close() }
