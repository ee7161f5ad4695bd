package http1

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// BenchmarkTransport beside net/http's, with the same request.
func BenchmarkTransport(b *testing.B) {
	const workers = 100
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
	defer server.Close()
	body := bytes.Repeat([]byte("x"), 300)
	for _, c := range []struct {
		name string
		http.RoundTripper
	}{
		{"net/http", &http.Transport{MaxIdleConns: workers, MaxIdleConnsPerHost: workers, DisableCompression: true}},
		{"http1", newTransport(workers)},
	} {
		b.Run(c.name, func(b *testing.B) {
			client := &http.Client{Transport: c.RoundTripper}
			defer client.CloseIdleConnections()
			ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
			defer cancel()
			b.ReportAllocs()
			b.SetParallelism(workers / 2)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, bytes.NewReader(body))
					if err != nil {
						b.Error(err)
						return
					}
					response, err := client.Do(r)
					if err != nil {
						b.Error(err)
						return
					}
					io.Copy(io.Discard, response.Body)
					response.Body.Close()
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
		})
	}
}
