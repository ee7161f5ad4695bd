package grants

import (
	"log/slog"
	"maps"
	"slices"
	"testing"

	"example.com/dispatch/functions/internal/functiontest"
	"example.com/dispatch/functions/internal/wiring"
	"github.com/aws/aws-lambda-go/lambda"
)

// Function is one of the stack's, built with the environment that the template gives it, among services that note what
// it calls.
type Function struct {
	lambda.Handler
	Services *Services

	stack *Stack
	name  string
}

// New builds a function of the stack. Its services are at one URL, for all that it calls.
func New(t testing.TB, stack *Stack, name string, services *Services, dynamodb string,
	build func(wiring.Environment, *slog.Logger) (lambda.Handler, error),
) *Function {
	t.Helper()
	environment, err := stack.Environment(name)
	if err != nil {
		t.Fatal(err)
	}
	variables := functiontest.Variables(maps.Clone(environment))
	variables["AWS_ENDPOINT_URL"] = services.Serve(t, dynamodb)
	handler, err := build(variables.Read(t), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return &Function{handler, services, stack, name}
}

// Do invokes the function, which must answer and not fail.
func (f *Function) Do(t testing.TB, event string) functiontest.Answer {
	t.Helper()
	a := functiontest.Invoke(t, f, event)
	if a.ErrorType != "" {
		t.Fatalf("%s: %+v", event, a)
	}
	return a
}

// Check compares what was called so far, by the function and in its name, with what its role is granted: see [Compare].
func (f *Function) Check(t testing.TB, byAWS ...Reasons) {
	t.Helper()
	statements, err := f.stack.Statements(f.name)
	if err != nil {
		t.Fatal(err)
	}
	calls := f.Services.Calls()
	for _, reasons := range byAWS {
		calls = slices.AppendSeq(calls, maps.Keys(reasons))
	}
	for _, fault := range Compare(statements, calls) {
		t.Error(fault)
	}
}
