package template

import (
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

type policy struct {
	Document struct {
		Statement []yaml.Node `yaml:"Statement"`
	} `yaml:"PolicyDocument"`
}

// What tasks and events may reach besides URLs is granted by parameters that are empty unless set.
func TestNothingIsGrantedByDefault(t *testing.T) {
	text, err := os.ReadFile("../../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Parameters map[string]struct {
			Default string `yaml:"Default"`
		} `yaml:"Parameters"`
		Resources struct {
			HandleRole struct {
				Properties struct {
					Policies []policy `yaml:"Policies"`
				} `yaml:"Properties"`
			} `yaml:"HandleRole"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	found := map[string]string{} // the condition of each action
	for _, p := range file.Resources.HandleRole.Properties.Policies {
		for _, node := range p.Document.Statement {
			condition, statement := "", &node
			if node.Tag == "!If" {
				condition, statement = node.Content[0].Value, node.Content[1]
			}
			var one struct {
				Action   yaml.Node `yaml:"Action"`
				Resource yaml.Node `yaml:"Resource"`
			}
			if err := statement.Decode(&one); err != nil {
				t.Fatal(err)
			}
			actions := []string{one.Action.Value}
			for _, a := range one.Action.Content {
				actions = append(actions, a.Value)
			}
			for _, a := range actions {
				service, _, _ := strings.Cut(a, ":")
				if a == "secretsmanager:GetSecretValue" && strings.Contains(one.Resource.Value, ":secret:") {
					a = "secretsmanager:GetSecretValue of headers"
					if !strings.HasSuffix(one.Resource.Value, ":secret:${HeaderSecretsPrefix}*") {
						t.Errorf("headers' secrets are granted as %s", one.Resource.Value)
					}
					found[a] = condition
				}
				if slices.Contains([]string{"lambda", "states", "events"}, service) {
					if before, ok := found[a]; ok && before != condition {
						t.Errorf("%s is granted under %q and %q", a, before, condition)
					}
					found[a] = condition
				}
				if one.Resource.Value == "*" {
					t.Errorf("%s is granted on everything", a)
				}
			}
		}
	}
	for action, condition := range map[string]string{
		"lambda:InvokeFunction": "HasTargetFunctions", "states:StartExecution": "HasTargetStateMachines",
		"states:DescribeStateMachine": "HasTargetStateMachines", "events:PutEvents": "HasEventBus", "secretsmanager:GetSecretValue of headers": "HasHeaderSecrets",
	} {
		if found[action] != condition {
			t.Errorf("%s is granted under %q, want %s", action, found[action], condition)
		}
		delete(found, action)
	}
	if len(found) > 0 {
		t.Errorf("granted besides: %v", found)
	}
	for _, name := range []string{"TargetFunctions", "TargetStateMachines", "EventBus", "AllowedNetworks", "AllowedPorts", "HeaderSecretsPrefix", "HeaderSecretsKmsKeys", "SigningKmsKey", "PublishedKmsKeys"} {
		if p, ok := file.Parameters[name]; !ok || p.Default != "" {
			t.Errorf("parameter %s: %+v", name, p)
		}
	}
}
