// Package grants holds what a function calls against what its role is granted: it evaluates the SAM template as
// CloudFormation does, plays the services and notes every request, and compares the two. It is for tests.
package grants

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The account and region of all stacks.
const (
	Account = "123456789012"
	Region  = "eu-west-1"
)

// Stack is the template with values for its parameters. All its conditions hold but those that are Off.
type Stack struct {
	Off []string // conditions

	parameters map[string]any    // text, or a list of texts
	names      map[string]string // of resources whose name is not the template's
	file       file
}

type file struct {
	Parameters map[string]struct {
		Type    string `yaml:"Type"`
		Default string `yaml:"Default"`
	} `yaml:"Parameters"`
	Globals struct {
		Function functionProperties `yaml:"Function"`
	} `yaml:"Globals"`
	Resources map[string]resource `yaml:"Resources"`
}

type resource struct {
	Type       string    `yaml:"Type"`
	Condition  string    `yaml:"Condition"`
	Properties yaml.Node `yaml:"Properties"`
}

type functionProperties struct {
	Role        yaml.Node `yaml:"Role"`
	Environment struct {
		Variables map[string]yaml.Node `yaml:"Variables"`
	} `yaml:"Environment"`
}

// ReadStack reads the template in the file. Parameters that are not given have their defaults; of lists they are
// separated by commas. Names are those of resources: one that has none there is called as in the template.
func ReadStack(path string, parameters, names map[string]string) (*Stack, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the template: %w", err)
	}
	s := &Stack{parameters: map[string]any{}, names: names}
	if err := yaml.Unmarshal(text, &s.file); err != nil {
		return nil, fmt.Errorf("reading the template: %w", err)
	}
	for name := range parameters {
		if _, ok := s.file.Parameters[name]; !ok {
			return nil, fmt.Errorf("the template has no parameter %s", name)
		}
	}
	for name, p := range s.file.Parameters {
		value, given := parameters[name]
		if !given {
			value = p.Default
		}
		s.parameters[name] = value
		if p.Type == "CommaDelimitedList" {
			list := []any{}
			for one := range strings.SplitSeq(value, ",") {
				list = append(list, one)
			}
			s.parameters[name] = list
		}
	}
	return s, nil
}

// Environment is the environment of a function as the template gives it.
func (s *Stack) Environment(function string) (map[string]string, error) {
	properties, err := s.function(function)
	if err != nil {
		return nil, err
	}
	all := map[string]string{"AWS_REGION": Region, "AWS_LAMBDA_FUNCTION_NAME": s.name(function)}
	for _, variables := range []map[string]yaml.Node{s.file.Globals.Function.Environment.Variables, properties.Environment.Variables} {
		for name, node := range variables {
			value, err := s.resolve(&node)
			if err != nil {
				return nil, fmt.Errorf("variable %s of %s: %w", name, function, err)
			}
			text, ok := value.(string)
			if !ok {
				return nil, fmt.Errorf("variable %s of %s is a %T", name, function, value)
			}
			all[name] = text
		}
	}
	return all, nil
}

func (s *Stack) function(name string) (p functionProperties, err error) {
	r, ok := s.file.Resources[name]
	if !ok || r.Type != "AWS::Serverless::Function" {
		return p, fmt.Errorf("the template has no function %s", name)
	}
	return p, r.Properties.Decode(&p)
}

// Statements are what the function's role is granted, by its own policies and by those of the template.
func (s *Stack) Statements(function string) ([]Statement, error) {
	p, err := s.function(function)
	if err != nil {
		return nil, err
	}
	role, _, _ := strings.Cut(p.Role.Value, ".") // !GetAtt Role.Arn
	var properties struct {
		Policies yaml.Node `yaml:"Policies"`
		Managed  yaml.Node `yaml:"ManagedPolicyArns"`
	}
	if err := s.decode(role, "AWS::IAM::Role", &properties); err != nil {
		return nil, err
	}
	policies, err := s.resolve(&properties.Policies)
	if err != nil {
		return nil, fmt.Errorf("the policies of %s: %w", role, err)
	}
	documents := list(policies)
	managed, err := s.resolve(&properties.Managed)
	if err != nil {
		return nil, fmt.Errorf("the managed policies of %s: %w", role, err)
	}
	for _, name := range texts(managed) {
		var policy yaml.Node
		if err := s.decode(name, "AWS::IAM::ManagedPolicy", &policy); err != nil {
			return nil, err
		}
		document, err := s.resolve(&policy)
		if err != nil {
			return nil, fmt.Errorf("policy %s: %w", name, err)
		}
		documents = append(documents, document)
	}
	attached, err := s.attached(role)
	if err != nil {
		return nil, err
	}
	documents = append(documents, attached...)
	var all []Statement
	for _, d := range documents {
		for _, one := range list(member(member(d, "PolicyDocument"), "Statement")) {
			statement, err := newStatement(one)
			if err != nil {
				return nil, fmt.Errorf("a statement of %s: %w", role, err)
			}
			all = append(all, statement)
		}
	}
	if len(all) == 0 {
		return nil, errors.New(role + " has no statements")
	}
	return all, nil
}

// attached are the policies of a role that are resources of their own.
func (s *Stack) attached(role string) ([]any, error) {
	var all []any
	for name, r := range s.file.Resources {
		if r.Type != "AWS::IAM::RolePolicy" || slices.Contains(s.Off, r.Condition) {
			continue
		}
		policy, err := s.resolve(&r.Properties)
		if err != nil {
			return nil, fmt.Errorf("policy %s: %w", name, err)
		}
		if member(policy, "RoleName") == s.name(role) {
			all = append(all, policy)
		}
	}
	return all, nil
}

func (s *Stack) decode(name, kind string, into any) error {
	r, ok := s.file.Resources[name]
	if !ok || r.Type != kind {
		return fmt.Errorf("the template has no %s %s", kind, name)
	}
	return r.Properties.Decode(into)
}
