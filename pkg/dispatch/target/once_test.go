package target

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/egress"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// local returns a client as the sender uses it, which may call loopback.
func local(workers int) *http.Client {
	return egress.New(egress.Options{Workers: workers, AllowedNetworks: loopback()})
}

func loopback() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}

func callOf(method, uri, body string) dispatch.Call {
	c := dispatch.Call{
		Task:    dispatch.Task{ID: "order-7", Run: 1, Generation: 9},
		Doc:     dispatch.Doc{CreatedAt: noon, Method: method, URI: uri, Format: dispatch.Envelope},
		Attempt: 2, Timeout: 30 * time.Second,
	}
	c.Doc.Attempts = dispatch.Attempts{Limit: 5, Interval: 60}
	if body != "" {
		c.Doc.Body = []byte(body)
	}
	return c
}

// listen answers each connection with serve, in a goroutine of its own, until the test ends.
func listen(t *testing.T, serve func(n int32, c net.Conn)) (uri string) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	var accepted atomic.Int32
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n := accepted.Add(1)
			go func() {
				defer c.Close()
				serve(n, c)
			}()
		}
	}()
	return "http://" + l.Addr().String() + "/"
}

// hangingUp answers the first request of a connection with this body, and hangs up on reading a second one.
func hangingUp(t *testing.T, how, body string) (uri string, requests, connections *atomic.Int32) {
	t.Helper()
	requests, connections = &atomic.Int32{}, &atomic.Int32{}
	uri = listen(t, func(n int32, c net.Conn) {
		connections.Store(n)
		in := bufio.NewReader(c)
		for i := 0; ; i++ {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				return
			}
			if requests.Add(1); i == 0 {
				fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
				continue
			}
			if how == "reset" {
				c.(*net.TCPConn).SetLinger(0)
			}
			return
		}
	})
	return uri, requests, connections
}

// TestOneRequestOnTheWire: the server answers the first request of a connection, and hangs up on reading a
// second one, as a receiver does that dies in the middle of its work. Nobody may send that one again.
func TestOneRequestOnTheWire(t *testing.T) {
	for _, body := range []string{"", `{"amount":12}`, `""`} {
		for _, format := range []dispatch.Format{dispatch.Envelope, dispatch.Raw} {
			for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
				for _, hangUp := range []string{"end", "reset"} {
					t.Run(strings.Join([]string{method, string(format), hangUp, body}, " "), func(t *testing.T) {
						uri, requests, connections := hangingUp(t, hangUp, "")
						h := HTTP{Client: local(1)}
						c := callOf(method, uri, body)
						c.Doc.Format = format
						// What makes net/http take a request for one that may be repeated.
						c.Doc.Headers = map[string]dispatch.HeaderValue{"x-idempotency-key": {Text: "mine"}}
						if a := h.Send(t.Context(), c); a.Status != 200 {
							t.Fatalf("first call: %+v", a)
						}
						if a := h.Send(t.Context(), c); a.Status != 0 || a.Error == "" {
							t.Errorf("second call: %+v, want an error", a)
						}
						if requests.Load() != 2 || connections.Load() != 1 {
							t.Errorf("2 calls made %d requests on %d connections, want 2 on 1", requests.Load(), connections.Load())
						}
					})
				}
			}
		}
	}
}

// TestWire: what a receiver that speaks HTTP/1.1 and nothing else reads, byte for byte.
func TestWire(t *testing.T) {
	const task = `"__task":{"id":"order-7","createdAt":"2026-03-01T12:00:00Z","attempt":{"number":2,"limit":5,"interval":60}}}`
	for _, c := range []struct {
		name, method, body string
		format             dispatch.Format
		framing            string // what the headers say of the length
		sent               string
	}{
		{"GET", "GET", "", dispatch.Envelope, "", ""},
		{"GET with a body", "GET", `{}`, dispatch.Envelope, "", ""},
		{"DELETE", "DELETE", "", dispatch.Envelope, "", ""},
		{"DELETE, raw", "DELETE", "", dispatch.Raw, "", ""},
		{"DELETE with a body", "DELETE", `{}`, dispatch.Raw, "content-length: 2", `{}`},
		{"POST of nothing", "POST", "", dispatch.Raw, "content-length: 0", ""},
		{"PUT of nothing", "PUT", "", dispatch.Raw, "content-length: 0", ""},
		{"PATCH of nothing", "PATCH", "", dispatch.Raw, "content-length: 0", ""},
		{"POST of an empty text", "POST", `""`, dispatch.Raw, "content-length: 0", ""},
		{"POST of JSON", "POST", `{"a": 1.0}`, dispatch.Raw, "content-length: 10", `{"a": 1.0}`},
		{"POST of a text", "POST", `"a\u00e9\n"`, dispatch.Raw, "content-length: 4", "aé\n"},
		{"envelope of nothing", "POST", "", dispatch.Envelope, "content-length: 124", `{"request":null,` + task},
		{"envelope of JSON", "POST", `{"a": 1.0}`, dispatch.Envelope, "content-length: 130", `{"request":{"a": 1.0},` + task},
		{"envelope of a text", "POST", `"a\u00e9\n"`, dispatch.Envelope, "content-length: 131", `{"request":"a\u00e9\n",` + task},
	} {
		t.Run(c.name, func(t *testing.T) {
			read := make(chan string, 1)
			uri := listen(t, func(_ int32, conn net.Conn) {
				var seen strings.Builder
				in := bufio.NewReader(io.TeeReader(conn, &seen))
				// Whatever is left of the request arrives before the client ends its side.
				r, err := http.ReadRequest(in)
				if err == nil {
					io.Copy(io.Discard, r.Body)
				}
				io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
				io.Copy(io.Discard, in)
				read <- seen.String()
			})
			call := callOf(c.method, uri, c.body)
			call.Doc.Format = c.format
			if a := (HTTP{Client: local(1)}).Send(t.Context(), call); a.Status != 200 {
				t.Fatalf("%+v", a)
			}
			head, sent, _ := strings.Cut(<-read, "\r\n\r\n")
			var framing []string
			for _, line := range strings.Split(strings.ToLower(head), "\r\n") {
				if strings.HasPrefix(line, "content-length") || strings.HasPrefix(line, "transfer-encoding") {
					framing = append(framing, line)
				}
			}
			if got := strings.Join(framing, ", "); got != c.framing {
				t.Errorf("framing %q, want %q", got, c.framing)
			}
			if sent != c.sent {
				t.Errorf("body %q, want %q", sent, c.sent)
			}
			if !strings.HasPrefix(head, c.method+" / HTTP/1.1\r\n") {
				t.Errorf("request line of %q", head)
			}
		})
	}
}
