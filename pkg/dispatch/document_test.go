package dispatch_test

import (
	"encoding/json"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

func fullDoc(t testing.TB) dispatch.Doc {
	t.Helper()
	d := dispatch.Doc{
		CreatedAt: noon, Method: "PATCH", URI: "https://example.com/<a>&b", Headers: map[string]dispatch.HeaderValue{"X-A": {Text: "b\u2028<"}},
		Body: json.RawMessage(`{"a":[1,2.50,"<&>"],"é":"\u2028"}`), Format: dispatch.Envelope,
		SuccessCodes: dispatch.Codes{{From: 200, To: 299}}, StopCodes: dispatch.Codes{{From: 404, To: 404}}, WaitCodes: dispatch.Codes{{From: 425, To: 429}},
		Attempts: dispatch.Attempts{Limit: 3, Interval: 60, Backoff: 1.5, Jitter: .1}, HTTPTimeout: 30,
		FirstDueAt: noon.Add(time.Second), ExpireAt: noon.Add(time.Hour), Identifier: "i", When: "body.a != nil", NotifyAttempts: 5,
	}
	return d
}

func BenchmarkDecodeDoc(b *testing.B) {
	doc, err := dispatch.EncodeDoc(fullDoc(b))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := dispatch.DecodeDoc(doc); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeDoc(b *testing.B) {
	d := fullDoc(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := dispatch.EncodeDoc(d); err != nil {
			b.Fatal(err)
		}
	}
}
