package grants

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Statement is one of a policy that allows something.
type Statement struct {
	Sid        string
	Actions    []string
	Resources  []string                       // with * for anything
	Conditions map[string]map[string][]string // operator, key, values
}

// Call is what IAM is asked for a request.
type Call struct {
	Action   string // such as dynamodb:PutItem
	Resource string // ARN
	Keys     string // the condition key that the request has, as name=value, by commas; "" for none
}

func newStatement(value any) (Statement, error) {
	all, ok := value.(map[string]any)
	if !ok {
		return Statement{}, fmt.Errorf("it is a %T", value)
	}
	s := Statement{
		Sid: fmt.Sprint(all["Sid"]), Actions: texts(all["Action"]), Resources: texts(all["Resource"]), Conditions: map[string]map[string][]string{},
	}
	conditions, _ := all["Condition"].(map[string]any)
	for operator, keys := range conditions {
		s.Conditions[operator] = map[string][]string{}
		of, _ := keys.(map[string]any)
		for key, values := range of {
			s.Conditions[operator][key] = texts(values)
		}
	}
	if all["Effect"] != "Allow" || len(s.Actions) == 0 || len(s.Resources) == 0 {
		return s, errors.New(s.Sid + " allows nothing")
	}
	return s, nil
}

// allows reports whether the statement, for this action and resource of it, allows the call.
func (s Statement) allows(action, resource string, c Call) bool {
	if action != c.Action || !like(resource, c.Resource) {
		return false
	}
	has := map[string][]string{}
	for pair := range strings.SplitSeq(c.Keys, ",") {
		if name, value, ok := strings.Cut(pair, "="); ok {
			has[name] = append(has[name], value)
		}
	}
	for operator, keys := range s.Conditions {
		for key, values := range keys {
			if !holds(operator, values, has[key]) {
				return false
			}
		}
	}
	return true
}

// holds evaluates the operators that the template uses.
func holds(operator string, wanted, has []string) bool {
	matches := func(value string) bool {
		return slices.ContainsFunc(wanted, func(pattern string) bool {
			return pattern == value || strings.HasSuffix(operator, "StringLike") && like(pattern, value)
		})
	}
	switch operator {
	case "ForAllValues:StringLike", "ForAllValues:StringEquals": // true of none at all, as IAM has it
		return !slices.ContainsFunc(has, func(value string) bool { return !matches(value) })
	case "StringEquals", "StringLike":
		return len(has) == 1 && matches(has[0])
	default:
		return false
	}
}

// like reports whether the text is as the pattern, in which * is any text.
func like(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	rest, ok := strings.CutPrefix(text, parts[0])
	for _, part := range parts[1 : len(parts)-1] {
		_, after, found := strings.Cut(rest, part)
		rest, ok = after, ok && found
	}
	return ok && strings.HasSuffix(rest, parts[len(parts)-1])
}

// Compare returns what is called and not granted, and what is granted and not called: each action of a statement on each of
// its resources must have been needed.
func Compare(statements []Statement, calls []Call) []string {
	var faults []string
	allowed := map[Call]bool{}
	for _, s := range statements {
		for _, action := range s.Actions {
			for _, resource := range s.Resources {
				used := false
				for _, c := range calls {
					if s.allows(action, resource, c) {
						used, allowed[c] = true, true
					}
				}
				if !used {
					faults = append(faults, fmt.Sprintf("%s grants %s on %s, which nothing uses", s.Sid, action, resource))
				}
			}
		}
	}
	for _, c := range calls {
		if !allowed[c] {
			faults = append(faults, fmt.Sprintf("%s on %s (%s) is called, and not granted", c.Action, c.Resource, c.Keys))
		}
	}
	slices.Sort(faults)
	return slices.Compact(faults)
}
