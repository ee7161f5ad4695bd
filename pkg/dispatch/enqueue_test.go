package dispatch_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/storetest"
)

// producer is an enqueue on a store in memory which remembers what it told the others.
type producer struct {
	dispatch.Enqueue
	store *storetest.Memory
	now   time.Time

	mu      sync.Mutex
	invoked [][]dispatch.Hint
	woken   int
}

func newProducer(t *testing.T) *producer {
	p := &producer{store: &storetest.Memory{}, now: noon}
	clock := func() time.Time { return p.now }
	p.Enqueue = dispatch.Enqueue{
		Store: p.store, Settings: dispatch.CachedSettings(p.store, clock, 0),
		Invoke: func(_ context.Context, hints []dispatch.Hint) error {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.invoked = append(p.invoked, hints)
			return nil
		},
		Wake:      func(context.Context) error { p.woken++; return nil },
		Retention: dispatch.DefaultRetention, TasksPerHandle: 1, CanSign: true,
		CheckARN: func(a dispatch.ARN) error {
			if a.Name == "forbidden" {
				return errors.New("may not be called")
			}
			return nil
		},
		Now: clock, Log: slog.New(slog.DiscardHandler),
	}
	return p
}

func (p *producer) run(t *testing.T, input string) (dispatch.Receipts, error) {
	t.Helper()
	return p.Run(t.Context(), []byte(input), func(i int) string { return fmt.Sprintf("new-%d", i) })
}

// row returns what is stored under an id.
func (p *producer) row(t *testing.T, id string) (dispatch.Task, dispatch.Doc) {
	t.Helper()
	r := p.store.Get(t.Context(), []string{id})[0]
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	d, err := dispatch.DecodeDoc(r.Task.Doc)
	if err != nil {
		t.Fatal(err)
	}
	return r.Task, d
}

func TestEnqueueFillsDefaults(t *testing.T) {
	p := newProducer(t)
	receipts, err := p.run(t, `{"uri":"https://example.com/x","body":{"a":1}}`)
	if err != nil {
		t.Fatal(err)
	}
	if got := receipts.Tasks[0]; receipts.Batch || got.ID != "new-0" || got.State != dispatch.Scheduled || got.DueAt != noon || got.Existing || got.Error != nil {
		t.Errorf("receipt %+v", got)
	}
	row, d := p.row(t, "new-0")
	if d.Method != "POST" || d.Format != dispatch.Envelope || d.HTTPTimeout != 30 || d.SuccessCodes.String() != "2xx" || d.StopCodes != nil || d.WaitCodes.String() != "425" ||
		!reflect.DeepEqual(d.Attempts, dispatch.Attempts{Limit: 1440, Interval: 60, Backoff: 1}) || !d.ExpireAt.IsZero() || string(d.Body) != `{"a":1}` {
		t.Errorf("document %+v", d)
	}
	if row.Queue != "default" || row.Lane != "default#0" || row.Run != 1 || row.Timeout != 30*time.Second || row.Generation != noon.UnixMilli() || !row.TTL.IsZero() || row.Version != 1 {
		t.Errorf("row %+v", row)
	}
}

