package grants

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// none is the value of AWS::NoValue: what has it is not there.
type none struct{}

// resolve returns the value of a node: a text, a list, or a map, with the intrinsic functions that the template uses.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
func (s *Stack) resolve(node *yaml.Node) (any, error) {
	switch node.Tag {
	case "!Ref":
		return s.ref(node.Value)
	case "!GetAtt":
		return s.attribute(node.Value)
	}
	switch node.Kind {
	case 0:
		return none{}, nil
	case yaml.ScalarNode:
		if node.Tag == "!Sub" {
			return s.substitute(node.Value, nil)
		}
		return node.Value, nil
	case yaml.MappingNode:
		all := map[string]any{}
		for i := 0; i+1 < len(node.Content); i += 2 {
			value, err := s.resolve(node.Content[i+1])
			if err != nil {
				return nil, err
			}
			if value != (any)(none{}) {
				all[node.Content[i].Value] = value
			}
		}
		return all, nil
	case yaml.SequenceNode:
		if node.Tag == "!If" {
			if slices.Contains(s.Off, node.Content[0].Value) {
				return s.resolve(node.Content[2])
			}
			return s.resolve(node.Content[1])
		}
		var all []any
		for _, one := range node.Content {
			value, err := s.resolve(one)
			if err != nil {
				return nil, err
			}
			if _, no := value.(none); !no {
				all = append(all, value)
			}
		}
		return s.call(node.Tag, all)
	default:
		return nil, fmt.Errorf("line %d: a node of kind %d", node.Line, node.Kind)
	}
}

// call applies the function of the tag, if it is one's, to its arguments.
func (s *Stack) call(tag string, arguments []any) (any, error) {
	if !strings.HasPrefix(tag, "!") || strings.HasPrefix(tag, "!!") {
		return arguments, nil
	}
	if len(arguments) != 2 {
		return nil, fmt.Errorf("%s of %d", tag, len(arguments))
	}
	first, _ := arguments[0].(string)
	switch tag {
	case "!Sub":
		variables, _ := arguments[1].(map[string]any)
		return s.substitute(first, variables)
	case "!Join":
		return strings.Join(texts(arguments[1]), first), nil
	case "!Split":
		text, _ := arguments[1].(string)
		var parts []any
		for part := range strings.SplitSeq(text, first) {
			parts = append(parts, part)
		}
		return parts, nil
	case "!Select":
		n, err := strconv.Atoi(first)
		if all := texts(arguments[1]); err == nil && n < len(all) {
			return all[n], nil
		}
	}
	return nil, fmt.Errorf("%s %v is not known here", tag, arguments)
}

func (s *Stack) ref(name string) (any, error) {
	switch name {
	case "AWS::NoValue":
		return none{}, nil
	case "AWS::Region":
		return Region, nil
	case "AWS::AccountId":
		return Account, nil
	case "AWS::Partition":
		return "aws", nil
	case "AWS::URLSuffix":
		return "amazonaws.com", nil
	case "AWS::StackName":
		return "test", nil
	}
	if value, ok := s.parameters[name]; ok {
		return value, nil
	}
	if _, ok := s.file.Resources[name]; !ok {
		return nil, fmt.Errorf("there is no %s", name)
	}
	return s.name(name), nil
}

func (s *Stack) name(resource string) string {
	if name, ok := s.names[resource]; ok {
		return name
	}
	return resource
}

// attribute returns the ARN of a resource: it is the only attribute that is asked for here.
func (s *Stack) attribute(path string) (string, error) {
	name, attribute, _ := strings.Cut(path, ".")
	before, ok := map[string]string{
		"AWS::DynamoDB::Table":      "dynamodb:" + Region + ":" + Account + ":table/",
		"AWS::Serverless::Function": "lambda:" + Region + ":" + Account + ":function:",
		"AWS::SQS::Queue":           "sqs:" + Region + ":" + Account + ":",
		"AWS::Logs::LogGroup":       "logs:" + Region + ":" + Account + ":log-group:",
	}[s.file.Resources[name].Type]
	if !ok || attribute != "Arn" {
		return "", fmt.Errorf("!GetAtt %s is not known here", path)
	}
	arn := "arn:aws:" + before + s.name(name)
	if s.file.Resources[name].Type == "AWS::Logs::LogGroup" {
		arn += ":*" // its streams too
	}
	return arn, nil
}

var variable = regexp.MustCompile(`\$\{([^}]+)\}`)

func (s *Stack) substitute(text string, variables map[string]any) (string, error) {
	var failed error
	text = variable.ReplaceAllStringFunc(text, func(found string) string {
		name := found[2 : len(found)-1]
		value, ok := variables[name]
		var err error
		switch {
		case ok:
		case strings.Contains(name, "."):
			value, err = s.attribute(name)
		default:
			value, err = s.ref(name)
		}
		out, ok := value.(string)
		if err == nil && !ok {
			err = fmt.Errorf("%s is a %T", name, value)
		}
		if err != nil {
			failed = err
		}
		return out
	})
	return text, failed
}

// list is a value that may be given alone.
func list(value any) []any {
	switch v := value.(type) {
	case nil, none:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}

func texts(value any) []string {
	var all []string
	for _, one := range list(value) {
		all = append(all, fmt.Sprint(one))
	}
	return all
}

func member(value any, name string) any {
	all, _ := value.(map[string]any)
	return all[name]
}
