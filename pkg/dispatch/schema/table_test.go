package schema_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/dispatch/pkg/dispatch/schema"
)

// long is a text of n characters.
func long(n int) string { return strings.Repeat("a", n) }

// list is a JSON list of n times the same.
func list(n int, item string) string {
	return "[" + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + "]"
}

// Each field of a task, at its limits and just beyond: schema and parser say the same.
func TestTaskFields(t *testing.T) {
	const small, tenYears, fortnight = "0.999", 315360000, 1209600
	name := func(field string) (good, bad []string) {
		return []string{field + `:"a"`, field + `:"Az09_.:-"`, field + `:"` + long(128) + `"`, field + `:null`},
			[]string{field + `:""`, field + `:"` + long(129) + `"`, field + `:"a b"`, field + `:"a/b"`, field + `:"é"`, field + `:"a\n"`, field + `:1`}
	}
	codes := func(field string) (good, bad []string) {
		for _, v := range []string{`100`, `599`, `"100"`, `"599"`, `"1xx"`, `"5XX"`, `"2xX"`, `"100-599"`, `"200-200"`, `[200]`, `["2xx",404,"500-503"]`, `null`} {
			good = append(good, field+`:`+v)
		}
		for _, v := range []string{`99`, `600`, `-200`, `200.5`, `"099"`, `"600"`, `"0xx"`, `"6xx"`, `"xx"`, `"20"`, `"200-600"`, `"099-200"`, `"200-"`, `"200-201-202"`, `" 200"`, `"2xx "`, `""`, `true`, `{}`,
			`[null]`, `[[200]]`, `[200,99]`, `[true]`} {
			bad = append(bad, field+`:`+v)
		}
		return good, bad
	}
	numbers := func(field, least, most, under, over string, whole bool) (good, bad []string) {
		good = []string{field + `:` + least, field + `:` + most, field + `:null`}
		bad = []string{field + `:` + under, field + `:` + over, field + `:"` + most + `"`, field + `:true`, field + `:[]`}
		if half := field + `:` + least + `.5`; whole {
			bad = append(bad, half)
		} else if !strings.Contains(least, ".") && least != most {
			good = append(good, half)
		}
		return good, bad
	}
	instants := func(field string) (good, bad []string) {
		for _, v := range []string{`1800000000`, `1800000000.25`, `100000000000`, `"2030-01-31T12:00:00Z"`, `"2030-01-31T12:00:00.123456789+02:00"`, `"2030-12-31T23:59:59-24:60"`, `null`} {
			good = append(good, field+`:`+v)
		}
		for _, v := range []string{`0`, small, `-1`, `100000000001`, `1800000000000`, `true`, `{}`, `""`, `"soon"`, `"1800000000"`, `"2030-01-31"`, `"2030-01-31T12:00:00"`, `"2030-01-31 12:00:00Z"`, `"2030-01-31t12:00:00z"`,
			`"2030-13-01T12:00:00Z"`, `"2030-00-01T12:00:00Z"`, `"2030-01-32T12:00:00Z"`, `"2030-01-00T12:00:00Z"`, `"2030-01-31T24:00:00Z"`, `"2030-01-31T12:60:00Z"`, `"2030-01-31T12:00:60Z"`, `"2030-01-31T12:00:00.Z"`,
			`"2030-01-31T12:00:00+25:00"`, `"2030-01-31T12:00:00+00:61"`, `"2030-01-31T12:00:00+0100"`, `"1968-12-31T23:59:59Z"`, `"02030-01-31T12:00:00Z"`, `"2030-01-31T1:00:00Z"`, `"2030-01-31T12:00:00,5Z"`} {
			bad = append(bad, field+`:`+v)
		}
		return good, bad
	}
	var good, bad []string
	both := func(g, b []string) { good, bad = append(good, g...), append(bad, b...) }
	both(name(`"id"`))
	both(name(`"group"`))
	both(name(`"identifier"`))
	both(codes(`"stopCodes"`))
	both(codes(`"waitCodes"`))
	good = append(good, `"stopCodes":[]`, `"waitCodes":[]`)
	both(codes(`"successCode"`))
	both(instants(`"dueAt"`))
	both(numbers(`"delay"`, `0`, fmt.Sprint(tenYears), `-0.001`, `315360000.5`, false))
	both(numbers(`"lifetime"`, `1`, fmt.Sprint(tenYears), small, `315360000.5`, false))
	both(numbers(`"httpTimeout"`, `1`, `600`, `0`, `601`, true))
	both(numbers(`"redirects"`, `0`, `5`, `-1`, `6`, true))
	both(numbers(`"notifyAttempts"`, `1`, `1000000`, `0`, `1000001`, true))
	good = append(good, ``, `"expireAt":"2030-01-31T12:00:00Z"`, `"expireAt":1800000000`, `"expireAt":null`,
		`"successCodes":200`, `"successCodes":["2xx"]`, `"successCodes":null,"successCode":200`,
		`"method":"GET"`, `"method":"POST"`, `"method":"PUT"`, `"method":"PATCH"`, `"method":"DELETE"`, `"method":""`, `"method":null`, `"method":"GET","body":null,"claims":null`,
		`"method":"DELETE","body":1`,
		`"headers":{}`, `"headers":null`, `"headers":{"a":{"secret":"x"},"b":{"secret":"/Az09_+=.@-"},"c":{"secret":"`+long(256)+`"}}`, `"headers":{"X-A":"b c","x!#$%&'*+-.^_|~`+"`"+`":"","Y":"a\tb","Z":"é","Q":"`+long(9000)+`"}`, `"headers":{"Hosts":"x","TEE":"x","Dispatch":"x","Proxy":"x","XHost":"x"}`,
		`"body":1`, `"body":""`, `"body":[]`, `"body":{"a":{"b":null}}`, `"body":false`, `"body":null`,
		`"claims":{}`, `"claims":{"exp":1800000000,"a":[1]}`, `"claims":{"exp":null}`, `"claims":null`, `"claims":{},"body":null`, `"body":1,"claims":null`,
		`"format":"envelope"`, `"format":"raw"`, `"format":""`, `"format":null`,
		`"dueAt":1800000000,"delay":null`, `"dueAt":null,"delay":1`, `"expireAt":null,"lifetime":1`, `"expireAt":1800000000,"lifetime":null`,
		`"queue":"bulk"`, `"queue":"default"`, `"queue":""`, `"queue":null`, `"tenant":"a"`, `"tenant":"az09_-"`, `"tenant":"`+long(64)+`"`, `"tenant":null`,
		`"group":"g","groupOnFailure":"next"`, `"group":"g","groupOnFailure":"hold"`, `"groupOnFailure":""`, `"groupOnFailure":null`,
		`"onConflict":"keep"`, `"id":"a","onConflict":"replaceFinished"`, `"id":"a","onConflict":"replace"`, `"onConflict":""`, `"onConflict":null`,
		`"when":"attempt < 3"`, `"when":null`, `"when":"true`+strings.Repeat(" ", 4092)+`"`,
		`"onFailure":null`, `"onSuccess":null`, `"attempts":null`)
	bad = append(bad, `"expireAt":0`, `"expireAt":"soon"`, `"expireAt":1800000000000`, `"x":1`, `"URI":1`, `"url":1`,
		`"successCodes":[]`, `"successCode":[]`, `"successCodes":99`, `"successCodes":["6xx"]`, `"successCodes":{}`, `"successCodes":200,"successCode":200`, `"successCodes":200,"successCode":"x"`,
		`"method":"get"`, `"method":"HEAD"`, `"method":1`, `"method":"GET","body":1`, `"method":"GET","body":false`, `"method":"GET","claims":{}`,
		`"headers":[]`, `"headers":"x"`, `"headers":{"":"x"}`, `"headers":{"a b":"x"}`, `"headers":{"é":"x"}`, `"headers":{"a:":"x"}`, `"headers":{"a":1}`, `"headers":{"a":null}`, `"headers":{"a":{}}`, `"headers":{"a":{"secret":""}}`, `"headers":{"a":{"secret":null}}`, `"headers":{"a":{"secret":1}}`, `"headers":{"a":{"secret":"x y"}}`, `"headers":{"a":{"secret":"x:y"}}`,
		`"headers":{"a":{"secret":"`+long(257)+`"}}`, `"headers":{"a":{"secret":"x","value":"y"}}`, `"headers":{"a":{"Secret":"x"}}`, `"headers":{"Host":{"secret":"x"}}`, `"headers":{"a":["x"]}`,
		`"headers":{"a":" x"}`, `"headers":{"a":"x "}`, `"headers":{"a":"\tx"}`, `"headers":{"a":" "}`, `"headers":{"a":"x\r\ny"}`, `"headers":{"a":"x\n"}`, `"headers":{"a":"\u0000"}`, `"headers":{"a":"x\u007f"}`,
		`"claims":[]`, `"claims":"x"`, `"claims":1`, `"claims":{"exp":"1800000000"}`, `"claims":{"exp":true}`, `"claims":{},"body":1`, `"claims":{},"body":false`,
		`"format":"Raw"`, `"format":"xml"`, `"format":1`,
		`"dueAt":1800000000,"delay":1`, `"dueAt":1800000000,"delay":0`, `"expireAt":1800000000,"lifetime":1`,
		`"queue":"Bulk"`, `"queue":"a b"`, `"queue":"`+long(65)+`"`, `"queue":1`, `"tenant":""`, `"tenant":"*"`, `"tenant":"A"`, `"tenant":"a.b"`, `"tenant":"`+long(65)+`"`, `"tenant":1`,
		`"groupOnFailure":"next"`, `"groupOnFailure":"hold","group":null`, `"group":"g","groupOnFailure":"stop"`, `"group":"g","groupOnFailure":1`,
		`"onConflict":"replace"`, `"onConflict":"replaceFinished","id":null`, `"id":"a","onConflict":"Replace"`, `"id":"a","onConflict":1`,
		`"when":""`, `"when":1`, `"when":"true`+strings.Repeat(" ", 4093)+`"`,
		`"onFailure":{}`, `"onFailure":[]`, `"onSuccess":"https://example.com/"`, `"attempts":3`, `"attempts":[]`)
	for _, name := range []string{"Connection", "content-length", "EXPECT", "Host", "idempotency-Key", "Keep-Alive", "te", "Trailer", "Transfer-Encoding", "upgrade", "WEBHOOK-id", "webhook-Signature", "Webhook-Timestamp", "Dispatch-", "dispatch-x", "Proxy-Foo"} {
		bad = append(bad, fmt.Sprintf(`"headers":{%q:"x"}`, name))
	}
	compare(t, "task", good, bad)

	good, bad = nil, nil
	both(numbers(`"limit"`, `1`, `1000000`, `0`, `1000001`, true))
	both(numbers(`"interval"`, `1`, fmt.Sprint(fortnight), `0`, `1209601`, true))
	both(numbers(`"backoff"`, `1`, `100`, small, `100.1`, false))
	both(numbers(`"maxInterval"`, `60`, fmt.Sprint(fortnight), `0`, `1209601`, true))
	both(numbers(`"jitter"`, `0`, `1`, `-0.1`, `1.1`, false))
	good = append(good, ``, `"interval":1,"maxInterval":1`, `"interval":1,"maxInterval":59`, `"interval":null,"maxInterval":60`, `"intervals":null,"interval":5`,
		`"intervals":[1]`, `"intervals":[1209600,1]`, `"intervals":`+list(100, "5"), `"intervals":[5],"limit":3,"jitter":0.5`, `"intervals":[5],"interval":null,"backoff":null,"maxInterval":null`)
	bad = append(bad, `"x":1`, `"maxInterval":59`, `"interval":null,"maxInterval":59`,
		`"intervals":[]`, `"intervals":[0]`, `"intervals":[1209601]`, `"intervals":[1.5]`, `"intervals":[null]`, `"intervals":["5"]`, `"intervals":5`, `"intervals":{}`, `"intervals":`+list(101, "5"),
		`"intervals":[5],"interval":5`, `"intervals":[5],"backoff":1`, `"intervals":[5],"maxInterval":60`)
	for _, where := range []string{"attempts", "attempts of a callback", "attempts of a queue"} {
		compare(t, where, good, bad)
	}

	good, bad = nil, nil
	both(codes(`"stopCodes"`))
	both(codes(`"waitCodes"`))
	good = append(good, `"stopCodes":[]`, `"waitCodes":[]`)
	both(numbers(`"httpTimeout"`, `1`, `600`, `0`, `601`, true))
	both(numbers(`"redirects"`, `0`, `5`, `-1`, `6`, true))
	both(numbers(`"lifetime"`, `1`, fmt.Sprint(tenYears), small, `315360000.5`, false))
	good = append(good, ``, `"method":"POST"`, `"method":"DELETE"`, `"method":""`, `"headers":{"a":"b"}`, `"format":"raw"`, `"successCodes":200`, `"attempts":{"limit":3}`, `"queue":"bulk"`)
	bad = append(bad, `"method":"GET"`, `"successCode":200`, `"successCodes":[]`, `"body":1`, `"claims":{}`, `"group":"g"`, `"id":"a"`, `"when":"true"`, `"onFailure":{`+uri+`}`, `"dueAt":1800000000`, `"delay":1`, `"expireAt":1800000000`,
		`"headers":{"Host":"x"}`, `"format":"xml"`, `"attempts":{"limit":0}`, `"queue":"A"`)
	compare(t, "onFailure", good, bad)
	compare(t, "onSuccess", good, bad)
}

