package http1

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"
)

// TestTheSameAsNetHTTP: whatever comes back, net/http's Transport makes the same of it.
func TestTheSameAsNetHTTP(t *testing.T) {
	var answer atomic.Value
	url := listening(t, func(_ int, c *net.TCPConn, in *bufio.Reader) {
		if served(in) {
			io.WriteString(c, answer.Load().(string))
			c.CloseWrite()
			io.Copy(io.Discard, in)
		}
	})
	outcome := func(tr http.RoundTripper) (status int, header http.Header, body string, failed bool) {
		response, err := tr.RoundTrip(post(t.Context(), t, url, "{}"))
		if err != nil {
			return 0, nil, "", true
		}
		defer response.Body.Close()
		b, err := io.ReadAll(response.Body)
		return response.StatusCode, response.Header, string(b), err != nil
	}
	theirs := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	pick := func(rt *rapid.T, name string, of ...string) string { return rapid.SampledFrom(of).Draw(rt, name) }
	rapid.Check(t, func(rt *rapid.T) {
		var b strings.Builder
		for range rapid.IntRange(0, 2).Draw(rt, "interim") {
			b.WriteString(pick(rt, "interim", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early\r\nA: b\r\n\r\n", "HTTP/1.1 102\r\n\r\n"))
		}
		b.WriteString(pick(rt, "protocol", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTP/1.1", "") + " " + pick(rt, "status", "200 OK", "200", "204 None", "304 Not", "418 \xff", "99 x", "600 x", "2000 x", "x") + pick(rt, "end", "\r\n", "\r\n", "\n", ""))
		for range rapid.IntRange(0, 4).Draw(rt, "fields") {
			b.WriteString(pick(rt, "field", "Content-Length: 5", "Content-Length: 5", "Content-Length: 7", "Content-Length: -1", "Content-Length: 5, 5", "Transfer-Encoding: chunked", "Transfer-Encoding: gzip", "Connection: close", "Connection: keep-alive", "Trailer: A", "Retry-After: 3", "a : b", ": b", " folded", "A: \x00", "Pragma: no-cache") + pick(rt, "end", "\r\n", "\r\n", "\n"))
		}
		b.WriteString(pick(rt, "end", "\r\n", "\r\n", "\n", ""))
		b.WriteString(pick(rt, "body", "", "hello", "hello, world", "5\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\nA: b\r\n\r\n", "5\r\nhello\r\n", "5;x=y\r\nhello\r\n0\r\n\r\n", "fffffffffffffffff\r\nhello", "0\r\n\r\n"))
		answer.Store(b.String())
		status, header, body, failed := outcome(newTransport(0))
		wantStatus, wantHeader, wantBody, wantFailed := outcome(theirs)
		if status != wantStatus || body != wantBody || failed != wantFailed || len(header) != len(wantHeader) {
			rt.Fatalf("%q: %d %v %q %v, net/http %d %v %q %v", b.String(), status, header, body, failed, wantStatus, wantHeader, wantBody, wantFailed)
		}
	})
}
