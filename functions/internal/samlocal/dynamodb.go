package samlocal

import (
	"context"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// dynamodbTime bounds the start of DynamoDB Local; the first one downloads it.
const dynamodbTime = 5 * time.Minute

func (s *System) startDynamoDB(ctx context.Context) error {
	program := filepath.Join(s.options.Work, "dynamolocal")
	// Built, not `go run`, which would not hand the interrupt on.
	if err := s.run(ctx, nil, "go", "build", "-o", program, "./pkg/dispatch/dynamo/dynamolocal"); err != nil {
		return err
	}
	cmd := exec.Command(program, "--port", strconv.Itoa(s.options.DynamoDBPort))
	cmd.Stdout, cmd.Stderr = s.options.Log, s.options.Log
	var err error
	if s.dynamodb, err = start("DynamoDB Local", cmd); err != nil {
		return err
	}
	return s.dynamodb.answers(ctx, s.DynamoDB(), dynamodbTime)
}