func TestSettingsFields(t *testing.T) {
	compare(t, "settings", []string{``, `"redact":null`, `"redact":[]`, `"redact":["X-Customer","x!"]`, `"redact":` + list(100, `"a"`), `"queues":null`, `"queues":{}`, `"circuit":null`, `"circuit":{}`, `"circuit":{"failures":0}`, `"circuit":{"failures":1000,"interval":5}`, `"circuit":{"interval":3600}`, `"queues":{"a":{}}`, `"queues":{"az09_-":{},"` + long(64) + `":{}}`},
		[]string{`"x":1`, `"circuit":true`, `"circuit":{"x":1}`, `"circuit":{"failures":-1}`, `"circuit":{"failures":1001}`, `"circuit":{"failures":1.5}`, `"circuit":{"interval":4}`, `"circuit":{"interval":3601}`, `"redact":"a"`, `"redact":{}`, `"redact":[""]`, `"redact":["a b"]`, `"redact":[1]`, `"redact":[null]`, `"redact":` + list(101, `"a"`), `"queues":[]`, `"queues":1`, `"queues":{"a":null}`, `"queues":{"a":[]}`, `"queues":{"":{}}`, `"queues":{"A":{}}`, `"queues":{"a b":{}}`, `"queues":{"a.b":{}}`, `"queues":{"a\n":{}}`, `"queues":{"` + long(65) + `":{}}`})
	compare(t, "queue", []string{``, `"lanes":1`, `"lanes":100`, `"lanes":null`, `"priority":-1000`, `"priority":1000`, `"priority":0`, `"sweepLimit":1`, `"sweepLimit":1000000`, `"rate":0.01`, `"rate":100000`, `"inFlight":1`, `"inFlight":1000`,
		`"paused":true`, `"paused":false`, `"paused":null`, `"retired":true`, `"retired":null`, `"defaults":{}`, `"defaults":null`},
		[]string{`"x":1`, `"lanes":0`, `"lanes":101`, `"lanes":1.5`, `"lanes":"1"`, `"priority":-1001`, `"priority":1001`, `"priority":0.5`, `"sweepLimit":0`, `"sweepLimit":1000001`, `"sweepLimit":1.5`, `"rate":0`, `"rate":0.009`, `"rate":100000.5`, `"rate":"1"`,
			`"inFlight":0`, `"inFlight":1001`, `"inFlight":1.5`, `"paused":1`, `"paused":"true"`, `"retired":0`, `"defaults":[]`, `"defaults":1`})
	for _, where := range []string{"tenant", "queue of a tenant"} {
		compare(t, where, []string{``, `"rate":0.01`, `"rate":100000`, `"rate":null`, `"inFlight":1`, `"inFlight":1000`, `"inFlight":null`},
			[]string{`"x":1`, `"rate":0`, `"rate":0.009`, `"rate":100000.5`, `"rate":"1"`, `"inFlight":0`, `"inFlight":1001`, `"inFlight":1.5`, `"inFlight":"1"`, `"priority":1`, `"paused":true`})
	}
	compare(t, "tenant", []string{`"lanes":1`, `"lanes":100`, `"lanes":null`, `"queues":{}`, `"queues":null`, `"queues":{"default":{}}`, `"issuer":"a"`, `"issuer":"Az09_.:-"`, `"issuer":null`, `"retired":true`, `"retired":null`,
		`"allowedHosts":null`, `"allowedHosts":["a"]`, `"allowedHosts":["Api.acme.com","*.acme.com","192.0.2.1","2001:db8::1","::1","a_b","xn--a"]`, `"allowedHosts":["` + function + `","` + machine + `"]`, `"allowedHosts":` + list(1000, `"a"`)},
		[]string{`"lanes":0`, `"lanes":101`, `"lanes":1.5`, `"queues":[]`, `"queues":{"default":null}`, `"queues":{"A":{}}`, `"issuer":""`, `"issuer":"a b"`, `"issuer":"` + long(129) + `"`, `"issuer":1`, `"retired":1`,
			`"allowedHosts":[]`, `"allowedHosts":"a"`, `"allowedHosts":{}`, `"allowedHosts":[1]`, `"allowedHosts":[null]`, `"allowedHosts":[""]`, `"allowedHosts":["*"]`, `"allowedHosts":["*."]`, `"allowedHosts":["a.*"]`, `"allowedHosts":["*a.b"]`, `"allowedHosts":["a."]`, `"allowedHosts":["a:443"]`,
			`"allowedHosts":["https://a"]`, `"allowedHosts":["a/b"]`, `"allowedHosts":["a b"]`, `"allowedHosts":["[::1]"]`, `"allowedHosts":["é"]`, `"allowedHosts":["arn:aws:s3:::a"]`, `"allowedHosts":["` + long(64) + `"]`, `"allowedHosts":` + list(1001, `"a"`)})
	compare(t, "settings", []string{`"tenants":null`, `"tenants":{}`, `"tenants":{"a":{}}`, `"tenants":{"az09_-":{},"` + long(64) + `":{}}`, `"tenants":{"*":{"rate":1,"lanes":null}}`},
		[]string{`"tenants":[]`, `"tenants":1`, `"tenants":{"a":null}`, `"tenants":{"a":1}`, `"tenants":{"A":{}}`, `"tenants":{"":{}}`, `"tenants":{"**":{}}`, `"tenants":{"a*":{}}`, `"tenants":{"a.b":{}}`, `"tenants":{"` + long(65) + `":{}}`,
			`"tenants":{"*":{"lanes":1}}`, `"tenants":{"*":{"retired":true}}`})
	var many []string
	for i := range 101 {
		many = append(many, fmt.Sprintf(`"t%d":{}`, i))
	}
	compare(t, "settings", []string{`"tenants":{` + strings.Join(many[:100], ",") + `}`}, []string{`"tenants":{` + strings.Join(many, ",") + `}`})
	compare(t, "defaults", []string{``, `"httpTimeout":1`, `"httpTimeout":600`, `"lifetime":1`, `"lifetime":315360000`, `"lifetime":1.5`, `"lifetime":null`, `"attempts":{}`, `"attempts":null`},
		[]string{`"x":1`, `"httpTimeout":0`, `"httpTimeout":601`, `"httpTimeout":1.5`, `"lifetime":0.5`, `"lifetime":315360001`, `"lifetime":"1"`, `"attempts":1`, `"queue":"a"`})
}