func TestEnqueueReadsEveryField(t *testing.T) {
	for _, test := range []struct {
		name  string
		input string
		ok    func(row dispatch.Task, d dispatch.Doc) bool
	}{
		{"dueAt in Unix seconds", `"dueAt":1780315500`, func(r dispatch.Task, d dispatch.Doc) bool { return r.DueAt.Equal(noon.Add(5 * time.Minute)) }},
		{"dueAt in RFC 3339", `"dueAt":"2026-06-01T14:05:00+02:00"`, func(r dispatch.Task, d dispatch.Doc) bool { return r.DueAt == noon.Add(5*time.Minute) }},
		{"dueAt in the past is now", `"dueAt":1700000000`, func(r dispatch.Task, d dispatch.Doc) bool { return r.DueAt == noon }},
		{"delay", `"delay":1.5`, func(r dispatch.Task, d dispatch.Doc) bool { return r.DueAt == noon.Add(1500*time.Millisecond) }},
		{"expireAt", `"expireAt":1780315500`, func(r dispatch.Task, d dispatch.Doc) bool {
			return r.ExpireAt == noon.Add(5*time.Minute) && d.ExpireAt == r.ExpireAt && r.TTL == r.ExpireAt.Add(dispatch.DefaultRetention)
		}},
		{"lifetime", `"lifetime":300`, func(r dispatch.Task, d dispatch.Doc) bool { return r.ExpireAt == noon.Add(5*time.Minute) }},
		{"the default limit knows the interval", `"lifetime":300,"attempts":{"interval":10}`, func(r dispatch.Task, d dispatch.Doc) bool { return d.Attempts.Limit == 30 }},
		{"the default limit is rounded up", `"lifetime":301,"attempts":{"interval":10}`, func(r dispatch.Task, d dispatch.Doc) bool { return d.Attempts.Limit == 31 }},
		{"the default limit begins with the delay", `"lifetime":300,"delay":200,"attempts":{"interval":10}`, func(r dispatch.Task, d dispatch.Doc) bool { return d.Attempts.Limit == 10 }},
		{"the default limit is at least 1", `"lifetime":5`, func(r dispatch.Task, d dispatch.Doc) bool { return d.Attempts.Limit == 1 }},
		{"the default limit is a limit", `"lifetime":315360000,"attempts":{"interval":1}`, func(r dispatch.Task, d dispatch.Doc) bool { return d.Attempts.Limit == 1000000 }},
		{"attempts", `"attempts":{"limit":3,"interval":5,"backoff":2.5,"maxInterval":60,"jitter":0.1}`, func(r dispatch.Task, d dispatch.Doc) bool {
			return reflect.DeepEqual(d.Attempts, dispatch.Attempts{Limit: 3, Interval: 5, Backoff: 2.5, MaxInterval: 60, Jitter: .1})
		}},
		{"a list of intervals", `"attempts":{"intervals":[5,300,1800],"jitter":0.1}`, func(r dispatch.Task, d dispatch.Doc) bool {
			return reflect.DeepEqual(d.Attempts, dispatch.Attempts{Limit: 4, Intervals: []int{5, 300, 1800}, Jitter: .1})
		}},
		{"a list of intervals with a limit", `"attempts":{"intervals":[5],"limit":9}`, func(r dispatch.Task, d dispatch.Doc) bool { return d.Attempts.Limit == 9 }},
		{"a code", `"successCodes":202`, func(r dispatch.Task, d dispatch.Doc) bool { return d.SuccessCodes.String() == "202" }},
		{"a code as text", `"successCodes":"202"`, func(r dispatch.Task, d dispatch.Doc) bool { return d.SuccessCodes.String() == "202" }},
		{"the older name", `"successCode":202`, func(r dispatch.Task, d dispatch.Doc) bool { return d.SuccessCodes.String() == "202" }},
		{"a list of codes", `"successCodes":[404,"2xx","300-302"]`, func(r dispatch.Task, d dispatch.Doc) bool { return d.SuccessCodes.String() == "404,2xx,300-302" }},
		{"stop and wait codes", `"stopCodes":["404",410],"waitCodes":[409]`, func(r dispatch.Task, d dispatch.Doc) bool {
			return d.StopCodes.String() == "404,410" && d.WaitCodes.String() == "409"
		}},
		{"nothing to wait for", `"waitCodes":[]`, func(r dispatch.Task, d dispatch.Doc) bool { return len(d.WaitCodes) == 0 }},
		{"httpTimeout", `"httpTimeout":600`, func(r dispatch.Task, d dispatch.Doc) bool { return r.Timeout == 10*time.Minute }},
		{"a method and headers", `"method":"PATCH","headers":{"X-A":"b c","authorization":"Bearer x"}`, func(r dispatch.Task, d dispatch.Doc) bool {
			return d.Method == "PATCH" && d.Headers["X-A"].Text == "b c" && d.Headers["authorization"].Text == "Bearer x"
		}},
		{"a body of text", `"body":"<a & b>\u00e9"`, func(r dispatch.Task, d dispatch.Doc) bool { return string(d.Body) == `"<a & b>\u00e9"` }},
		{"a body with a number no float holds", `"body":{"n":123456789012345678901234567890, "x":1.50}`, func(r dispatch.Task, d dispatch.Doc) bool {
			return string(d.Body) == `{"n":123456789012345678901234567890,"x":1.50}`
		}},
		{"a body that is false", `"body":false`, func(r dispatch.Task, d dispatch.Doc) bool { return string(d.Body) == `false` }},
		{"claims", `"claims":{"sub":"x"},"format":"raw"`, func(r dispatch.Task, d dispatch.Doc) bool {
			return string(d.Claims) == `{"sub":"x"}` && d.Format == dispatch.Raw && d.Body == nil
		}},
		{"null is absent", `"headers":null,"body":null,"dueAt":null,"queue":null`, func(r dispatch.Task, d dispatch.Doc) bool { return d.Body == nil && r.Queue == "default" }},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newProducer(t)
			if _, err := p.run(t, `{"id":"a","uri":"https://example.com/x",`+test.input+`}`); err != nil {
				t.Fatal(err)
			}
			if row, d := p.row(t, "a"); !test.ok(row, d) {
				t.Errorf("row %+v\ndocument %+v", row, d)
			}
		})
	}
}

