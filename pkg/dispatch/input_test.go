package dispatch_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/egress"
	"github.com/go-json-experiment/json/jsontext"
)

const someURI = `"uri":"https://example.com/"`

// hostileInputs are what enqueue must not take, where its faults are, and what one of them says.
var hostileInputs = []struct{ name, input, pointer, detail string }{
	{"nothing", ``, "#", "is empty"},
	{"spaces", " \t\r\n", "#", "is empty"},
	{"a byte order mark", "\xef\xbb\xbf{" + someURI + `}`, "#", "byte order mark"},
	{"a byte order mark after a space", " \xef\xbb\xbf{" + someURI + `}`, "#", "not valid JSON"},
	{"UTF-16", "\xff\xfe{\x00}\x00", "#", "not valid JSON"},
	{"UTF-16, big-endian", "\xfe\xff\x00{\x00}", "#", "not valid JSON"},
	{"a NUL", "\x00{" + someURI + `}`, "#", "not valid JSON"},
	{"a NUL behind", "{" + someURI + "}\x00", "#", "data after the end"},
	{"invalid UTF-8 in a value", `{` + someURI + `,"body":"` + "\xff" + `"}`, "#/body", "invalid UTF-8"},
	{"invalid UTF-8 in a name", `{` + someURI + `,"a` + "\x80" + `":1}`, "#", "invalid UTF-8"},
	{"UTF-8 longer than it need be", `{` + someURI + `,"body":"` + "\xc0\xaf" + `"}`, "#/body", "invalid UTF-8"},
	{"a surrogate in UTF-8", `{` + someURI + `,"body":"` + "\xed\xa0\x80" + `"}`, "#/body", "invalid UTF-8"},
	{"half a surrogate pair", `{` + someURI + `,"body":"\ud800"}`, "#/body", "surrogate"},
	{"a pair the wrong way round", `{` + someURI + `,"body":"\udc00\ud800"}`, "#/body", "surrogate"},
	{"a control character", `{` + someURI + `,"body":"` + "\n" + `"}`, "#/body", "not valid JSON"},
	{"an unknown escape", `{` + someURI + `,"body":"\x41"}`, "#/body", "not valid JSON"},
	{"trailing data", `{` + someURI + `} {}`, "#", "data after the end"},
	{"two objects in lines", `{` + someURI + "}\n{" + someURI + `}`, "#", "data after the end"},
	{"a trailing comma", `{` + someURI + `,}`, "#", "not valid JSON"},
	{"a comment", `{` + someURI + `/* x */}`, "#", "not valid JSON"},
	{"single quotes", `{'uri':'https://example.com/'}`, "#", "not valid JSON"},
	{"names without quotes", `{uri:"https://example.com/"}`, "#", "not valid JSON"},
	{"NaN", `{` + someURI + `,"delay":NaN}`, "#/delay", "not valid JSON"},
	{"Infinity", `{` + someURI + `,"delay":Infinity}`, "#/delay", "not valid JSON"},
	{"a leading plus", `{` + someURI + `,"delay":+1}`, "#/delay", "not valid JSON"},
	{"a leading zero", `{` + someURI + `,"delay":01}`, "#", "not valid JSON"},
	{"a number in hex", `{` + someURI + `,"delay":0x10}`, "#", "not valid JSON"},
	{"a bare point", `{` + someURI + `,"delay":1.}`, "#/delay", "not valid JSON"},
	{"cut short", `{` + someURI, "#", "ends too early"},
	{"cut short in a text", `{"uri":"https`, "#/uri", "ends too early"},
	{"a list", `[]`, "#", "must be an object"},
	{"null", `null`, "#", "must be an object"},
	{"a name twice", `{` + someURI + `,"uri":"https://example.org/"}`, "#/uri", "given more than once"},
	{"a name twice, once escaped", `{` + someURI + `,"\u0075ri":"https://example.org/"}`, "#/uri", "given more than once"},
	{"a name twice in the body", `{` + someURI + `,"body":{"a":1,"a":2}}`, "#/body/a", "given more than once"},
	{"a name twice far within", `{` + someURI + `,"body":[[{"b":{"a":1,"a":2}}]]}`, "#/body/0/0/b/a", "given more than once"},
	{"a name twice in claims", `{` + someURI + `,"claims":{"sub":"a","sub":"b"}}`, "#/claims/sub", "given more than once"},
	{"an unknown field", `{` + someURI + `,"ur1":1}`, "#/ur1", "unknown field; known are"},
	{"a field in another case", `{"URI":"https://example.com/",` + someURI + `}`, "#/URI", "unknown field"},
	{"__proto__", `{` + someURI + `,"__proto__":{}}`, "#/__proto__", "unknown field"},
	{"an unknown field of attempts", `{` + someURI + `,"attempts":{"retries":3}}`, "#/attempts/retries", "unknown field"},
	{"an unknown field beside tasks", `{"tasks":[{` + someURI + `}],"x":1}`, "#/x", "unknown field"},
	{"65 levels of lists", `{` + someURI + `,"body":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`, "#/body" + strings.Repeat("/0", 63), "nested deeper than 64"},
	{"65 levels of objects", `{` + someURI + `,"body":` + strings.Repeat(`{"a":`, 64) + `1` + strings.Repeat("}", 64) + `}`, "#/body" + strings.Repeat("/a", 63), "nested deeper than 64"},
	{"100,000 levels", `{` + someURI + `,"body":` + strings.Repeat("[", 100000) + strings.Repeat("]", 100000) + `}`, "#/body" + strings.Repeat("/0", 63), "nested deeper than 64"},
	{"100,000 levels left open", strings.Repeat("[", 100000), "#" + strings.Repeat("/0", 64), "nested deeper than 64"},
	{"a number beyond all", `{` + someURI + `,"delay":1e400}`, "#/delay", "must be a number from 0 to"},
	{"a whole number beyond all", `{` + someURI + `,"httpTimeout":12345678901234567890}`, "#/httpTimeout", "must be a whole number from 1 to"},
	{"a time beyond all", `{` + someURI + `,"dueAt":1e400}`, "#/dueAt", "must be Unix seconds"},
	{"digits that are not kept", `{` + someURI + `,"delay":1.00000000000000000001}`, "#/delay", "has more digits than are kept: it would count as 1"},
	{"digits that are not kept, of a whole number", `{` + someURI + `,"httpTimeout":30.00000000000000000001}`, "#/httpTimeout", "has more digits than are kept: it would count as 30"},
	{"digits that are not kept, of a time", `{` + someURI + `,"dueAt":1780315500.12345678}`, "#/dueAt", "has more digits than are kept"},
	{"a number next to nothing", `{` + someURI + `,"delay":1e-400}`, "#/delay", "has more digits than are kept: it would count as 0"},
	{"a number that takes for ever", `{` + someURI + `,"delay":1e-999999999}`, "#/delay", "has more digits than are kept"},
	{"another one", `{` + someURI + `,"delay":1` + strings.Repeat("0", 5000) + `e-5000}`, "#/delay", "has more digits than are kept"},
	{"minus nothing", `{` + someURI + `,"httpTimeout":-0}`, "#/httpTimeout", "must be a whole number from 1"},
	{"a number as a text", `{` + someURI + `,"httpTimeout":"30"}`, "#/httpTimeout", "must be a whole number"},
	{"a truth as a number", `{` + someURI + `,"httpTimeout":true}`, "#/httpTimeout", "must be a whole number"},
	{"expireAt in milliseconds", `{` + someURI + `,"expireAt":1780318800000}`, "#/expireAt", "is this in milliseconds?"},
	{"expireAt in microseconds", `{` + someURI + `,"expireAt":1780318800000000}`, "#/expireAt", "is this in milliseconds?"},
	{"expireAt in the past", `{` + someURI + `,"expireAt":1780315199}`, "#/expireAt", "is in the past: it is 2026-06-01T12:00:00Z now"},
	{"expireAt now", `{` + someURI + `,"expireAt":1780315200}`, "#/expireAt", "is in the past"},
	{"dueAt in milliseconds", `{` + someURI + `,"dueAt":1780318800000}`, "#/dueAt", "is this in milliseconds?"},
	{"expireAt before dueAt", `{` + someURI + `,"delay":60,"lifetime":59}`, "#/expireAt", "before the task is due"},
	{"a row that is too large", `{` + someURI + `,"body":"` + strings.Repeat("a", 400<<10) + `"}`, "#", "is too large: "},
	{"one such row of two", `{"tasks":[{` + someURI + `},{` + someURI + `,"body":"` + strings.Repeat("a", 400<<10) + `"}]}`, "#/tasks/1", "is too large: "},
	{"a row that its headers make too large", `{` + someURI + `,"headers":{"X":"` + strings.Repeat("a", 400<<10) + `"}}`, "#", "is too large: "},
	{"an id that is a path", `{` + someURI + `,"id":"../settings"}`, "#/id", "must be 1 to 128"},
	{"an id of another row", `{` + someURI + `,"id":"/group/g"}`, "#/id", "must be 1 to 128"},
	{"an id with a NUL", `{` + someURI + `,"id":"a\u0000"}`, "#/id", "must be 1 to 128"},
	{"an id that looks the same", `{` + someURI + `,"id":"\u0430"}`, "#/id", "must be 1 to 128"},
	{"a group with a slash", `{` + someURI + `,"group":"a/b"}`, "#/group", ""},
	{"a queue that is a lane", `{` + someURI + `,"queue":"default#0"}`, "#/queue", ""},
	{"a queue of failures", `{` + someURI + `,"queue":"default!failed"}`, "#/queue", ""},
	{"a method of another kind", `{` + someURI + `,"method":"CONNECT"}`, "#/method", "must be GET"},
	{"a method with a line break", `{` + someURI + `,"method":"GET / HTTP/1.1\r\nX: y"}`, "#/method", "must be GET"},
	{"TRACE", `{` + someURI + `,"method":"TRACE"}`, "#/method", "must be GET"},
	{"1,001 tasks", `{"tasks":[` + strings.TrimSuffix(strings.Repeat(`{`+someURI+`},`, 1001), ",") + `]}`, "#/tasks", "must hold 1 to 1000 tasks, not 1001"},
}

