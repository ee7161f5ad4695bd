package schema_test

import (
	"strings"
	"testing"

	"example.com/dispatch/pkg/dispatch/schema"
)

const (
	function = "arn:aws:lambda:eu-west-1:123456789012:function:f"
	machine  = "arn:aws:states:eu-west-1:123456789012:stateMachine:m"
)

func TestARNs(t *testing.T) {
	validator := compile(t, schema.Task())
	ask := func(input string, want bool) {
		t.Helper()
		_, faults := enqueued(t, newEnqueue(), input)
		if err := validator.Validate(decode(t, input)); (faults == nil) != want || (err == nil) != want {
			t.Errorf("%.200s: parser %v, schema %v, want accepted %t", input, faults, err, want)
		}
	}
	for _, c := range []struct {
		uri string
		ok  bool
	}{
		{function, true}, {function + ":7", true}, {function + ":live_1-b", true}, {function + ":$LATEST", true}, {function + ":" + long(128), true}, {function + ":" + long(129), false},
		{function + ":", false}, {function + ":a.b", false}, {function + ":$latest", false}, {function + ":1:2", false}, {function + long(63), true}, {function + long(64), false}, {function + ".x", false}, {function + "/x", false},
		{machine, true}, {machine + ":3", true}, {machine + ":a.b-c_d", true}, {machine + ":" + long(80), true}, {machine + ":" + long(81), false}, {machine + ":", false}, {machine + "!'()+.=@_-", true},
		{machine + "/label", false}, {machine + long(79), true}, {machine + long(80), false}, {machine + "&", false}, {machine + `\n`, false}, {machine + `:1\n`, false}, {machine + " ", false},
		{"arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:f", true}, {"arn:aws-eusc:lambda:eusc-de-east-1:123456789012:function:f", true}, {"arn:aws-cn:states:cn-north-1:123456789012:stateMachine:m", true},
		{"arn:gcp:lambda:eu-west-1:123456789012:function:f", false}, {"arn:aws1:lambda:eu-west-1:123456789012:function:f", false}, {"arn:aws" + long(17) + ":lambda:eu-west-1:123456789012:function:f", true}, {"arn:aws" + long(18) + ":lambda:eu-west-1:123456789012:function:f", false},
		{"arn:aws:lambda::123456789012:function:f", false}, {"arn:aws:lambda:eu:123456789012:function:f", false}, {"arn:aws:lambda:eu-west:123456789012:function:f", false}, {"arn:aws:lambda:eu-west-1.evil:123456789012:function:f", false},
		{"arn:aws:lambda:evil.example/-x-1:123456789012:function:f", false}, {"arn:aws:lambda:eu-west-123:123456789012:function:f", false}, {"arn:aws:lambda:e-west-1:123456789012:function:f", false}, {"arn:aws:lambda:a-b-c-d-e-1:123456789012:function:f", false}, {"arn:aws:lambda:EU-WEST-1:123456789012:function:f", false},
		{"arn:aws:lambda:eu-west-1:12345678901:function:f", false}, {"arn:aws:lambda:eu-west-1::function:f", false}, {"arn:aws:lambda:eu-west-1:12345678901x:function:f", false},
		{"arn:aws:lambda:eu-west-1:123456789012:stateMachine:m", false}, {"arn:aws:states:eu-west-1:123456789012:function:f", false}, {"arn:aws:states:eu-west-1:123456789012:express:m:a:b", false}, {"arn:aws:sqs:eu-west-1:123456789012:q", false},
		{"arn:aws:lambda:eu-west-1:123456789012:function", false}, {"arn:aws:lambda:eu-west-1:123456789012:function:", false}, {"ARN:aws:lambda:eu-west-1:123456789012:function:f", false}, {" " + function, false}, {"arn:", false},
	} {
		ask(`{"uri":"`+c.uri+`"}`, c.ok)
		ask(`{`+uri+`,"onFailure":{"uri":"`+c.uri+`"}}`, c.ok)
	}
	for fields, ok := range map[string]bool{
		`"method":"POST"`: true, `"method":""`: true, `"method":null`: true, `"method":"PUT"`: false, `"method":"DELETE"`: false, `"method":"GET"`: false,
		`"headers":{}`: true, `"headers":null`: true, `"headers":{"A":"b"}`: false, `"format":"raw"`: true, `"format":"envelope"`: true,
		`"successCodes":null`: true, `"successCodes":200`: false, `"stopCodes":[404]`: true, `"waitCodes":[429]`: true, `"httpTimeout":600`: true, `"redirects":0`: true, `"redirects":null`: true, `"redirects":1`: false, `"attempts":{"limit":3}`: true,
	} {
		ask(`{"uri":"`+function+`",`+fields+`}`, ok)
		ask(`{`+uri+`,"onSuccess":{"uri":"`+machine+`",`+fields+`}}`, ok)
	}
	config := compile(t, schema.Settings())
	for fields, ok := range map[string]bool{
		``: true, `,"method":"POST"`: true, `,"method":"PUT"`: false, `,"headers":{}`: true, `,"headers":{"A":"b"}`: false, `,"successCodes":200`: false, `,"sender":"me"`: true, `,"redirects":1`: false, `,"stopCodes":404`: true,
	} {
		input := `{"routes":{"a":{"targets":[{"name":"a","uri":"` + machine + `"` + fields + `}]}}}`
		if faults, err := configured(t, input), config.Validate(decode(t, input)); (faults == nil) != ok || (err == nil) != ok {
			t.Errorf("%s: parser %v, schema %v, want accepted %t", input, faults, err, ok)
		}
	}
	ask(`{"uri":"`+function+`","successCode":200}`, false)
	ask(`{"uri":"`+function+`","claims":{}}`, true)
	ask(`{"uri":"`+machine+`","claims":{},"format":"raw"}`, true)
	ask(`{"uri":"`+function+`","body":"`+strings.Repeat("a", 300<<10)+`"}`, true)
}
