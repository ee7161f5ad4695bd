package target

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"example.com/dispatch/pkg/dispatch/signature"
)

// BenchmarkSend beside a bare client that sends the same body: the difference is what Send itself costs.
func BenchmarkSend(b *testing.B) {
	const workers = 100
	for _, c := range []struct {
		name   string
		signer *signature.Signer
	}{{"unsigned", nil}, {"ES256", newSigner(b)}} {
		b.Run(c.name, func(b *testing.B) {
			server := httptest.NewServer(http.HandlerFunc(accept))
			defer server.Close()
			h := HTTP{Client: local(workers), Signer: c.signer}
			call := callOf("POST", server.URL+"/orders", `{"amount":12}`)
			parallel(b, workers, func() {
				if a := h.Send(b.Context(), call); a.Status != 200 {
					b.Error(a.Error)
				}
			})
		})
	}
	b.Run("bare client", func(b *testing.B) {
		server := httptest.NewServer(http.HandlerFunc(accept))
		defer server.Close()
		client := local(workers)
		body := envelope(callOf("POST", server.URL, `{"amount":12}`), "")
		parallel(b, workers, func() {
			r, err := client.Post(server.URL+"/orders", "application/json", bytes.NewReader(body))
			if err != nil {
				b.Error(err)
				return
			}
			io.Copy(io.Discard, r.Body)
			r.Body.Close()
		})
	})
}

// BenchmarkRequest is the making of a request alone.
func BenchmarkRequest(b *testing.B) {
	call := callOf("POST", "https://receiver.example.com/orders", `{"amount":12}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := (HTTP{}).request(b.Context(), call); err != nil {
			b.Fatal(err)
		}
	}
}

func accept(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }

func parallel(b *testing.B, workers int, do func()) {
	b.ReportAllocs()
	b.SetParallelism(workers / 2)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			do()
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}
