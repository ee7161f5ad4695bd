package dispatch

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"
)

// ordinaryDoc is the document of a task as enqueue writes it.
func ordinaryDoc(t testing.TB, more string) []byte {
	t.Helper()
	p := parser{now: time.Date(2026, 1, 31, 12, 0, 0, 123456789, time.UTC), settings: Settings{Queues: map[string]QueueSettings{DefaultQueue: {}}}}
	asked, _, err := p.parse([]byte(`{"uri":"https://receiver.example/call?a=b","body":{"a":["\"}","\\","\\\"]",{}],"é":1.5}` + more + `}`))
	if err != nil {
		t.Fatal(err)
	}
	b, err := EncodeDoc(asked[0].doc)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const muchAsked = `,"headers":{"X-A":"b","X-C":"d"},"lifetime":3600,"stopCodes":[404,410],"group":"g","identifier":"i"`

func TestOrdinaryDocsArePlain(t *testing.T) {
	for _, more := range []string{"", muchAsked} {
		b := ordinaryDoc(t, more)
		if _, ok := plainDoc(b); !ok {
			t.Errorf("not read: %s", b)
		}
	}
}

// What plainDoc reads encoding/json reads to the same, whatever becomes of any byte.
func TestPlainDocAgreesWithJSON(t *testing.T) {
	whole := ordinaryDoc(t, muchAsked)
	docs := [][]byte{
		whole, []byte(`{}`), []byte(`{"body":"text","method":"PATCH"}`), []byte(`{"body":5}`), []byte(`{"body":null}`), []byte(`{"body":{"a":1,"a":2}}`),
		[]byte(`{"body":[1},"method":"POST"}`), []byte(`{"httpTimeout":007}`), []byte(`{"httpTimeout":1234567890123}`), []byte(`{"attempts":{"limit":1},"attempts":{"interval":2}}`),
		[]byte(`{"attempts":{"backoff":1.5}}`), []byte(`{"uri":"a\u0020b"}`), []byte(`{"Method":"POST"}`), []byte(`{"successCodes":"9xx"}`), []byte(`{"method":"POST"}x`),
		[]byte(`{"headers":{}}`), []byte(`{"headers":{"A":"b"},"headers":{"C":"d"}}`), []byte(`{"headers":{"A":"b","A":"d"}}`), []byte(`{"headers":{"A":null}}`),
	}
	for i := range whole {
		for _, c := range "\x00 \"\\{}[]:,-09aP\x7f\xff" {
			docs = append(docs, slices.Concat(whole[:i], []byte{byte(c)}, whole[i+1:]), slices.Concat(whole[:i], []byte{byte(c)}, whole[i:]))
		}
		docs = append(docs, whole[:i], slices.Concat(whole[:i], whole[i+1:]))
	}
	read := 0
	for _, b := range docs {
		got, ok := plainDoc(b)
		if !ok {
			continue
		}
		read++
		var want Doc
		if err := json.Unmarshal(b, &want); err != nil {
			t.Errorf("read, but encoding/json says %v: %s", err, b)
		} else if !reflect.DeepEqual(got, want) {
			t.Errorf("read as\n%+v, by encoding/json as\n%+v", got, want)
		}
	}
	if read < 100 {
		t.Errorf("only %d of %d were read", read, len(docs))
	}
}

func BenchmarkPlainDoc(b *testing.B) {
	doc := ordinaryDoc(b, "")
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := plainDoc(doc); !ok {
			b.Fatal("not plain")
		}
	}
}
