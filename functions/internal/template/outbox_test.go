package template_test

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/dynamo"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"go.yaml.in/yaml/v3"
)

// TestOutbox holds what the stack gives to those who put tasks themselves against what package dynamo has them need.
func TestOutbox(t *testing.T) {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var stack struct {
		Resources struct {
			PutTaskPolicy struct {
				Properties struct {
					PolicyDocument struct {
						Statement []struct {
							Action    string                       `yaml:"Action"`
							Condition map[string]map[string]string `yaml:"Condition"`
						} `yaml:"Statement"`
					} `yaml:"PolicyDocument"`
				} `yaml:"Properties"`
			} `yaml:"PutTaskPolicy"`
		} `yaml:"Resources"`
		Outputs struct {
			OutboxStack struct {
				Value []yaml.Node `yaml:"Value"`
			} `yaml:"OutboxStack"`
		} `yaml:"Outputs"`
	}
	if err := yaml.Unmarshal(text, &stack); err != nil {
		t.Fatal(err)
	}

	value := strings.NewReplacer("${Table}", "tasks", "${RetentionDays}", "9", "${CanSign}", "true", "${AllowHTTP}", "true",
		"${Functions}", "true", "${StateMachines}", "true", "${HeaderSecretsPrefix}", "shop/", "${EnqueueFunction}", "e", "${SweepFunction}", "s", "${HandleFunction}", "h").Replace(stack.Outputs.OutboxStack.Value[0].Value)
	var got dynamo.OutboxStack
	d := json.NewDecoder(bytes.NewReader([]byte(value)))
	d.DisallowUnknownFields()
	if err := d.Decode(&got); err != nil {
		t.Fatalf("%v: %s", err, value)
	}
	want := dynamo.OutboxStack{
		Table: "tasks", RetentionDays: 9, CanSign: true, AllowHTTP: true, Functions: true, StateMachines: true, HeaderSecretsPrefix: "shop/",
		FormatVersion: dispatch.FormatVersion, Own: []string{"e", "s", "h"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("OutboxStack %+v, want %+v", got, want)
	}

	store := dynamo.Store{Client: server.Client(t, nil), Table: server.Table(t)}
	if _, err := dispatch.SaveSettings(t.Context(), store, dispatch.Settings{Queues: map[string]dispatch.QueueSettings{"default": {}}}); err != nil {
		t.Fatal(err)
	}
	may := map[string]string{}
	for _, s := range stack.Resources.PutTaskPolicy.Properties.PolicyDocument.Statement {
		for _, condition := range s.Condition {
			if key := condition["dynamodb:LeadingKeys"]; strings.HasPrefix(key, "/") {
				may[s.Action] = key
			}
		}
	}
	out, err := store.Client.GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName: &store.Table, Key: map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: may["dynamodb:GetItem"]}},
	})
	if err != nil || out.Item == nil {
		t.Errorf("the settings are not at %q: %v", may["dynamodb:GetItem"], err)
	}
	if may["dynamodb:PutItem"] != "/*" {
		t.Errorf("any row can be put but %q", may["dynamodb:PutItem"])
	}
}
