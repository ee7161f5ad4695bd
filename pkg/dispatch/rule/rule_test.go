package rule_test

import (
	"encoding/json"
	"strings"
	"testing"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/rule"
)

func call() dispatch.Call {
	return dispatch.Call{
		Task:    dispatch.Task{ID: "order-7", Queue: "bulk", Tenant: "acme", Group: "g", Run: 2},
		Doc:     dispatch.Doc{Method: "POST", URI: "https://example.com/x", Identifier: "seven", Type: "invoice.paid", Body: json.RawMessage(`{"status":"paid","total":12.5,"items":[{"n":1},{"n":3}],"a":{"b":null}}`)},
		Attempt: 3,
	}
}

func TestAllows(t *testing.T) {
	for _, test := range []struct {
		rule string
		want bool
	}{
		{`true`, true},
		{`body.status == "paid"`, true},
		{`body.status == "open"`, false},
		{`body.total > 12 and body.total < 13`, true},
		{`len(body.items) == 2`, true},
		{`any(body.items, .n > 2)`, true},
		{`all(body.items, .n > 2)`, false},
		{`body.missing == nil`, true},
		{`body.missing == "x"`, false},
		{`body.a.b == nil`, true},
		{`body?.missing?.deeper == nil`, true},
		{`queue == "bulk" && group == "g" && id startsWith "order-"`, true},
		{`attempt == 3 && run == 2 && method == "POST" && identifier == "seven"`, true},
		{`type startsWith "invoice."`, true},
		{`tenant == "acme"`, true},
		{`uri matches "^https://example"`, true},
		{`lower(body.status) in ["paid", "settled"]`, true},
	} {
		if got, err := rule.Allows(test.rule, call()); err != nil || got != test.want {
			t.Errorf("%s: %t, %v", test.rule, got, err)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	for _, bad := range []string{
		``, `body.`, `1 + 1`, `"text"`, `unknown == 1`, `now() > 0`, `any(body.items, any(body.items, .n > 2))`, `repeat("a", 1000000) == ""`,
		`toJSON(body) == ""`, strings.Repeat("true and ", 300) + "true", `attempt = 3`, `id == 3`,
	} {
		if rule.Check(bad) == nil {
			t.Errorf("%.60q was taken", bad)
		}
	}
}

func TestAllowsFails(t *testing.T) {
	for _, bad := range []string{
		`body.status > 3`,          // a text is not a number
		`body.status`,              // nor true or false
		`body.missing.deeper == 1`, // nothing has no fields
		`len(body.total) == 1`,     // a number has no length
		`len(1..100000000) > 0`,    // too much memory
		`any(1..100000000, # == -1)`,
	} {
		if got, err := rule.Allows(bad, call()); err == nil {
			t.Errorf("%s: %t", bad, got)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add(`any(body.items, .n > 2) and id startsWith "a"`)
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 200 || rule.Check(text) != nil {
			return
		}
		_, _ = rule.Allows(text, call())
	})
}
