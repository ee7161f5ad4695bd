package grants

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

const (
	path  = "../../../template.yaml"
	table = "arn:aws:dynamodb:eu-west-1:123456789012:table/tasks"
)

func TestCompare(t *testing.T) {
	reads := Statement{Sid: "Read", Actions: []string{"dynamodb:GetItem"}, Resources: []string{table, table + "/index/*"}}
	ends := Statement{Sid: "End", Actions: []string{"dynamodb:DeleteItem"}, Resources: []string{table}, Conditions: map[string]map[string][]string{
		"ForAllValues:StringLike": {"dynamodb:LeadingKeys": {"/group/*"}},
	}}
	decrypts := Statement{Sid: "Decrypt", Actions: []string{"kms:Decrypt"}, Resources: []string{"key"}, Conditions: map[string]map[string][]string{
		"StringEquals": {"kms:ViaService": {"secretsmanager.eu-west-1.amazonaws.com"}},
	}}
	logs := Statement{Sid: "Log", Actions: []string{"logs:CreateLogStream", "logs:PutLogEvents"}, Resources: []string{"arn:aws:logs:eu-west-1:123456789012:log-group:group:*"}}
	get := Call{Action: "dynamodb:GetItem", Resource: table, Keys: "dynamodb:LeadingKeys=a"}
	index := Call{Action: "dynamodb:GetItem", Resource: table + "/index/lanes"}
	for _, c := range []struct {
		name       string
		statements []Statement
		calls      []Call
		faults     []string // what each holds
	}{
		{name: "exactly", statements: []Statement{reads}, calls: []Call{get, index}},
		{name: "a resource that nothing uses", statements: []Statement{reads}, calls: []Call{get}, faults: []string{"Read grants dynamodb:GetItem on " + table + "/index/*, which"}},
		{name: "another action", statements: []Statement{reads}, calls: []Call{get, index, {Action: "dynamodb:PutItem", Resource: table}},
			faults: []string{"dynamodb:PutItem on " + table + " () is called, and not"}},
		{name: "another table", statements: []Statement{reads}, calls: []Call{get, index, {Action: "dynamodb:GetItem", Resource: table + "2"}},
			faults: []string{table + "2 () is called, and not"}},
		{name: "a condition that holds", statements: []Statement{ends}, calls: []Call{{"dynamodb:DeleteItem", table, "dynamodb:LeadingKeys=/group/…"}}},
		{name: "one that does not", statements: []Statement{ends}, calls: []Call{{"dynamodb:DeleteItem", table, "dynamodb:LeadingKeys=…"}},
			faults: []string{"End grants", "dynamodb:DeleteItem on " + table + " (dynamodb:LeadingKeys=…) is called, and not"}},
		{name: "one that holds for some values", statements: []Statement{ends},
			calls:  []Call{{"dynamodb:DeleteItem", table, "dynamodb:LeadingKeys=/group/…,dynamodb:LeadingKeys=…"}},
			faults: []string{"End grants", "is called, and not"}},
		{name: "through a service", statements: []Statement{decrypts}, calls: []Call{{"kms:Decrypt", "key", "kms:ViaService=secretsmanager.eu-west-1.amazonaws.com"}}},
		{name: "not through it", statements: []Statement{decrypts}, calls: []Call{{"kms:Decrypt", "key", ""}}, faults: []string{"Decrypt grants", "kms:Decrypt on key () is called"}},
		{name: "by Lambda", statements: []Statement{logs}, calls: slices.Collect(maps.Keys(Logs("group")))},
		{name: "by Lambda, and not granted", calls: slices.Collect(maps.Keys(Logs("group"))), faults: []string{"logs:CreateLogStream on", "logs:PutLogEvents on"}},
		{name: "another function's log group", statements: []Statement{logs}, calls: slices.Collect(maps.Keys(Logs("group2"))),
			faults: []string{"Log grants logs:Create", "Log grants logs:Put", "logs:CreateLogStream on", "logs:PutLogEvents on"}},
	} {
		got := Compare(c.statements, c.calls)
		for _, want := range c.faults {
			i := slices.IndexFunc(got, func(fault string) bool { return strings.Contains(fault, want) })
			if i < 0 {
				t.Errorf("%s: no fault has %q: %q", c.name, want, got)
				continue
			}
			got = slices.Delete(got, i, i+1)
		}
		if len(got) > 0 {
			t.Errorf("%s: faults besides: %q", c.name, got)
		}
	}
}

// The template is evaluated as CloudFormation does it, with each kind of value that it has.
func TestStatements(t *testing.T) {
	const function, machine = "arn:aws:lambda:eu-west-1:123456789012:function:f", "arn:aws:states:eu-west-1:123456789012:stateMachine:m"
	s, err := ReadStack(path, map[string]string{
		"TargetFunctions": function + "," + function + "2", "TargetStateMachines": machine, "HeaderSecretsPrefix": "shop/", "EventBus": "alarms",
		"SigningKey": "secret", "SigningKeyKmsKey": "key",
	}, map[string]string{"Table": "tasks"})
	if err != nil {
		t.Fatal(err)
	}
	s.Off = []string{"EventBusIsARN", "HasVpc"}
	statements, err := s.Statements("HandleFunction")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]Statement{}
	for _, one := range statements {
		got[one.Sid] = one
	}
	for sid, want := range map[string][]string{
		"ClaimAndSettle":         {table},
		"CallVersionsAndAliases": {function + ":*", function + "2:*"},
		"StartExecutions":        {machine},
		"ReadSecretsForHeaders":  {"arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop/*"},
		"TellOfFailures":         {"arn:aws:events:eu-west-1:123456789012:event-bus/alarms"},
		"DecryptSigningKey":      {"key"},
	} {
		if !reflect.DeepEqual(got[sid].Resources, want) {
			t.Errorf("%s is on %q, want %q", sid, got[sid].Resources, want)
		}
	}
	if want := []string{"secretsmanager.eu-west-1.amazonaws.com"}; !reflect.DeepEqual(got["DecryptSigningKey"].Conditions["StringEquals"]["kms:ViaService"], want) {
		t.Errorf("DecryptSigningKey has %v", got["DecryptSigningKey"].Conditions)
	}
	if _, ok := got["JoinVpc"]; ok {
		t.Error("a policy whose condition does not hold is granted")
	}
	environment, err := s.Environment("HandleFunction")
	if err != nil || environment["TABLE"] != "tasks" || environment["SIGNING_KEY"] != "secret" || environment["RETENTION_DAYS"] != "7" {
		t.Errorf("%v, %v", environment, err)
	}
}