func TestEnqueueNamesEveryFault(t *testing.T) {
	const good = `"uri":"https://example.com/"`
	many := strings.TrimSuffix(strings.Repeat(`{`+good+`},`, 1001), ",")
	for _, test := range []struct {
		name  string
		input string
		want  []string // pointers, in order
	}{
		{"nothing", ``, []string{"#"}},
		{"not JSON", `{"uri":}`, []string{"#/uri"}},
		{"cut short", `{"uri":"https`, []string{"#/uri"}},
		{"a byte order mark", "\xef\xbb\xbf{" + good + "}", []string{"#"}},
		{"bad UTF-8", `{"body":"` + "\xff" + `",` + good + `}`, []string{"#/body"}},
		{"half a surrogate pair", `{"body":"\ud800",` + good + `}`, []string{"#/body"}},
		{"trailing data", `{` + good + `} {}`, []string{"#"}},
		{"a list", `[]`, []string{"#"}},
		{"a text", `"x"`, []string{"#"}},
		{"duplicate names, everywhere", `{"id":"a","id":"b",` + good + `,"body":{"x":{"y":1,"y":2}}}`, []string{"#/id", "#/body/x/y"}},
		{"too deep", `{` + good + `,"body":` + strings.Repeat("[", 65) + strings.Repeat("]", 65) + `}`, []string{"#/body" + strings.Repeat("/0", 63)}},
		{"unknown fields", `{` + good + `,"url":"x","a/b":1,"attempts":{"count":3}}`, []string{"#/url", "#/a~1b", "#/attempts/count"}},
		{"no uri", `{}`, []string{"#/uri"}},
		{"all at once", `{"tasks":[{"id":"a b","uri":"ftp://x","method":"get","httpTimeout":0},{` + good + `},{"attempts":{"backoff":0},"dueAt":"soon","delay":1,"uri":"https://"}]}`,
			[]string{"#/tasks/0/id", "#/tasks/0/httpTimeout", "#/tasks/0/method", "#/tasks/0/uri", "#/tasks/2/uri", "#/tasks/2/delay", "#/tasks/2/dueAt", "#/tasks/2/attempts/backoff"}},
		{"no tasks", `{"tasks":[]}`, []string{"#/tasks"}},
		{"tasks that are none", `{"tasks":{}}`, []string{"#/tasks"}},
		{"a task that is none", `{"tasks":[1]}`, []string{"#/tasks/0"}},
		{"more than 1,000", `{"tasks":[` + many + `]}`, []string{"#/tasks"}},
		{"something beside tasks", `{"tasks":[{` + good + `}],"uri":"https://example.com/"}`, []string{"#/uri"}},
		{"an id of 129", `{` + good + `,"id":"` + strings.Repeat("a", 129) + `"}`, []string{"#/id"}},
		{"an empty id", `{` + good + `,"id":""}`, []string{"#/id"}},
		{"an id with a slash", `{` + good + `,"id":"/doc/settings"}`, []string{"#/id"}},
		{"an unknown queue", `{` + good + `,"queue":"bulk"}`, []string{"#/queue"}},
		{"expired", `{` + good + `,"expireAt":1780315199}`, []string{"#/expireAt"}},
		{"expireAt in milliseconds", `{` + good + `,"expireAt":1780318800000}`, []string{"#/expireAt"}},
		{"due when expired", `{` + good + `,"delay":60,"lifetime":60}`, []string{"#/expireAt"}},
		{"two ends", `{` + good + `,"expireAt":1780318800,"lifetime":60}`, []string{"#/lifetime"}},
		{"a time as text", `{` + good + `,"dueAt":"1780318800"}`, []string{"#/dueAt"}},
		{"a time that is none", `{` + good + `,"dueAt":true}`, []string{"#/dueAt"}},
		{"a time of the year 10000", `{` + good + `,"dueAt":"9999-12-31T23:59:59-12:00"}`, []string{"#/dueAt"}},
		{"a time that is almost one", `{` + good + `,"dueAt":"2100-01-31T1:00:00Z","expireAt":"2100-01-31T12:00:00,5Z"}`, []string{"#/dueAt", "#/expireAt"}},
		{"an id that is none", `{` + good + `,"id":5}`, []string{"#/id"}},
		{"no success code, by the older name", `{` + good + `,"successCode":[]}`, []string{"#/successCode"}},
		{"negative delay", `{` + good + `,"delay":-1}`, []string{"#/delay"}},
		{"codes", `{` + good + `,"successCodes":[200,"2x"],"stopCodes":600,"waitCodes":{}}`, []string{"#/successCodes/1", "#/stopCodes", "#/waitCodes"}},
		{"no success code", `{` + good + `,"successCodes":[]}`, []string{"#/successCodes"}},
		{"both names of a field", `{` + good + `,"successCodes":200,"successCode":200}`, []string{"#/successCode"}},
		{"httpTimeout", `{` + good + `,"httpTimeout":601}`, []string{"#/httpTimeout"}},
		{"a fraction where none can be", `{` + good + `,"httpTimeout":1.5}`, []string{"#/httpTimeout"}},
		{"attempts", `{` + good + `,"attempts":{"limit":0,"interval":0,"maxInterval":0,"jitter":2}}`, []string{"#/attempts/interval", "#/attempts/maxInterval", "#/attempts/jitter", "#/attempts/limit"}},
		{"a maximum below the interval", `{` + good + `,"attempts":{"interval":60,"maxInterval":30}}`, []string{"#/attempts/maxInterval"}},
		{"attempts that are none", `{` + good + `,"attempts":3}`, []string{"#/attempts"}},
		{"intervals", `{` + good + `,"attempts":{"intervals":[5,0,"x",null,1.5],"backoff":2,"interval":3}}`,
			[]string{"#/attempts/interval", "#/attempts/backoff", "#/attempts/intervals/1", "#/attempts/intervals/2", "#/attempts/intervals/3", "#/attempts/intervals/4"}},
		{"no intervals", `{` + good + `,"attempts":{"intervals":[]}}`, []string{"#/attempts/intervals"}},
		{"body and claims", `{` + good + `,"body":1,"claims":{}}`, []string{"#/claims"}},
		{"claims that are none", `{` + good + `,"claims":"x"}`, []string{"#/claims"}},
		{"claims that expire at a text", `{` + good + `,"claims":{"exp":"tomorrow"}}`, []string{"#/claims/exp"}},
		{"a GET with a body", `{` + good + `,"method":"GET","body":1}`, []string{"#/method"}},
		{"a format", `{` + good + `,"format":"xml"}`, []string{"#/format"}},
		{"headers", `{` + good + `,"headers":{"a b":"x","Host":"x","dispatch-signature":"x","Proxy-Foo":"x","X":"a\r\nb","Y":1,"Z":"a","z":"b","":"x","W":" x"}}`,
			[]string{"#/headers/a%20b", "#/headers/Host", "#/headers/dispatch-signature", "#/headers/Proxy-Foo", "#/headers/X", "#/headers/Y", "#/headers/z", "#/headers/", "#/headers/W"}},
		{"an ARN with what is HTTP's", `{"uri":"arn:aws:lambda:eu-west-1:123456789012:function:f","method":"PUT","headers":{"A":"b"},"successCodes":200}`, []string{"#/method", "#/headers", "#/successCodes"}},
		{"an ARN that is none", `{"uri":"arn:aws:lambda:eu-west-1:123456789012:function:f:1:2"}`, []string{"#/uri"}},
		{"an ARN that may not be called", `{` + good + `,"onFailure":{"uri":"arn:aws:states:eu-west-1:123456789012:stateMachine:forbidden"}}`, []string{"#/onFailure/uri"}},
		{"too much for a state machine", `{"uri":"arn:aws:states:eu-west-1:123456789012:stateMachine:m","body":"` + strings.Repeat("a", 256<<10) + `"}`, []string{"#/body"}},
		{"too large", `{` + good + `,"body":"` + strings.Repeat("a", 400<<10) + `"}`, []string{"#"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newProducer(t)
			_, err := p.run(t, test.input)
			invalid, ok := errors.AsType[*dispatch.InvalidInput](err)
			if !ok {
				t.Fatalf("error %v, want *InvalidInput", err)
			}
			var got []string
			for _, f := range invalid.Faults {
				got = append(got, f.Pointer)
				if f.Detail == "" {
					t.Errorf("%s: no detail", f.Pointer)
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(test.want) {
				t.Errorf("faults %v\nwant at %v", invalid.Faults, test.want)
			}
			for task := range p.store.List(t.Context(), dispatch.Filter{}) {
				t.Errorf("stored %s all the same", task.ID)
			}
		})
	}
}

func TestEnqueueURIs(t *testing.T) {
	for _, test := range []struct {
		uri       string
		allowHTTP bool
		ok        bool
	}{
		{"https://example.com", false, true},
		{"https://example.com:8443/a?b=c%20d", false, true},
		{"https://[2001:db8::1]/", false, true},
		{"HTTPS://EXAMPLE.com/", false, true},
		{"http://example.com/", false, false},
		{"http://example.com/", true, true},
		{"", true, false},
		{"example.com", true, false},
		{"//example.com/", true, false},
		{"/path", true, false},
		{"https:example.com", true, false},
		{"https://", true, false},
		{"https://:443/", true, false},
		{"https://user@example.com/", true, false},
		{"https://user:password@example.com/", true, false},
		{"https://example.com/#fragment", true, false},
		{"https://example.com/#", true, false},
		{"https://example.com:0/", true, false},
		{"https://example.com:65536/", true, false},
		{"https://example.com:/", true, false},
		{"https://example.com:https/", true, false},
		{"https://exam ple.com/", true, false},
		{"https://example.com/a b", true, false},
		{"https://example.com/\\u0000", true, false},
		{"https://example.com/\\r\\nX: y", true, false},
		{"https://exämple.com/", true, false},
		{"https://example.com/%zz", true, false},
		{"file:///etc/passwd", true, false},
		{"gopher://example.com/", true, false},
		{"https://example.com/" + strings.Repeat("a", 8192), true, false},
	} {
		p := newProducer(t)
		p.AllowHTTP = test.allowHTTP
		if _, err := p.run(t, `{"uri":"`+test.uri+`"}`); (err == nil) != test.ok {
			t.Errorf("%.60q, http allowed %t: error %v, want accepted %t", test.uri, test.allowHTTP, err, test.ok)
		}
	}
}

func TestEnqueueTwice(t *testing.T) {
	p := newProducer(t)
	first, err := p.run(t, `{"id":"a","uri":"https://example.com/x","delay":30,"body":{"x":1,"y":[1,2]}}`)
	if err != nil {
		t.Fatal(err)
	}
	p.now = p.now.Add(time.Minute)
	for _, test := range []struct {
		name, input string
		conflict    bool
	}{
		{"the same later", `{"id":"a","uri":"https://example.com/x","delay":30,"body":{"x":1,"y":[1,2]}}`, false},
		{"the same in another order and spacing", `{"body": {"y":[1, 2],"x":1}, "delay":30, "uri":"https://example.com/x", "id":"a"}`, false},
		{"other content", `{"id":"a","uri":"https://example.com/x","delay":30,"body":{"x":1,"y":[2,1]}}`, true},
		{"another delay", `{"id":"a","uri":"https://example.com/x","delay":31,"body":{"x":1,"y":[1,2]}}`, true},
		{"another number", `{"id":"a","uri":"https://example.com/x","delay":30,"body":{"x":1.0,"y":[1,2]}}`, true},
	} {
		again, err := p.run(t, test.input)
		if err != nil {
			t.Fatal(err)
		}
		got := again.Tasks[0]
		if !got.Existing || got.State != dispatch.Scheduled || (got.Error != nil) != test.conflict {
			t.Errorf("%s: receipt %+v", test.name, got)
		}
		if !test.conflict && got.DueAt != first.Tasks[0].DueAt {
			t.Errorf("%s: due at %v, was %v", test.name, got.DueAt, first.Tasks[0].DueAt)
		}
		if test.conflict && got.Error.Status != 409 {
			t.Errorf("%s: status %d", test.name, got.Error.Status)
		}
	}
}

// A conflict is that task's own; the others of the call stand. The same id twice in one call is one task.
func TestEnqueueBatch(t *testing.T) {
	p := newProducer(t)
	if _, err := p.run(t, `{"id":"old","uri":"https://example.com/1"}`); err != nil {
		t.Fatal(err)
	}
	got, err := p.run(t, `{"tasks":[
		{"id":"old","uri":"https://example.com/2"},
		{"uri":"https://example.com/3"},
		{"id":"b","uri":"https://example.com/4"},
		{"id":"b","uri":"https://example.com/4"},
		{"id":"b","uri":"https://example.com/5"}]}`)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	const due = `"state":"scheduled","dueAt":"2026-06-01T12:00:00Z","existing":`
	const conflict = `"error":{"title":"Conflict","status":409,"detail":"this id has been enqueued with other content"}`
	want := `{"tasks":[{"id":"old","state":"scheduled","existing":true,` + conflict + `},{"id":"new-1",` + due + `false},{"id":"b",` + due + `false},` +
		`{"id":"b",` + due + `true},{"id":"b","state":"scheduled","existing":true,` + conflict + `}]}`
	if string(b) != want {
		t.Errorf("got  %s\nwant %s", b, want)
	}
	if p.row(t, "b"); len(p.invoked) != 3 {
		t.Errorf("%d hints for three new tasks", len(p.invoked))
	}
}

func TestEnqueueTellsTheOthers(t *testing.T) {
	for _, test := range []struct {
		name, input        string
		perHandle          int
		wantInvoked, wants int // events, and wakes
	}{
		{"due now", `{"uri":"https://example.com/"}`, 1, 1, 0},
		{"due within the minute", `{"uri":"https://example.com/","delay":59}`, 1, 0, 1},
		{"due later", `{"uri":"https://example.com/","delay":60}`, 1, 0, 0},
		{"one by one", `{"tasks":[{"uri":"https://example.com/"},{"uri":"https://example.com/"},{"uri":"https://example.com/"}]}`, 1, 3, 0},
		{"two by two", `{"tasks":[{"uri":"https://example.com/"},{"uri":"https://example.com/"},{"uri":"https://example.com/"}]}`, 2, 2, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newProducer(t)
			p.TasksPerHandle = test.perHandle
			if _, err := p.run(t, test.input); err != nil {
				t.Fatal(err)
			}
			if len(p.invoked) != test.wantInvoked || p.woken != test.wants {
				t.Errorf("invoked %d times and woke %d times, want %d and %d", len(p.invoked), p.woken, test.wantInvoked, test.wants)
			}
		})
	}
	t.Run("due at the end of this millisecond", func(t *testing.T) {
		p := newProducer(t)
		p.now = noon.Add(123456 * time.Nanosecond) // the put takes no time
		if _, err := p.run(t, `{"uri":"https://example.com/"}`); err != nil {
			t.Fatal(err)
		}
		if len(p.invoked) != 1 || p.woken != 0 {
			t.Errorf("invoked %d times and woke %d times, want 1 and 0", len(p.invoked), p.woken)
		}
	})
	t.Run("wakes once a minute", func(t *testing.T) {
		p := newProducer(t)
		for i := range 121 { // at 0, 60 and 120 s
			if _, err := p.run(t, fmt.Sprintf(`{"id":"%d","uri":"https://example.com/","delay":5}`, i)); err != nil {
				t.Fatal(err)
			}
			p.now = p.now.Add(time.Second)
		}
		if p.woken != 3 {
			t.Errorf("woke %d times in two minutes", p.woken)
		}
	})
	t.Run("whose failures do not matter", func(t *testing.T) {
		p := newProducer(t)
		p.Invoke = func(context.Context, []dispatch.Hint) error { return errors.New("throttled") }
		p.Wake = func(context.Context) error { return errors.New("throttled") }
		got, err := p.run(t, `{"tasks":[{"uri":"https://example.com/"},{"uri":"https://example.com/","delay":5}]}`)
		if err != nil || got.Tasks[0].Error != nil || got.Tasks[1].Error != nil {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// failing fails to put the ids it names.
type failing struct {
	dispatch.Store
	ids map[string]bool
}

func (f failing) Put(ctx context.Context, now time.Time, tasks []dispatch.Task) []dispatch.Result {
	results := f.Store.Put(ctx, now, tasks)
	for i, t := range tasks {
		if f.ids[t.ID] {
			results[i] = dispatch.Result{Err: errors.New("no answer")}
		}
	}
	return results
}

func TestEnqueueSaysWhatWasNotStored(t *testing.T) {
	p := newProducer(t)
	p.Store = failing{p.store, map[string]bool{"b": true}}
	got, err := p.run(t, `{"tasks":[{"id":"a","uri":"https://example.com/"},{"id":"b","uri":"https://example.com/"}]}`)
	if !errors.Is(err, dispatch.ErrNotStored) {
		t.Fatalf("error %v", err)
	}
	if got.Tasks[0].Error != nil || got.Tasks[1].Error == nil || got.Tasks[1].Error.Status != 503 {
		t.Errorf("receipts %+v", got)
	}
}
