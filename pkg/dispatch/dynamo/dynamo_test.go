package dynamo_test

import (
	"crypto/rand"
	"flag"
	"os"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/dynamo"
	"example.com/dispatch/pkg/dispatch/dynamo/dynamotest"
	"example.com/dispatch/pkg/dispatch/storetest"
)

// server is the DynamoDB Local of all of this package's tests.
var server dynamotest.Server

// longGroup is how many members TestLongGroup puts.
var longGroup = flag.Int("long-group", 300, "members of the group in TestLongGroup")

// now is when all of this package's tests take place.
var now = time.Date(2040, 2, 29, 23, 59, 58, 765e6, time.UTC)

// TestMain runs more tests side by side than there are processors: most of their time they wait, for the server or
// before they repeat something.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) dispatch.Store {
		return dynamo.Store{Client: server.Client(t, nil), Table: server.Table(t)}
	})
}

// newTask returns a task that is due now.
func newTask(id string) dispatch.Task {
	return dispatch.Task{
		ID: id, State: dispatch.Scheduled, Queue: "q", Run: 1, Doc: []byte(`{"url":"https://receiver.example/"}`),
		Hash: []byte("hash of " + id), Timeout: 30 * time.Second, ExpireAt: now.Add(24 * time.Hour), DueAt: now,
		Lane: dispatch.Lane("q", id, 1), Generation: dispatch.Millis(now),
		TTL: now.Add(8 * 24 * time.Hour).Truncate(time.Second), Version: dispatch.FormatVersion,
	}
}

// lease is a new lease at an instant, with all the time in the world left.
func lease(at time.Time) dispatch.Lease {
	return dispatch.Lease{Token: rand.Text(), At: at, Left: time.Hour}
}

// delivered is a claimed task as its handler settles it after success.
func delivered(t dispatch.Task) dispatch.Task {
	t.State, t.EndedAt, t.DueAt, t.Lane, t.Identifier = dispatch.Delivered, now, time.Time{}, "", ""
	t.TTL = now.Add(7 * 24 * time.Hour).Truncate(time.Second)
	return t
}

// settled is the row that a settle leaves of t.
func settled(t dispatch.Task) dispatch.Task {
	t.Lease, t.Until = "", time.Time{}
	return t
}

// failed is a claimed task as its handler settles it into the history.
func failed(t dispatch.Task) dispatch.Task {
	t.State, t.Reason, t.EndedAt, t.DueAt = dispatch.Exhausted, "the last attempt failed", now, now
	t.Lane = dispatch.HistoryLanes(t.Queue, 1)[0]
	t.TTL = now.Add(7 * 24 * time.Hour).Truncate(time.Second)
	return t
}
