package template

import (
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// No function has a URL but the one that publishes keys, which is there only where the operator wants it, and which nobody
// may invoke in another way.
func TestKeysURL(t *testing.T) {
	text, err := os.ReadFile("../../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Parameters struct {
			PublishKeys struct {
				Default string `yaml:"Default"`
			} `yaml:"PublishKeys"`
		} `yaml:"Parameters"`
		Conditions struct {
			PublishesKeys yaml.Node `yaml:"PublishesKeys"`
		} `yaml:"Conditions"`
		Resources map[string]struct {
			Type       string               `yaml:"Type"`
			Condition  string               `yaml:"Condition"`
			Properties map[string]yaml.Node `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	var when []string
	if err := file.Conditions.PublishesKeys.Decode(&when); err != nil || strings.Join(when, " ") != "PublishKeys true" || file.Parameters.PublishKeys.Default != "false" {
		t.Errorf("keys are published where %q, by default %q: %v", when, file.Parameters.PublishKeys.Default, err)
	}
	urls, permissions := "", map[string]string{}
	for name, r := range file.Resources {
		if strings.HasPrefix(name, "Keys") != (r.Condition == "PublishesKeys") {
			t.Errorf("%s is there where %q", name, r.Condition)
		}
		if _, has := r.Properties["FunctionUrlConfig"]; has {
			t.Errorf("%s has a URL of its own", name)
		}
		switch value := func(name string) string { node := r.Properties[name]; return node.Value }; r.Type {
		case "AWS::Lambda::Url":
			target := r.Properties["TargetFunctionArn"]
			urls += name + " of " + target.Value
		case "AWS::Lambda::Permission":
			permissions[value("FunctionName")+" "+value("Action")] = value("Principal") + value("FunctionUrlAuthType") + value("InvokedViaFunctionUrl")
		}
	}
	if urls != "KeysUrl of KeysFunction.Arn" {
		t.Errorf("URLs: %s", urls)
	}
	if len(permissions) != 2 || permissions["KeysFunction lambda:InvokeFunctionUrl"] != "*NONE" || permissions["KeysFunction lambda:InvokeFunction"] != "*true" {
		t.Errorf("permissions: %v", permissions)
	}
}
