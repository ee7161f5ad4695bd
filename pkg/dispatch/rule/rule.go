// Package rule evaluates the rules that decide whether a task is sent: expressions of expr-lang over the
// task and its body. A rule has no side effects, no loops but over the body's lists, and bounded size.
//
// A rule knows
//
//	body                  what is sent: body.status == "paid", len(body.items) > 0; of a task with claims, those
//	id, queue, group      the task's, as texts; identifier and type too
//	method, uri           of the call
//	attempt, run          their numbers, from 1
//	createdAt, dueAt      Unix seconds
//
// and the functions len, lower, upper, trim, abs, min, max and, on one list at a time, all, any, none, one,
// filter, map and count. A field that the body lacks is nil; what cannot be compared is an error.
package rule

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/vm"

	"example.com/dispatch/pkg/dispatch"
)

const (
	maxNodes  = 200
	maxMemory = 100_000 // elements that an evaluation may make
)

// Check says what is wrong with a rule, nil if nothing.
func Check(rule string) error {
	_, err := compile(rule)
	return err
}

// Allows evaluates a rule for a call that is about to be made.
func Allows(rule string, c dispatch.Call) (bool, error) {
	program, err := compile(rule)
	if err != nil {
		return false, err
	}
	env, err := known(c)
	if err != nil {
		return false, err
	}
	machine := vm.VM{MemoryBudget: maxMemory}
	out, err := machine.Run(program, env)
	if err != nil {
		return false, fmt.Errorf("evaluating: %w", err)
	}
	yes, ok := out.(bool)
	if !ok {
		return false, fmt.Errorf("it is %T, not true or false", out)
	}
	return yes, nil
}

func compile(rule string) (*vm.Program, error) {
	options := []expr.Option{expr.Env(environment{}), expr.AsBool(), expr.MaxNodes(maxNodes), expr.DisableAllBuiltins()}
	for _, name := range []string{"len", "lower", "upper", "trim", "abs", "min", "max"} {
		options = append(options, expr.EnableBuiltin(name))
	}
	program, err := expr.Compile(rule, options...)
	if err != nil {
		return nil, err
	}
	v := &nesting{}
	if node := program.Node(); node != nil {
		ast.Walk(&node, v)
	}
	if v.found {
		return nil, errNested
	}
	return program, nil
}

var errNested = errors.New("a predicate within a predicate could take for ever: look at one list at a time")

// nesting finds predicates, such as any's, within others.
type nesting struct{ found bool }

// Visit implements [ast.Visitor].
func (n *nesting) Visit(node *ast.Node) {
	p, ok := (*node).(*ast.PredicateNode)
	if !ok {
		return
	}
	in := &inner{}
	ast.Walk(&p.Node, in)
	n.found = n.found || in.predicates > 0
}

type inner struct{ predicates int }

// Visit implements [ast.Visitor].
func (i *inner) Visit(node *ast.Node) {
	if _, ok := (*node).(*ast.PredicateNode); ok {
		i.predicates++
	}
}

// environment is what a rule knows.
type environment struct {
	Body       any    `expr:"body"`
	ID         string `expr:"id"`
	Queue      string `expr:"queue"`
	Tenant     string `expr:"tenant"`
	Group      string `expr:"group"`
	Identifier string `expr:"identifier"`
	Type       string `expr:"type"`
	Method     string `expr:"method"`
	URI        string `expr:"uri"`
	Attempt    int    `expr:"attempt"`
	Run        int    `expr:"run"`
	CreatedAt  int64  `expr:"createdAt"`
	DueAt      int64  `expr:"dueAt"`
}

func known(c dispatch.Call) (environment, error) {
	e := environment{
		ID: c.Task.ID, Queue: c.Task.Queue, Tenant: c.Task.Tenant, Group: c.Task.Group, Identifier: c.Doc.Identifier, Type: c.Doc.Type, Method: c.Doc.Method, URI: c.Doc.URI,
		Attempt: c.Attempt, Run: c.Task.Run, CreatedAt: c.Doc.CreatedAt.Unix(), DueAt: c.Task.DueAt.Unix(),
	}
	content := c.Doc.Body
	if len(content) == 0 {
		content = c.Doc.Claims
	}
	if len(content) > 0 {
		if err := json.Unmarshal(content, &e.Body); err != nil {
			return e, fmt.Errorf("reading the body: %w", err)
		}
	}
	return e, nil
}
