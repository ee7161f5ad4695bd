// Package dynamotest gives tests a real DynamoDB Local, tables in it, faults on the way to it, and a count of what
// requests cost.
package dynamotest

import (
	"context"
	"errors"
	"net/http"
	"os"
	"sync"
	"testing"

	"example.com/dispatch/pkg/dispatch/dynamo/internal/local"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// Server is DynamoDB Local, in memory. The zero value starts it for the first test that asks, on a free port, and it
// dies with the test binary. Keep one per binary.
type Server struct {
	start    sync.Once
	endpoint string
	err      error
	tables   sync.Mutex
	last     int
}

// Endpoint returns the server's URL. A test is skipped where Java 17 or Maven is missing, and fails there if the
// environment has CI.
func (s *Server) Endpoint(t testing.TB) string {
	t.Helper()
	s.start.Do(func() {
		// No test's context: the server outlives the test that asks first.
		server, err := local.Start(context.Background(), 0, "", nil)
		if s.err = err; err == nil {
			s.endpoint = server.Endpoint
		}
	})
	if errors.Is(s.err, local.ErrNoTools) && os.Getenv("CI") == "" {
		t.Skip(s.err)
	}
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.endpoint
}

// Client returns a client of the server; transport is what it sends through, nil for the usual.
func (s *Server) Client(t testing.TB, transport http.RoundTripper, options ...func(*dynamodb.Options)) *dynamodb.Client {
	t.Helper()
	return dynamodb.New(dynamodb.Options{
		BaseEndpoint: aws.String(s.Endpoint(t)),
		Region:       "eu-west-1",
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
		HTTPClient: &http.Client{Transport: transport},
	}, options...)
}

// Table makes a table of the test's own, which is deleted at its end, and returns its name.
func (s *Server) Table(t testing.TB) string {
	t.Helper()
	client := s.Client(t, nil)
	s.tables.Lock()
	s.last++
	name := tableName(t.Name(), s.last)
	s.tables.Unlock()
	if err := CreateTable(t.Context(), client, name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, err := client.DeleteTable(context.WithoutCancel(t.Context()), &dynamodb.DeleteTableInput{TableName: &name})
		if err != nil {
			t.Errorf("deleting table %s: %v", name, err)
		}
	})
	return name
}
