package dispatch_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/rule"
)

func route(targets ...string) string {
	list := make([]string, len(targets))
	for i, name := range targets {
		list[i] = `{"name":"` + name + `","uri":"https://example.com/` + name + `"}`
	}
	return `{"targets":[` + strings.Join(list, ",") + `]}`
}

func (p *producer) settings(t *testing.T, input string) {
	t.Helper()
	s, err := dispatch.ParseSettings([]byte(input), rule.Check)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dispatch.SaveSettings(t.Context(), p.store, s); err != nil {
		t.Fatal(err)
	}
}

func TestRouteOfAType(t *testing.T) {
	p := newProducer(t)
	p.settings(t, `{"routes":{"invoice":`+route("exact")+`,"invoice.*":`+route("all")+`,"invoice.eu.*":`+route("europe")+`,"invoice.eu.paid":`+route("paid")+`,"a.b.*":`+route("deep")+`}}`)
	for i, c := range []struct{ kind, want string }{
		{"invoice", "exact"}, {"invoice.created", "all"}, {"invoice.us.paid", "all"}, {"invoice.eu.paid", "paid"}, {"invoice.eu.paid.late", "europe"},
		{"invoice.eu", "all"}, {"invoice.eu.x", "europe"}, {"invoice.", "all"}, {"a.b.c", "deep"},
		{"invoices", ""}, {"inv", ""}, {"Invoice", ""}, {"a.b", ""}, {"a", ""}, {"order", ""}, {".", ""},
	} {
		id := fmt.Sprintf("t-%d", i)
		_, err := p.run(t, `{"id":"`+id+`","type":"`+c.kind+`"}`)
		if c.want == "" {
			invalid, ok := errors.AsType[*dispatch.InvalidInput](err)
			want := fmt.Sprintf(`there is no route for %q; known are a.b.*, invoice, invoice.*, invoice.eu.*, invoice.eu.paid`, c.kind)
			if !ok || len(invalid.Faults) != 1 || invalid.Faults[0] != (dispatch.Fault{Detail: want, Pointer: "#/type"}) {
				t.Errorf("%s: %v, want %s", c.kind, err, want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.kind, err)
			continue
		}
		if _, d := p.row(t, id); d.Type != c.kind || len(d.Targets) != 1 || d.Targets[0].Name != c.want {
			t.Errorf("%s went to %+v, want %s", c.kind, d.Targets, c.want)
		}
	}
}

func TestTargetsAreTheTasks(t *testing.T) {
	p := newProducer(t)
	p.CheckRule = rule.Check
	p.settings(t, `{"queues":{"slow":{"defaults":{"httpTimeout":77,"attempts":{"interval":5,"limit":3}}}},"routes":{"a":{"targets":[
		{"name":"full","uri":"https://example.com/full","method":"PUT","headers":{"X-A":"b"},"format":"raw","sender":"me","when":"body.x > 1",
		 "successCodes":201,"stopCodes":[404],"waitCodes":[],"attempts":{"interval":100},"httpTimeout":100},
		{"name":"bare","uri":"https://example.com/bare"}]}}}`)
	if _, err := p.run(t, `{"id":"one","type":"a","queue":"slow","body":{"x":2},"lifetime":1000}`); err != nil {
		t.Fatal(err)
	}
	task, d := p.row(t, "one")
	want := []dispatch.Target{
		{
			Name: "full", URI: "https://example.com/full", Method: "PUT", Headers: map[string]dispatch.HeaderValue{"X-A": {Text: "b"}}, Format: dispatch.Raw, Sender: "me", When: "body.x > 1",
			SuccessCodes: codes(t, "201"), StopCodes: codes(t, "404"), HTTPTimeout: 100, Attempts: dispatch.Attempts{Interval: 100, Backoff: 1, Limit: 10},
		},
		{
			Name: "bare", URI: "https://example.com/bare", Method: "POST", Format: dispatch.Envelope,
			SuccessCodes: codes(t, "2xx"), WaitCodes: codes(t, "425"), HTTPTimeout: 77, Attempts: dispatch.Attempts{Interval: 5, Backoff: 1, Limit: 3},
		},
	}
	if !reflect.DeepEqual(d.Targets, want) {
		t.Errorf("targets\n%+v\nwant\n%+v", d.Targets, want)
	}
	if task.Timeout.Seconds() != 100 {
		t.Errorf("leased for %v, want the longest timeout", task.Timeout)
	}
	to := d.To(0)
	if to.URI != want[0].URI || to.Method != "PUT" || to.Format != dispatch.Raw || to.Sender != "me" || to.HTTPTimeout != 100 || string(to.Body) != `{"x":2}` || to.Type != "a" {
		t.Errorf("to the first: %+v", to)
	}

	p.settings(t, `{"queues":{"slow":{}},"routes":{"a":`+route("other")+`}}`)
	p.now = p.now.Add(time.Second)
	if r, err := p.run(t, `{"id":"one","type":"a","queue":"slow","body":{"x":2},"lifetime":1000}`); err != nil || !r.Tasks[0].Existing || r.Tasks[0].Error != nil {
		t.Errorf("enqueued again after the route has changed: %+v, %v", r, err)
	}
	if _, d := p.row(t, "one"); !reflect.DeepEqual(d.Targets, want) {
		t.Error("a changed route changed a task that exists")
	}
}

func TestTypeFaults(t *testing.T) {
	p := newProducer(t)
	_, err := p.run(t, `{"type":"a"}`)
	wantFaults(t, "no routes", err, []string{"#/type"})
	if err == nil || !strings.Contains(err.Error(), "there are none") {
		t.Errorf("%v", err)
	}
	p.settings(t, `{"routes":{"a":{"targets":[{"name":"plain","uri":"http://example.com/","when":"true"}]},"b":`+route("x")+`}}`)
	_, err = p.run(t, `{"type":"a"}`)
	wantFaults(t, "what this enqueue does not allow", err, []string{"#/type", "#/type"})
	if err == nil || !strings.Contains(err.Error(), "its route cannot be used here: target 0/uri must be an https URL") {
		t.Errorf("%v", err)
	}
	for input, want := range map[string][]string{
		`{"type":"b","uri":"https://example.com/","method":"PUT","headers":{},"format":"raw","successCodes":200,"stopCodes":1,"waitCodes":[],"attempts":{},"httpTimeout":3}`: {
			"#/uri", "#/method", "#/headers", "#/format", "#/successCodes", "#/stopCodes", "#/waitCodes", "#/attempts", "#/httpTimeout"},
		`{"type":"b","successCode":200}`:        {"#/successCode"},
		`{"type":""}`:                           {"#/type"},
		`{"type":"a b"}`:                        {"#/type"},
		`{"type":7}`:                            {"#/type"},
		`{"type":null}`:                         {"#/uri"},
		`{"tasks":[{"type":"b"},{"type":"c"}]}`: {"#/tasks/1/type"},
	} {
		_, err := p.run(t, input)
		wantFaults(t, input, err, want)
	}
	if _, err := p.run(t, `{"type":"b","body":"`+strings.Repeat("x", 390<<10)+`"}`); err != nil {
		t.Errorf("390 KB for one target: %v", err)
	}
	p.settings(t, `{"routes":{"b":`+route("c", "d", "e", "f", "g")+`}}`)
	_, err = p.run(t, `{"type":"b","body":"`+strings.Repeat("x", 390<<10)+`"}`)
	wantFaults(t, "no room for what becomes of five", err, []string{"#"})
}

func TestRouteFaults(t *testing.T) {
	for input, want := range map[string][]string{
		`{"routes":{"a":` + route("b") + `,"A.b-c:d_1.*":` + route("b") + `}}`: nil,
		`{"routes":null}`: nil,
		`{"routes":{"":` + route("b") + `,"*":` + route("b") + `,".*":` + route("b") + `,"a*":` + route("b") + `,"a.*.b":` + route("b") + `}}`: {
			"#/routes/", "#/routes/%2A", "#/routes/.%2A", "#/routes/a%2A", "#/routes/a.%2A.b"},
		`{"routes":{"a":{},"b":{"targets":[]},"c":{"targets":{}},"d":{"target":[]},"e":1}}`: {
			"#/routes/a/targets", "#/routes/b/targets", "#/routes/c/targets", "#/routes/d/target", "#/routes/d/targets", "#/routes/e"},
		`{"routes":{"a":` + route("b", "c", "b") + `}}`:                                         {"#/routes/a/targets/2/name"},
		`{"routes":{"a":` + route("a", "b", "c", "d", "e", "f", "g", "h", "i", "j") + `}}`:      nil,
		`{"routes":{"a":` + route("a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k") + `}}`: {"#/routes/a/targets"},
		`{"routes":{"a":{"targets":[{"uri":"https://example.com/"},1]}}}`:                       {"#/routes/a/targets/0/name", "#/routes/a/targets/1"},
		`{"routes":{"a":` + route("1") + `,"b":` + route("-a") + `,"c":` + route("A") + `,"d":` + route("") + `}}`: {
			"#/routes/a/targets/0/name", "#/routes/b/targets/0/name", "#/routes/c/targets/0/name", "#/routes/d/targets/0/name"},
		`{"routes":{"a":{"targets":[{"name":"a","uri":"ftp://x/","when":"body +","sender":"","attempts":{"interval":0},"stopCodes":9,"queue":"x"}]}}}`: {
			"#/routes/a/targets/0/queue", "#/routes/a/targets/0/sender", "#/routes/a/targets/0/when", "#/routes/a/targets/0/uri", "#/routes/a/targets/0/stopCodes", "#/routes/a/targets/0/attempts/interval"},
	} {
		_, err := dispatch.ParseSettings([]byte(input), rule.Check)
		wantFaults(t, input, err, want)
	}
}
