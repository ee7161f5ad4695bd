package dispatch

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"
)

func ordinaryDoc(t testing.TB) []byte {
	t.Helper()
	created := time.Date(2026, 1, 31, 12, 0, 0, 123456789, time.UTC)
	b, err := EncodeDoc(Doc{
		CreatedAt: created, Method: "POST", URI: "https://receiver.example/call?a=b", Body: json.RawMessage(`{"a":["\"}",{}],"é":1.5}`), Format: Envelope,
		SuccessCodes: Codes{{200, 299}}, StopCodes: Codes{{404, 404}, {410, 410}}, Attempts: Attempts{Limit: 1440, Interval: 60, Backoff: 1}, HTTPTimeout: 30,
		FirstDueAt: created, ExpireAt: created.Add(time.Hour), NotifyAttempts: DefaultNotify,
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOrdinaryDocIsPlain(t *testing.T) {
	if _, ok := plainDoc(ordinaryDoc(t)); !ok {
		t.Errorf("not read: %s", ordinaryDoc(t))
	}
}

// What plainDoc reads encoding/json reads to the same, whatever becomes of any byte.
func TestPlainDocAgreesWithJSON(t *testing.T) {
	whole := ordinaryDoc(t)
	docs := [][]byte{
		whole, []byte(`{}`), []byte(`{"body":"text","method":"PATCH"}`), []byte(`{"body":5}`), []byte(`{"body":null}`), []byte(`{"body":{"a":1,"a":2}}`),
		[]byte(`{"body":[1},"method":"POST"}`), []byte(`{"httpTimeout":007}`), []byte(`{"httpTimeout":1234567890123}`), []byte(`{"attempts":{"limit":1},"attempts":{"interval":2}}`),
		[]byte(`{"attempts":{"backoff":1.5}}`), []byte(`{"uri":"a\u0020b"}`), []byte(`{"Method":"POST"}`), []byte(`{"successCodes":"9xx"}`), []byte(`{"method":"POST"}x`),
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
