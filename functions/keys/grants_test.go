package main

import (
	"testing"

	"example.com/dispatch/functions/internal/functiontest"
	"example.com/dispatch/functions/internal/grants"
)

// What the role is granted is what the function calls, and nothing besides: no table, no other function.
func TestGrants(t *testing.T) {
	const kmsKey, signs, next = "arn:aws:kms:eu-west-1:123456789012:key/1", "arn:aws:kms:eu-west-1:123456789012:key/2", "arn:aws:kms:eu-west-1:123456789012:key/3"
	stack, err := grants.ReadStack("../../template.yaml", map[string]string{
		"PublishKeys": "true", "SigningKey": secret, "SigningKeyKmsKey": kmsKey, "SigningKmsKey": signs, "PublishedKmsKeys": next + "," + kmsKey + "0", "SubnetIds": "subnet-1", "SecurityGroupIds": "sg-1",
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := set(t)
	services := &grants.Services{Secrets: map[string]string{secret: text}, Keys: map[string]string{secret: kmsKey}, KMS: functiontest.NewKMS(t, signs, next, kmsKey+"0")}
	const none = "http://127.0.0.1:1"
	f := grants.New(t, stack, "KeysFunction", services, none, build)
	if got := ask(t, f, func(*request) {}); got.StatusCode != 200 {
		t.Errorf("response %+v", got)
	}
	f.Check(t, grants.Logs("KeysLogs"), grants.VPC())
}
