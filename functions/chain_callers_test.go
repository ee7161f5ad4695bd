//go:build sam

package functions_test

import (
	"net/http"
	"testing"

	"example.com/dispatch/functions/internal/samlocal"
	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/client"
	"example.com/dispatch/pkg/dispatch/dynamo"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// callers enqueues in every other way: with the Go client, in a transaction, and as SQS and EventBridge do.
func (c *chain) callers(t *testing.T) {
	const host = "http://" + samlocal.Host + ":" + port
	c.receiver.accept("/client/1", "/client/2", "/outbox", "/invoices/11", "/invoices/12", "/invoices/13", "/invoices/14/paid")

	endpoint := c.system.Lambda()
	through := client.Client{Invoke: client.Lambda(aws.Config{
		Region: "eu-west-1", BaseEndpoint: &endpoint, Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	}, samlocal.Enqueue)}
	receipts, err := through.Enqueue(t.Context(), client.Task{ID: "client-1", URI: host + "/client/1"}, client.Task{URI: host + "/client/2"})
	if err != nil || receipts[0].ID != "client-1" || receipts[1].ID == "" {
		t.Fatalf("receipts %+v, %v", receipts, err)
	}
	if again, err := through.Enqueue(t.Context(), client.Task{ID: "client-1", URI: host + "/other"}); err != nil || again[0].Error == nil || again[0].Error.Status != http.StatusConflict {
		t.Errorf("receipts %+v, %v, want a conflict", again, err)
	}
	if _, err := through.Enqueue(t.Context(), client.Task{URI: "nonsense"}); err == nil {
		t.Error("nonsense was taken")
	}

	outbox := &dynamo.Outbox{Client: c.system.Store.Client, Stack: dynamo.OutboxStack{Table: c.system.Store.Table, AllowHTTP: true}}
	item, err := outbox.Item(t.Context(), client.Task{ID: "outbox-1", URI: host + "/outbox"})
	if err == nil {
		_, err = c.system.Store.Client.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{item}})
	}
	if err != nil {
		t.Fatal(err)
	}

	for range 2 { // delivered again it is the same
		if answer := c.invoke(samlocal.Enqueue, "sqs.json"); normal(t, string(answer)) != `{"batchItemFailures":[]}` {
			t.Errorf("answer %s, want no failures", answer)
		}
	}
	bridged := c.enqueue("eventbridge.json")[0]
	if bridged.ID != "17793124-05d4-b198-2fde-7ededc63b103-0" || bridged.State != dispatch.Scheduled {
		t.Errorf("receipt %+v", bridged)
	}

	ids := []string{
		"client-1", receipts[1].ID, "outbox-1", "059f36b4-87a3-44ab-83d2-661975830a7d-0", "invoice-12", "2e1424d4-f796-459a-8184-9c92662be6da-1", bridged.ID,
	}
	c.await("what callers enqueued", func() bool {
		c.sweep()
		for _, id := range ids {
			if c.state(id) != "delivered 1" {
				return false
			}
		}
		return true
	}, func() string { return c.states(ids...) })
}

// accept has the receiver answer these paths with 200, once each.
func (r *receiver) accept(paths ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, path := range paths {
		r.statuses[path] = []int{http.StatusOK}
	}
}