// compare asks both of inputs that they should accept, and of some that they should not.
func compare(t *testing.T, where string, good, bad []string) {
	for _, p := range places() {
		if p.name != where {
			continue
		}
		validator := compile(t, p.schema)
		ask := func(fields string, want bool) {
			input := p.around(fields)
			faults := p.faults(t, input)
			if (faults == nil) != want {
				t.Errorf("%s: the parser finds %v, want accepted %t: %.200s", where, faults, want, input)
			}
			if err := validator.Validate(decode(t, input)); (err == nil) != want {
				t.Errorf("%s: the schema says %v, want valid %t: %.200s", where, err, want, input)
			}
		}
		for _, fields := range good {
			ask(fields, true)
		}
		for _, fields := range bad {
			ask(fields, false)
		}
		return
	}
	t.Fatalf("no place %s", where)
}

func TestURIs(t *testing.T) {
	validator := compile(t, schema.Task())
	for _, c := range []struct {
		uri string
		ok  bool
	}{
		{"https://example.com", true}, {"HTTPS://EXAMPLE.com/", true}, {"http://example.com/", true}, {"https://[2001:db8::1]:8443/a", true}, {"https://example.com?a=b", true}, {"https://example.com/a@b:c?d@e/[]{}|<>\\\"", true},
		{"https://example.com/a\\\\b", false}, {"https://example.com\\\\@example.org/", false}, {"https://example.com:443", true}, {"https://example.com:0443/", false}, {"https://example.com./", false}, {"https://a..b/", false}, {"https://[::1%25lo]/", false},
		{"https://" + long(63) + ".example/", true}, {"https://" + long(64) + ".example/", false},
		{"https://a_b.example/", true}, {"https://exa>mple.com/", false},
		{"https://example.com/" + long(8192-20), true}, {"https://example.com/" + long(8192-19), false},
		{"", false}, {"example.com", false}, {"/path", false}, {"ftp://example.com/", false}, {"https:example.com", false}, {"https:/example.com", false}, {"https://", false}, {"https:///path", false}, {"https://?a", false},
		{"https://:443/", false}, {"https://user@example.com/", false}, {"https://a:b@example.com/", false}, {"https://example.com/#a", false}, {"https://example.com/#", false}, {"https://example.com/a b", false},
		{" https://example.com/", false}, {"https://example.com/\\n", false}, {"https://exämple.com/", false}, {"https://example.com/\\u007f", false},
	} {
		input := `{"uri":"` + c.uri + `"}`
		_, faults := enqueued(t, newEnqueue(), input)
		if err := validator.Validate(decode(t, input)); (faults == nil) != c.ok || (err == nil) != c.ok {
			t.Errorf("%.100s: parser %v, schema %v, want accepted %t", c.uri, faults, err, c.ok)
		}
	}
}