// Each is refused with a pointer to where it is wrong and a hint, and nothing of it is stored.
func TestHostileInputs(t *testing.T) {
	for _, h := range hostileInputs {
		p := newProducer(t)
		_, err := p.run(t, h.input)
		invalid, ok := errors.AsType[*dispatch.InvalidInput](err)
		if !ok {
			t.Errorf("%s: %v, want *InvalidInput", h.name, err)
			continue
		}
		if len(invalid.Faults) != 1 || invalid.Faults[0].Pointer != h.pointer || !strings.Contains(invalid.Faults[0].Detail, h.detail) {
			t.Errorf("%s: %.300v, want %s at %s", h.name, invalid.Faults, h.detail, h.pointer)
		}
		for task := range p.store.List(t.Context(), dispatch.Filter{}) {
			t.Errorf("%s: stored %s all the same", h.name, task.ID)
		}
	}
	t.Logf("hostile: %d inputs tried, all refused by enqueue", len(hostileInputs))
}

// bodies are kept and sent as they were given: every digit, escape and order of them.
var bodies = []string{
	`12345678901234567890`, `1e400`, `-0`, `0.10`, `1E+2`, `1.0`, `123456789012345678901234567890.000000000000000000001`,
	`{"b":1,"a":2,"":3}`, `[1,[2,[3,{}]]]`, `{"a":{"b":{"c":null}}}`, `{"uri":"https://example.org/"}`, `{"__task":{"id":"forged"}}`,
	`{"a":"\u00e9\u2028\ud83d\ude00\/\"\\\b\f\n\r\t"}`, "{\"a\":\"é\u2028😀/<>&'\"}", `{"\u0061":"\u0041"}`, `"\u003cscript\u003e"`, `"<script>&amp;"`, `"\u0000"`, "\"\ufeff\"",
	`true`, `false`, `""`, `[]`, `{}`,
}

