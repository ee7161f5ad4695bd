package table

import (
	"bytes"
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// expression evaluates conditions and updates on a row: of DynamoDB's grammar what package dynamo uses, which is
// comparisons, IN, AND, OR, NOT, parentheses, attribute_exists and attribute_not_exists; SET with +, if_not_exists, and
// REMOVE. Anything else is an error.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html
type expression struct {
	row    Row
	names  map[string]string
	values Row
	err    error

	tokens []string
}

var (
	token = regexp.MustCompile(`\s*(#\w+|:\w+|\w+|<=|>=|<>|[=<>(),+])`)
	split sync.Map // the tokens of each expression seen: there are few
)

func tokensOf(text string) []string {
	if known, ok := split.Load(text); ok {
		return known.([]string)
	}
	var tokens []string
	for _, m := range token.FindAllStringSubmatch(text, -1) {
		tokens = append(tokens, m[1])
	}
	split.Store(text, tokens)
	return tokens
}

// holds evaluates a condition.
func (e *expression) holds(text string) bool {
	e.tokens = tokensOf(text)
	yes := e.or()
	if len(e.tokens) > 0 {
		e.fail("the condition goes on with %q: %s", e.tokens[0], text)
	}
	return yes
}

func (e *expression) fail(format string, args ...any) {
	if e.err == nil {
		e.err = invalid(format, args...)
	}
	e.tokens = nil
}

func (e *expression) peek() string {
	if len(e.tokens) == 0 {
		return ""
	}
	return e.tokens[0]
}

func (e *expression) take() string {
	t := e.peek()
	if t == "" {
		e.fail("the expression ends too early")
		return ""
	}
	e.tokens = e.tokens[1:]
	return t
}

func (e *expression) want(t string) {
	if got := e.take(); got != t {
		e.fail("%q is where %q should be", got, t)
	}
}

func (e *expression) or() bool {
	yes := e.and()
	for e.peek() == "OR" {
		e.take()
		yes = e.and() || yes
	}
	return yes
}

func (e *expression) and() bool {
	yes := e.not()
	for e.peek() == "AND" {
		e.take()
		yes = e.not() && yes
	}
	return yes
}

func (e *expression) not() bool {
	switch e.peek() {
	case "NOT":
		e.take()
		return !e.not()
	case "(":
		e.take()
		yes := e.or()
		e.want(")")
		return yes
	case "attribute_exists", "attribute_not_exists":
		exists := e.take() == "attribute_exists"
		e.want("(")
		v := e.row[e.name(e.take())]
		e.want(")")
		return (v != nil) == exists
	}
	left := e.operand()
	op := e.take()
	if op != "IN" {
		return compare(op, left, e.operand())
	}
	e.want("(")
	yes := compare("=", left, e.operand())
	for e.peek() == "," {
		e.take()
		yes = compare("=", left, e.operand()) || yes
	}
	e.want(")")
	return yes
}

func (e *expression) name(alias string) string {
	name, ok := e.names[alias]
	if !ok {
		e.fail("there is no name %s", alias)
	}
	return name
}

// operand is an attribute, nil if the row has not got it, or a value.
func (e *expression) operand() types.AttributeValue {
	t := e.take()
	if !strings.HasPrefix(t, ":") {
		return e.row[e.name(t)]
	}
	v, ok := e.values[t]
	if !ok {
		e.fail("there is no value %s", t)
	}
	return v
}

// compare is false for values of different types, and for those that are missing.
func compare(op string, a, b types.AttributeValue) bool {
	var order int
	switch a := a.(type) {
	case *types.AttributeValueMemberS:
		b, ok := b.(*types.AttributeValueMemberS)
		if !ok {
			return false
		}
		order = cmp.Compare(a.Value, b.Value)
	case *types.AttributeValueMemberN:
		b, ok := b.(*types.AttributeValueMemberN)
		if !ok {
			return false
		}
		order = cmp.Compare(integer(a), integer(b))
	case *types.AttributeValueMemberB:
		b, ok := b.(*types.AttributeValueMemberB)
		if !ok {
			return false
		}
		order = bytes.Compare(a.Value, b.Value)
	default:
		return false
	}
	switch op {
	case "=":
		return order == 0
	case "<>":
		return order != 0
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	case ">=":
		return order >= 0
	}
	return false
}

func integer(v types.AttributeValue) int64 {
	n, ok := v.(*types.AttributeValueMemberN)
	if !ok {
		return 0
	}
	i, _ := strconv.ParseInt(n.Value, 10, 64)
	return i
}

// apply evaluates an update on the row as it was, and changes after.
func (e *expression) apply(text string, after Row) {
	e.tokens = tokensOf(text)
	for e.err == nil && len(e.tokens) > 0 {
		switch clause := e.take(); clause {
		case "SET":
			e.list(func() {
				name := e.name(e.take())
				e.want("=")
				if v := e.sum(); v == nil {
					e.fail("the update sets %s to nothing: %s", name, text)
				} else {
					after[name] = own(v)
				}
			})
		case "REMOVE":
			e.list(func() { delete(after, e.name(e.take())) })
		default:
			e.fail("the model has no %s", clause)
		}
	}
}

func (e *expression) list(one func()) {
	for one(); e.peek() == ","; one() {
		e.take()
	}
}

// sum is a value, or two added.
func (e *expression) sum() types.AttributeValue {
	v := e.set()
	if e.peek() != "+" {
		return v
	}
	e.take()
	more := e.set()
	if v == nil || more == nil {
		return nil
	}
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(integer(v)+integer(more), 10)}
}

func (e *expression) set() types.AttributeValue {
	if e.peek() != "if_not_exists" {
		return e.operand()
	}
	e.take()
	e.want("(")
	v := e.row[e.name(e.take())]
	e.want(",")
	otherwise := e.operand()
	e.want(")")
	if v == nil {
		return otherwise
	}
	return v
}

// byKey orders the entries of an index by its sort key, if it has one, and the id.
func byKey(index string) func(a, b Row) int {
	names := slices.Clone(indexes[index])[1:]
	return func(a, b Row) int {
		for _, name := range names {
			if c := cmp.Compare(integer(a[name]), integer(b[name])); c != 0 {
				return c
			}
		}
		return cmp.Compare(idOf(a), idOf(b))
	}
}