func TestWholeInputs(t *testing.T) {
	validator := compile(t, schema.Task())
	many := func(n int) string { return `{"tasks":` + list(n, `{`+uri+`}`) + `}` }
	for _, c := range []struct {
		input string
		ok    bool
	}{
		{many(1), true}, {many(1000), true}, {many(1001), false}, {`{"tasks":[]}`, false}, {`{"tasks":null}`, false}, {`{"tasks":{}}`, false}, {`{"tasks":null,` + uri + `}`, false},
		{`{"tasks":[{` + uri + `}],` + uri + `}`, false}, {`{"tasks":[null]}`, false}, {`{"tasks":[{}]}`, false}, {`{"tasks":[{"tasks":[{` + uri + `}]}]}`, false}, {`{"tasks":[{` + uri + `},{` + uri + `,"delay":-1}]}`, false},
		{`{}`, false}, {`{"uri":null}`, false}, {`{"type":"invoice.a","uri":null}`, true}, {`{"type":null,` + uri + `}`, true}, {`{"type":"invoice.a",` + uri + `}`, false}, {`{"type":null,"uri":null}`, false}, {`{"uri":1}`, false}, {`[]`, false}, {`null`, false}, {`"x"`, false}, {`1`, false},
	} {
		_, faults := enqueued(t, newEnqueue(), c.input)
		if err := validator.Validate(decode(t, c.input)); (faults == nil) != c.ok || (err == nil) != c.ok {
			t.Errorf("%.100s: parser %v, schema %v, want accepted %t", c.input, faults, err, c.ok)
		}
	}
	for _, input := range []string{`[]`, `null`, `1`} {
		if err := compile(t, schema.Settings()).Validate(decode(t, input)); err == nil || configured(t, input) == nil {
			t.Errorf("settings %s: schema %v, parser %v", input, err, configured(t, input))
		}
	}
}

// The examples for enqueue beside the functions are what both accept, and so are the settings.
func TestEvents(t *testing.T) {
	validator, config, found := compile(t, schema.Task()), compile(t, schema.Settings()), 0
	names, err := filepath.Glob("../../../events/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		input := string(text)
		_, faults := enqueued(t, newEnqueue(), input)
		invalid := validator.Validate(decode(t, input))
		if strings.Contains(input, `"queues"`) {
			if faults, invalid := configured(t, input), config.Validate(decode(t, input)); faults != nil || invalid != nil {
				t.Errorf("%s: parser %v, schema %v", name, faults, invalid)
			}
			continue
		}
		fields, _ := decode(t, input).(map[string]any)
		if fields["uri"] == nil && fields["type"] == nil && fields["tasks"] == nil { // another function's, or one that carries tasks
			if faults == nil || invalid == nil {
				t.Errorf("%s: parser %v, schema %v, though it is no task", name, faults, invalid)
			}
			continue
		}
		found++
		if faults != nil || invalid != nil {
			t.Errorf("%s: parser %v, schema %v", name, faults, invalid)
		}
	}
	if found < 4 {
		t.Errorf("%d events for enqueue among %v", found, names)
	}
}
