package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/functions/internal/functiontest"
	"example.com/dispatch/functions/internal/grants"
	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/dynamo"
	"example.com/dispatch/pkg/dispatch/rule"
)

// What handle's role is granted is what handle calls, on all its ways, and nothing besides.
func TestGrants(t *testing.T) {
	const (
		key       = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:signing-AbCdEf"
		keyKey    = "arn:aws:kms:eu-west-1:123456789012:key/1"
		kmsKey    = "arn:aws:kms:eu-west-1:123456789012:key/2"
		headerKey = "arn:aws:kms:eu-west-1:123456789012:key/3"
		function  = "arn:aws:lambda:eu-west-1:123456789012:function:billing"
		machine   = "arn:aws:states:eu-west-1:123456789012:stateMachine:onboarding"
	)
	signing, _ := newKey(t)
	for _, c := range []struct {
		name, bus string
		off       []string // conditions
	}{
		{name: "a bus by its name", bus: "alarms", off: []string{"EventBusIsARN"}},
		{name: "a bus by its ARN", bus: "arn:aws:events:eu-west-1:210987654321:event-bus/alarms"},
	} {
		t.Run(c.name, func(t *testing.T) {
			receiver := httptest.NewServer(&receiver{})
			defer receiver.Close()
			table := server.Table(t)
			stack, err := grants.ReadStack("../../template.yaml", map[string]string{
				"SigningKey": key, "SigningKeyKmsKey": keyKey, "SigningKmsKey": kmsKey, "HeaderSecretsPrefix": "shop/", "HeaderSecretsKmsKeys": headerKey, "AllowedNetworks": "127.0.0.0/8", "EventBus": c.bus,
				"TargetFunctions": function + "," + function + "-2", "TargetStateMachines": machine, "SubnetIds": "subnet-1", "SecurityGroupIds": "sg-1",
			}, map[string]string{"Table": table})
			if err != nil {
				t.Fatal(err)
			}
			stack.Off = c.off
			services := &grants.Services{
				Secrets: map[string]string{key: keySet(t, signing), "shop/token": "Bearer x"},
				Keys:    map[string]string{key: keyKey, "shop/token": headerKey}, KMS: functiontest.NewKMS(t, kmsKey),
			}
			f := grants.New(t, stack, "HandleFunction", services, server.Endpoint(t), build)
			store := dynamo.Store{Client: server.Client(t, nil), Table: table}
			save(t, store, receiver.URL)
			for _, one := range []struct{ hints, task string }{
				{`{"id":"a"}`, `{"id":"a","uri":"$/204"}`},
				{`{"id":"a"},{"id":"gone"}`, ``},
				{`{"id":"later"}`, `{"id":"later","uri":"$/500"}`},
				{`{"id":"ruled"}`, `{"id":"ruled","uri":"$/204","when":"body.total > 5","body":{"total":1}}`},
				{`{"id":"told"}`, `{"id":"told","uri":"$/404","stopCodes":404,"onFailure":{"uri":"$/204"}}`},
				{`{"id":"told/1"}`, `{"id":"well","uri":"$/204","onSuccess":{"uri":"$/204"}}`},
				{`{"id":"well"}`, ``},
				{`{"id":"g1"}`, `{"tasks":[{"id":"g1","group":"g","uri":"$/204"},{"id":"g2","group":"g","uri":"$/204"}]}`},
				{`{"id":"held"}`, `{"id":"held","group":"h","uri":"$/404","stopCodes":404,"groupOnFailure":"hold"}`},
				{`{"id":"many"}`, `{"id":"many","type":"order.paid"}`},
				{`{"id":"few","queue":"limited"}`, `{"id":"few","queue":"limited","uri":"$/204","httpTimeout":120}`},
				{`{"id":"few2"}`, `{"id":"few2","queue":"limited","uri":"$/204"}`},
				{`{"id":"late","queue":"paused"}`, `{"id":"late","queue":"paused","uri":"$/204","lifetime":60}`},
				{`{"id":"secret"}`, `{"id":"secret","uri":"$/204","headers":{"Authorization":{"secret":"shop/token"}}}`},
				{`{"id":"claims"}`, `{"id":"claims","uri":"$/204","claims":{"sub":"1"}}`},
				{`{"id":"identified"}`, `{"id":"identified","uri":"$/204","identifier":"i"}`},
				{`{"id":"function"}`, `{"id":"function","uri":"` + function + `"}`},
				{`{"id":"alias"}`, `{"id":"alias","uri":"` + function + `:live"}`},
				{`{"id":"second"}`, `{"id":"second","uri":"` + function + `-2"}`},
				{`{"id":"second-alias"}`, `{"id":"second-alias","uri":"` + function + `-2:live"}`},
				{`{"id":"machine"}`, `{"id":"machine","uri":"` + machine + `"}`},
				{`{"id":"machine-alias"}`, `{"id":"machine-alias","uri":"` + machine + `:live"}`},
			} {
				enqueue(t, store, receiver.URL, one.task)
				if a := f.Do(t, `{"hints":[`+one.hints+`]}`); a.Payload != "{}" {
					t.Errorf("%s: %+v", one.hints, a)
				}
			}
			enqueue(t, store, receiver.URL, `{"id":"lapsed","uri":"$/204"}`)
			lease := dispatch.Lease{Token: "lost", At: time.Now().Add(-30 * time.Minute), Left: time.Hour}
			if r := store.Claim(t.Context(), []string{"lapsed"}, lease)[0]; r.Err != nil {
				t.Fatal(r.Err)
			}
			f.Do(t, `{"hints":[{"id":"lapsed"}]}`)

			for id, want := range map[string]string{
				"a": "delivered", "later": "scheduled", "ruled": "skipped", "told": "stopped", "well": "delivered", "g1": "delivered",
				"g2": "delivered", "held": "held", "many": "scheduled", "few": "delivered", "few2": "delivered", "late": "expired", "secret": "delivered",
				"claims": "delivered", "function": "delivered", "alias": "delivered", "machine": "delivered", "machine-alias": "delivered", "lapsed": "delivered",
			} {
				if r := store.Get(t.Context(), []string{id})[0]; r.Err != nil || string(r.Task.State) != want {
					t.Errorf("task %s is %s, want %s: %v %v", id, r.Task.State, want, r.Err, r.Task.Progress)
				}
			}
			f.Check(t, grants.Logs("HandleLogs"), grants.VPC())
		})
	}
}

