package cloud_test

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"example.com/dispatch/internal/bench/cloud"
	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/dynamo"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// TestAsTheSDKSpeaks has a task live as it does in DynamoDB: what is refused is told apart by the answer.
func TestAsTheSDKSpeaks(t *testing.T) {
	s := httptest.NewServer(&cloud.DynamoDB{Do: cloud.NewTable()})
	defer s.Close()
	store := dynamo.Store{Table: "tasks", Client: dynamodb.New(dynamodb.Options{
		Region: "eu-west-1", BaseEndpoint: &s.URL, Credentials: aws.AnonymousCredentials{}, HTTPClient: http.DefaultClient,
	})}
	enqueue := dispatch.Enqueue{
		Store: store, Settings: dispatch.CachedSettings(store, time.Now, time.Minute), Retention: dispatch.DefaultRetention,
		Now: time.Now, Log: slog.New(slog.DiscardHandler),
	}
	const two = `{"tasks":[{"id":"a","uri":"https://example.com/","group":"g"},{"id":"b","uri":"https://example.com/","group":"g"}]}`
	for range 2 { // the second time both are there already
		if _, err := enqueue.Run(t.Context(), []byte(two), nil); err != nil {
			t.Fatal(err)
		}
	}
	lease := dispatch.Lease{Token: "mine", At: time.Now(), Left: time.Hour}
	got := store.Claim(t.Context(), []string{"a", "b", "absent"}, lease)
	if got[0].Err != nil || !errors.Is(got[1].Err, dispatch.ErrRefused) || !errors.Is(got[2].Err, dispatch.ErrNotFound) {
		t.Fatalf("claimed %v, %v, %v", got[0].Err, got[1].Err, got[2].Err)
	}
	ended := got[0].Task
	ended.State, ended.DueAt, ended.EndedAt = dispatch.Delivered, time.Time{}, time.Now()
	next, err := store.Settle(t.Context(), ended)
	if err != nil || next.ID != "b" {
		t.Fatalf("settled, then comes %+v: %v", next, err)
	}
	var due []string
	for hint, err := range store.Due(t.Context(), dispatch.Lane(dispatch.DefaultQueue, "b", 1), time.Now().Add(time.Minute)) {
		if err != nil {
			t.Fatal(err)
		}
		due = append(due, hint.ID)
	}
	if len(due) != 1 || due[0] != "b" {
		t.Errorf("due are %q, want b", due)
	}
}
