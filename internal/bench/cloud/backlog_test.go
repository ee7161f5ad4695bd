package cloud_test

import (
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

// TestBacklog reads a backlog as a sweep does, before and after some of it has been handled.
func TestBacklog(t *testing.T) {
	const n, lanes = 5000, 2
	due := time.Now().Add(-time.Hour).Truncate(time.Second)
	backlog, err := cloud.NewBacklog(t.Context(), n, lanes, due)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(&cloud.DynamoDB{Do: backlog.Do})
	defer s.Close()
	store := dynamo.Store{Table: "tasks", Client: dynamodb.New(dynamodb.Options{
		Region: "eu-west-1", BaseEndpoint: &s.URL, Credentials: aws.AnonymousCredentials{}, HTTPClient: http.DefaultClient,
	})}
	settings, err := dispatch.CachedSettings(store, time.Now, time.Minute)(t.Context())
	if err != nil || settings.Lanes(dispatch.DefaultQueue) != lanes {
		t.Fatalf("%d lanes: %v", settings.Lanes(dispatch.DefaultQueue), err)
	}
	read := func() (ids []string) {
		for _, lane := range dispatch.Lanes(dispatch.DefaultQueue, lanes) {
			last := due
			for hint, err := range store.Due(t.Context(), lane, time.Now()) {
				if err != nil || hint.DueAt.Before(last) {
					t.Fatalf("%s is due at %v, behind %v: %v", hint.ID, hint.DueAt, last, err)
				}
				ids, last = append(ids, hint.ID), hint.DueAt
			}
		}
		return ids
	}
	ids := read()
	if len(ids) != n {
		t.Fatalf("%d are due, want %d", len(ids), n)
	}
	if !backlog.Claim(ids[0]) || backlog.Claim(ids[0]) {
		t.Error("a task was not there to be claimed once")
	}
	for i, want := range []bool{true, false} {
		for _, r := range [][]dispatch.Result{store.Get(t.Context(), ids[i:i+1]), store.Glance(t.Context(), ids[i:i+1])} {
			if r[0].Err != nil || r[0].Task.ID != ids[i] || r[0].Task.State != dispatch.Scheduled || r[0].Task.Leased(time.Now()) != want {
				t.Errorf("read %+v: %v, want that it is leased: %t", r[0].Task, r[0].Err, want)
			}
		}
	}
	backlog.Finish(ids[0])
	if now := read(); len(now) != n-1 || now[0] != ids[1] {
		t.Errorf("%d are due, the first is %s", len(now), now[0])
	}
}
