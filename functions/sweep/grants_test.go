package main

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/functions/internal/functiontest"
	"example.com/dispatch/functions/internal/grants"
	"example.com/dispatch/functions/internal/wiring"
	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/dynamo"
	"github.com/aws/aws-lambda-go/lambda"
)

// What sweep's role is granted is what sweep calls, on all its ways, and nothing besides.
func TestGrants(t *testing.T) {
	table := server.Table(t)
	stack, err := grants.ReadStack("../../template.yaml", map[string]string{
		"Precision": "minute", "SubnetIds": "subnet-1", "SecurityGroupIds": "sg-1",
	}, map[string]string{"Table": table})
	if err != nil {
		t.Fatal(err)
	}
	store := dynamo.Store{Client: server.Client(t, nil), Table: table}
	_, err = dispatch.SaveSettings(t.Context(), store, dispatch.Settings{Queues: map[string]dispatch.QueueSettings{
		"default": {Lanes: 3}, "limited": {Lanes: 1, Rate: 10, InFlight: 1}, "paused": {Lanes: 1, Paused: true}, "retired": {Lanes: 1, Retired: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	put(t, store)
	then := time.Now().Add(-time.Hour)
	verb := dispatch.Enqueue{
		Store: store, Settings: dispatch.CachedSettings(store, time.Now, time.Minute), Retention: dispatch.DefaultRetention,
		Now: func() time.Time { return then }, Log: slog.New(slog.DiscardHandler),
	}
	input := `{"tasks":[{"id":"lapsed","uri":"https://example.com/"},
		{"id":"limited","queue":"limited","uri":"https://example.com/"},{"id":"expired","queue":"paused","uri":"https://example.com/","lifetime":60}]}`
	for i := range 20 { // some in each lane
		input = strings.Replace(input, "[", fmt.Sprintf(`[{"id":"overdue-%d","uri":"https://example.com/"},`, i), 1)
	}
	if _, err := verb.Run(t.Context(), []byte(input), nil); err != nil {
		t.Fatal(err)
	}
	if r := store.Claim(t.Context(), []string{"lapsed"}, dispatch.Lease{Token: "lost", At: then, Left: time.Hour})[0]; r.Err != nil {
		t.Fatal(r.Err)
	}
	tick := functiontest.Example(t, "tick.json")
	hour := time.Now().Truncate(time.Hour) // the minute in which paused queues are looked at
	for _, now := range []func() time.Time{time.Now, func() time.Time { return hour }} {
		f := grants.New(t, stack, "SweepFunction", &grants.Services{}, server.Endpoint(t), func(e wiring.Environment, log *slog.Logger) (lambda.Handler, error) {
			handler, err := build(e, log)
			if err == nil {
				handler.(*function).metrics, handler.(*function).verb.Now = io.Discard, now
				handler.(*function).verb.Backlog = 1
			}
			return handler, err
		})
		f.Do(t, "{}")
		f.Do(t, tick)
		f.Check(t, grants.Logs("SweepLogs"), grants.VPC())
	}
}

// Where no tick is divided, the function may not invoke itself.
func TestNoGrantForParts(t *testing.T) {
	for _, divides := range []bool{false, true} {
		stack, err := grants.ReadStack("../../template.yaml", nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !divides {
			stack.Off = []string{"DividesSweeps"}
		}
		statements, err := stack.Statements("SweepFunction")
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.ContainsFunc(statements, func(s grants.Statement) bool { return s.Sid == "RunParts" }); got != divides {
			t.Errorf("it may run parts: %t, want %t", got, divides)
		}
	}
}
