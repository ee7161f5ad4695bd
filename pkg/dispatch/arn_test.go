package dispatch_test

import (
	"testing"

	"example.com/dispatch/pkg/dispatch"
)

// What may be in an ARN is tested with the schema; here, what is read out of it.
func TestParseARN(t *testing.T) {
	for _, c := range []struct {
		uri  string
		want dispatch.ARN
	}{
		{"arn:aws:lambda:eu-west-1:123456789012:function:invoices",
			dispatch.ARN{Service: "lambda", Region: "eu-west-1", Name: "invoices", Base: "arn:aws:lambda:eu-west-1:123456789012:function:invoices"}},
		{"arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:invoices:live",
			dispatch.ARN{Service: "lambda", Region: "us-gov-west-1", Name: "invoices", Base: "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:invoices"}},
		{"arn:aws:states:eu-west-1:123456789012:stateMachine:Onboarding:3",
			dispatch.ARN{Service: "states", Region: "eu-west-1", Name: "Onboarding", Base: "arn:aws:states:eu-west-1:123456789012:stateMachine:Onboarding"}},
	} {
		got, err := dispatch.ParseARN(c.uri)
		if err != nil || got != c.want || !dispatch.IsARN(c.uri) {
			t.Errorf("%s: %+v, %v, want %+v", c.uri, got, err, c.want)
		}
	}
	if dispatch.IsARN("https://arn:aws@example.com/") {
		t.Error("a URL is taken for an ARN")
	}
}
