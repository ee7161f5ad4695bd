package main

import (
	"encoding/json"
	"testing"

	"example.com/dispatch/functions/internal/functiontest"
	"example.com/dispatch/functions/internal/grants"
	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/dynamo"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// What enqueue's role is granted is what enqueue calls, on all its ways, and nothing besides.
func TestGrants(t *testing.T) {
	table := server.Table(t)
	stack, err := grants.ReadStack("../../template.yaml", map[string]string{
		"SigningKey": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:signing-AbCdEf", "HeaderSecretsPrefix": "shop/", "AllowedNetworks": "10.0.0.0/8",
		"TargetFunctions": "arn:aws:lambda:eu-west-1:123456789012:function:billing", "SubnetIds": "subnet-1", "SecurityGroupIds": "sg-1",
		"TargetStateMachines": "arn:aws:states:eu-west-1:123456789012:stateMachine:onboarding", "TaskQueueArn": "arn:aws:sqs:eu-west-1:123456789012:tasks",
	}, map[string]string{"Table": table})
	if err != nil {
		t.Fatal(err)
	}
	f := grants.New(t, stack, "EnqueueFunction", &grants.Services{}, server.Endpoint(t), build)
	store := dynamo.Store{Client: server.Client(t, nil), Table: table}
	_, err = dispatch.SaveSettings(t.Context(), store, dispatch.Settings{
		Queues: map[string]dispatch.QueueSettings{"default": {Lanes: 2}, "limited": {Lanes: 1, Rate: 10, InFlight: 1}, "paused": {Lanes: 1, Paused: true}},
		Routes: map[string]dispatch.Route{"order.*": {Targets: []json.RawMessage{
			[]byte(`{"name":"x","uri":"https://example.com/"}`), []byte(`{"name":"y","uri":"https://example.com/","when":"body.total > 1"}`),
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, event := range []string{
		`{"id":"a","uri":"https://example.com/"}`,
		`{"id":"a","uri":"https://example.com/"}`,
		`{"id":"soon","uri":"https://example.com/","delay":30}`,
		`{"id":"later","uri":"https://example.com/","delay":3000,"lifetime":6000,"identifier":"i","headers":{"Authorization":{"secret":"shop/token"}}}`,
		`{"tasks":[{"id":"c","uri":"https://example.com/","claims":{"sub":"1"}},{"id":"l","uri":"https://example.com/","queue":"limited"},{"id":"p","uri":"https://example.com/","queue":"paused"}]}`,
		`{"id":"t","type":"order.paid","body":{"total":2},"onFailure":{"uri":"https://example.com/"}}`,
		`{"id":"function","uri":"arn:aws:lambda:eu-west-1:123456789012:function:billing"}`,
		`{"id":"machine","uri":"arn:aws:states:eu-west-1:123456789012:stateMachine:onboarding"}`,
		`{"id":"r","uri":"https://example.com/1","delay":3000}`,
		`{"id":"r","uri":"https://example.com/2","delay":3000,"onConflict":"replace"}`,
		`{"tasks":[{"id":"g1","group":"g","uri":"https://example.com/"},{"id":"g2","group":"g","uri":"https://example.com/"}]}`,
		`{"id":"g3","group":"g","uri":"https://example.com/"}`,
		`{"id":"g2","group":"g","uri":"https://example.com/2","onConflict":"replace"}`,
		functiontest.Example(t, "sqs.json"),
		functiontest.Example(t, "eventbridge.json"),
	} {
		f.Do(t, event)
	}
	// Whoever deletes the tail of a group, past all rules, must not leave those behind it waiting for ever.
	_, err = store.Client.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{
		TableName: &table, Key: map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: "g3"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	f.Do(t, `{"id":"g4","group":"g","uri":"https://example.com/"}`)

	for id, want := range map[string]dispatch.State{"a": dispatch.Scheduled, "r": dispatch.Scheduled, "g1": dispatch.Scheduled, "g2": dispatch.Blocked, "g4": dispatch.Scheduled} {
		if r := store.Get(t.Context(), []string{id})[0]; r.Err != nil || r.Task.State != want {
			t.Errorf("task %s is %s, want %s: %v", id, r.Task.State, want, r.Err)
		}
	}
	f.Check(t, grants.Logs("EnqueueLogs"), grants.VPC(), grants.Queues("tasks", "FailureQueue"))
}