func TestBodiesAreKeptAsGiven(t *testing.T) {
	for _, body := range bodies {
		p := newProducer(t)
		if _, err := p.run(t, `{"id":"a",`+someURI+`,"body": `+body+` }`); err != nil {
			t.Errorf("%s: %v", body, err)
			continue
		}
		if _, d := p.row(t, "a"); string(d.Body) != body {
			t.Errorf("%s is read back as %s", body, d.Body)
		}
	}
}

// What enqueue takes it reads back equal and knows again; what it refuses it says why, and stores nothing of it.
func FuzzEnqueue(f *testing.F) {
	for _, seed := range []string{
		`{"uri":"https://example.com/x","body":{"a":[1,2.50,"\u00e9<&>"]},"headers":{"A":"b"}}`,
		`{"tasks":[{"id":"a","uri":"https://example.com/","claims":{"x":1},"format":"raw","dueAt":1780315500,"lifetime":1000}]}`,
		`{"uri":"https://example.com/","successCode":"2xx","attempts":{"limit":3,"interval":5,"backoff":2,"jitter":0.5}}`,
		`{"uri":"https://example.com/","body":"\ud83d\ude00","body":1}`, `[`, `{"tasks":[{}]}`,
		`{"uri":"https://example.com/","headers":{"X":{"secret":"shop/a"},"Y":"<é>"},"onFailure":{"uri":"https://[::1]/","headers":{"Z":{"secret":"shop/b"}}}}`,
		`{"uri":"https://127.1:22/","delay":1e-400,"expireAt":1780318800000}`, `{"uri":"https://example.com/","delay":0.10,"attempts":{"intervals":[1,2.0]}}`,
	} {
		f.Add([]byte(seed))
	}
	for _, h := range hostileInputs {
		if len(h.input) < 1000 {
			f.Add([]byte(h.input))
		}
	}
	for _, body := range bodies {
		f.Add([]byte(`{"uri":"https://example.com/","body":` + body + `}`))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		p := newProducer(t)
		p.CheckURL, p.CheckSecret = egress.NewCheck(egress.Options{}), dispatch.SecretsUnder("shop/")
		receipts, err := p.run(t, string(input))
		if err != nil {
			refused(t, p, err)
			return
		}
		p.now = p.now.Add(time.Millisecond) // a put of the same instant counts as the same put
		again, err := p.run(t, string(input))
		if err != nil && strings.Contains(err.Error(), "expireAt") {
			return // that millisecond was the last of it
		}
		if err != nil || len(again.Tasks) != len(receipts.Tasks) {
			t.Fatalf("taken once, and then %+v, %v", again, err)
		}
		for i, r := range receipts.Tasks {
			if r.Error != nil {
				continue
			}
			if a := again.Tasks[i]; !a.Existing || a.Error != nil && !receipts.Batch {
				t.Errorf("enqueued again it is %+v", a)
			}
			row, d := p.row(t, r.ID)
			encoded, err := dispatch.EncodeDoc(d)
			if err != nil || string(encoded) != string(row.Doc) {
				t.Errorf("stored %s\nread back as %s (%v)", row.Doc, encoded, err)
			}
			if u, err := url.Parse(d.URI); err != nil || u.Host == "" && !dispatch.IsARN(d.URI) || strings.ContainsAny(d.URI, " \r\n\t\x00\\#") {
				t.Errorf("taken: %q", d.URI)
			}
			for name, value := range d.Headers {
				if strings.ContainsAny(name+value.Text, "\r\n\x00") {
					t.Errorf("taken: header %q: %q", name, value)
				}
			}
		}
		if !receipts.Batch {
			_, d := p.row(t, receipts.Tasks[0].ID)
			keeps(t, input, d)
		}
	})
}