// save stores settings with a queue of each kind, and a type with two targets.
func save(t *testing.T, store dispatch.Store, receiver string) {
	t.Helper()
	_, err := dispatch.SaveSettings(t.Context(), store, dispatch.Settings{
		Queues: map[string]dispatch.QueueSettings{
			"default": {Lanes: 1}, "limited": {Lanes: 1, Rate: 100, InFlight: 10}, "paused": {Lanes: 1, Paused: true},
		},
		Routes: map[string]dispatch.Route{"order.paid": {Targets: []json.RawMessage{
			fmt.Appendf(nil, `{"name":"x","uri":"%s/204"}`, receiver), fmt.Appendf(nil, `{"name":"y","uri":"%s/500"}`, receiver),
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// enqueue takes in a task of an hour ago; $ is the receiver's URL, and "" no task.
func enqueue(t *testing.T, store dispatch.Store, receiver, task string) {
	t.Helper()
	if task == "" {
		return
	}
	then := time.Now().Add(-time.Hour)
	verb := dispatch.Enqueue{
		Store: store, Settings: dispatch.CachedSettings(store, time.Now, time.Minute), Retention: dispatch.DefaultRetention, AllowHTTP: true,
		CanSign: true, CheckSecret: dispatch.SecretsUnder("shop/"), CheckARN: func(dispatch.ARN) error { return nil }, CheckRule: rule.Check,
		Now: func() time.Time { return then }, Log: slog.New(slog.DiscardHandler),
	}
	if _, err := verb.Run(t.Context(), []byte(strings.ReplaceAll(task, "$", receiver)), nil); err != nil {
		t.Fatal(task, err)
	}
}
