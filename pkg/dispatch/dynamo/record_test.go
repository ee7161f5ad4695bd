package dynamo_test

import (
	"net/http"
	"testing"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/dynamo"
	"example.com/dispatch/pkg/dispatch/dynamo/dynamotest"
)

// A record is tried once: a second try could be overtaken by a late first one.
func TestRecordTriesOnce(t *testing.T) {
	table := server.Table(t)
	for name, fault := range map[string]dynamotest.Fault{
		"answer lost": dynamotest.Lost(nil),
		"unsent":      dynamotest.Unsent,
		"throttled":   dynamotest.Answer(http.StatusBadRequest, "ProvisionedThroughputExceededException"),
		"unavailable": dynamotest.Answer(http.StatusServiceUnavailable, "ServiceUnavailable"),
	} {
		t.Run(name, func(t *testing.T) {
			var faults dynamotest.Faults
			s := dynamo.Store{Client: server.Client(t, &faults), Table: table}
			task := prepare(t, s, t.Name(), []step{put, claim})
			task.Progress = []dispatch.Progress{{State: dispatch.Delivered, EndedAt: now, Attempts: 1}, {Attempts: 1, NextAt: now}}
			sent := faults.Requests("UpdateItem")
			faults.Next("UpdateItem", 1, fault)
			if err := s.Record(t.Context(), task); err == nil {
				t.Error("no error")
			}
			if n := faults.Requests("UpdateItem") - sent; n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
			if err := s.Record(t.Context(), task); err != nil { // nobody does, but it is still the holder's
				t.Error(err)
			}
			wantRow(t, s, task.ID, task)
		})
	}
}