// refused wants faults that can be answered, and nothing in the store.
func refused(t *testing.T, p *producer, err error) {
	t.Helper()
	invalid, ok := errors.AsType[*dispatch.InvalidInput](err)
	if !ok || len(invalid.Faults) == 0 {
		t.Fatalf("%v, which is no fault of the input", err)
	}
	for _, f := range invalid.Faults {
		if _, err := url.Parse(f.Pointer); err != nil || !strings.HasPrefix(f.Pointer, "#") || f.Detail == "" || !utf8.ValidString(f.Detail) {
			t.Errorf("fault %+v", f)
		}
	}
	if _, err := json.Marshal(invalid.Problem()); err != nil {
		t.Error(err)
	}
	for task := range p.store.List(t.Context(), dispatch.Filter{}) {
		t.Errorf("stored %s all the same", task.ID)
	}
}

// keeps wants the body that was given, less the spaces in it.
func keeps(t *testing.T, input []byte, d dispatch.Doc) {
	t.Helper()
	var given jsontext.Value
	decoder := jsontext.NewDecoder(bytes.NewReader(input))
	if _, err := decoder.ReadToken(); err != nil {
		t.Fatal(err)
	}
	for decoder.PeekKind() == '"' {
		name, err := decoder.ReadToken()
		if err != nil {
			t.Fatal(err)
		}
		isBody := name.String() == "body"
		value, err := decoder.ReadValue()
		if err != nil {
			t.Fatal(err)
		}
		if isBody {
			given = value.Clone()
		}
	}
	if len(given) == 0 || given.Kind() == 'n' {
		return
	}
	if err := given.Compact(); err != nil {
		t.Fatal(err)
	}
	if string(given) != string(d.Body) {
		t.Errorf("given %s\nkept %s", given, d.Body)
	}
}
