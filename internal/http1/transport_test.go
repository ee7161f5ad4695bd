package http1

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func newTransport(idle int) *Transport {
	return &Transport{Dial: new(net.Dialer).DialContext, Idle: idle, IdleFor: 4 * time.Second}
}

// listening answers each connection with serve, in a goroutine of its own; n counts them from 1 on.
func listening(t *testing.T, serve func(n int, c *net.TCPConn, in *bufio.Reader)) (url string) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for n := 1; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(n, c.(*net.TCPConn), bufio.NewReader(c))
			}()
		}
	}()
	return "http://" + l.Addr().String() + "/"
}

// served reads a request with its body; false: there is none.
func served(in *bufio.Reader) bool {
	r, err := http.ReadRequest(in)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, r.Body)
	return err == nil
}

func post(ctx context.Context, t *testing.T, url, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// called returns the status and the body, or the error's text.
func called(t *testing.T, tr http.RoundTripper, r *http.Request) string {
	t.Helper()
	response, err := tr.RoundTrip(r)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Sprintf("%d %q %v", response.StatusCode, body, err)
	}
	return fmt.Sprintf("%d %q", response.StatusCode, body)
}

// TestConnections: which answers leave a connection that the second of two calls uses, and which do not.
func TestConnections(t *testing.T) {
	const hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
	for _, c := range []struct {
		name, answer string
		unread       bool // the body of the first answer is left
		connections  int
		want         string
	}{
		{"a length", hello, false, 1, `200 "hello"`},
		{"no body", "HTTP/1.1 204 No Content\r\n\r\n", false, 1, `204 ""`},
		{"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", false, 1, `200 "hello"`},
		{"a trailer", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n", false, 1, `200 "hello"`},
		{"interim answers", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + hello, false, 1, `200 "hello"`},
		{"left before its end", hello, true, 2, ""},
		{"says that it closes", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", false, 2, `200 "hello"`},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, 2, `200 "hello"`},
		{"more than was asked for", hello + hello, false, 2, `200 "hello"`},
		{"another protocol", "HTTP/1.1 101 Switching Protocols\r\n\r\n", false, 2, `101 ""`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var connections atomic.Int32
			url := listening(t, func(n int, conn *net.TCPConn, in *bufio.Reader) {
				connections.Store(int32(n))
				for served(in) {
					io.WriteString(conn, c.answer)
				}
			})
			tr := newTransport(1)
			defer tr.CloseIdleConnections()
			for range 2 {
				if c.unread {
					response, err := tr.RoundTrip(post(t.Context(), t, url, "{}"))
					if err != nil {
						t.Fatal(err)
					}
					response.Body.Close()
				} else if got := called(t, tr, post(t.Context(), t, url, "{}")); got != c.want {
					t.Errorf("%s, want %s", got, c.want)
				}
			}
			if n := int(connections.Load()); n != c.connections {
				t.Errorf("%d connections, want %d", n, c.connections)
			}
		})
	}
}

// TestUnusedConnections that end, or on which something comes, are not used again: no attempt is lost.
func TestUnusedConnections(t *testing.T) {
	for _, what := range []string{"ends", "is reset", "says something"} {
		t.Run(what, func(t *testing.T) {
			go1, done := make(chan bool), make(chan bool)
			url := listening(t, func(n int, c *net.TCPConn, in *bufio.Reader) {
				for served(in) {
					io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
					if n > 1 {
						continue
					}
					<-go1
					switch what {
					case "ends":
						c.Close()
					case "is reset":
						c.SetLinger(0)
						c.Close()
					case "says something":
						io.WriteString(c, "HTTP/1.1 408 Request Timeout\r\n\r\n")
					}
					close(done)
					return
				}
			})
			tr := newTransport(1)
			defer tr.CloseIdleConnections()
			if got := called(t, tr, post(t.Context(), t, url, "{}")); got != `200 ""` {
				t.Fatal(got)
			}
			close(go1)
			<-done
			if got := called(t, tr, post(t.Context(), t, url, "{}")); got != `200 ""` {
				t.Error(got)
			}
		})
	}
}

// TestOneRequest: what hangs up on a request is not asked again, whatever the request looks like.
func TestOneRequest(t *testing.T) {
	for _, method := range []string{"GET", "PUT", "POST", "DELETE"} {
		var requests atomic.Int32
		url := listening(t, func(_ int, c *net.TCPConn, in *bufio.Reader) {
			for served(in) {
				if requests.Add(1)%2 == 0 {
					return
				}
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			}
		})
		tr := newTransport(1)
		for _, want := range []string{`200 ""`, "reading the answer: unexpected EOF"} {
			r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Idempotency-Key", "a")
			if got := called(t, tr, r); got != want {
				t.Errorf("%s: %s, want %s", method, got, want)
			}
		}
		if n := requests.Load(); n != 2 {
			t.Errorf("%s: %d requests, want 2", method, n)
		}
	}
}

// TestLongBodies: one that is read arrives whole; an answer that comes before it is read, or instead of reading it, is heard.
func TestLongBodies(t *testing.T) {
	for _, size := range []int{inline, inline + 1, 8 << 20} {
		var connections atomic.Int32
		url := listening(t, func(n int, c *net.TCPConn, in *bufio.Reader) {
			connections.Store(int32(n))
			for {
				r, err := http.ReadRequest(in)
				if err != nil {
					return
				}
				got, err := io.ReadAll(r.Body)
				fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%d %v", len(fmt.Sprint(len(got), " ", err)), len(got), err)
			}
		})
		tr := newTransport(1)
		for range 2 {
			if got, want := called(t, tr, post(t.Context(), t, url, strings.Repeat("x", size))), fmt.Sprintf(`200 "%d <nil>"`, size); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		if n := connections.Load(); n != 1 {
			t.Errorf("%d bytes: %d connections, want 1", size, n)
		}
		tr.CloseIdleConnections()
	}
	for _, after := range []string{"waits", "hangs up"} {
		release := make(chan bool)
		url := listening(t, func(_ int, c *net.TCPConn, in *bufio.Reader) {
			http.ReadRequest(in)
			io.WriteString(c, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno")
			if after == "waits" {
				<-release
			} else {
				c.CloseWrite()
				io.Copy(io.Discard, in)
			}
		})
		if got := called(t, newTransport(1), post(t.Context(), t, url, strings.Repeat("x", 8<<20))); got != `413 "no"` {
			t.Errorf("%s: %s", after, got)
		}
		close(release)
	}
}

// TestBrokenBody: a request that ends before its body does is cut off, and nobody waits for an answer to it.
func TestBrokenBody(t *testing.T) {
	for _, size := range []int64{10, inline + 10} {
		url := listening(t, func(_ int, _ *net.TCPConn, in *bufio.Reader) { io.Copy(io.Discard, in) })
		r := post(t.Context(), t, url, "12345")
		r.ContentLength = size
		if got := called(t, newTransport(1), r); !strings.Contains(got, "ContentLength") && !strings.Contains(got, "timeout") {
			t.Error(got)
		}
	}
}

// TestInterrupted: the end of the context ends a call wherever it is, with the context's cause, and the next one is made.
func TestInterrupted(t *testing.T) {
	cause := errors.New("enough")
	for _, where := range []string{"connecting", "before the answer", "in the header", "in the body", "in a long request"} {
		t.Run(where, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			release := make(chan bool)
			defer close(release)
			url := listening(t, func(n int, c *net.TCPConn, in *bufio.Reader) {
				if n > 1 {
					for served(in) {
						io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
					}
					return
				}
				http.ReadRequest(in)
				switch where {
				case "in the header":
					io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-")
				case "in the body":
					io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello")
				}
				if where != "in the body" {
					cancel(cause)
				}
				<-release
			})
			tr := newTransport(1)
			defer tr.CloseIdleConnections()
			dial := tr.Dial
			tr.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				if where != "connecting" || ctx.Err() != nil {
					return dial(ctx, network, address)
				}
				cancel(cause)
				return dial(ctx, network, address)
			}
			body := "{}"
			if where == "in a long request" {
				body = strings.Repeat("x", 64<<20)
			}
			response, err := tr.RoundTrip(post(ctx, t, url, body))
			if where == "in the body" && err == nil {
				if _, err = io.ReadFull(response.Body, make([]byte, 5)); err != nil {
					t.Fatal(err)
				}
				cancel(cause)
				_, err = response.Body.Read(make([]byte, 1))
			}
			if !errors.Is(err, cause) {
				t.Errorf("%v, want %v", err, cause)
			}
			if where == "connecting" {
				return
			}
			if got := called(t, tr, post(t.Context(), t, url, "{}")); got != `200 ""` {
				t.Error("the next one: " + got)
			}
		})
	}
}

func TestLongHeader(t *testing.T) {
	long := "X-Long: " + strings.Repeat("x", 1000) + "\r\n"
	for _, c := range []struct{ name, answer, want string }{
		{"header", "HTTP/1.1 200 OK\r\n" + strings.Repeat(long, 70) + "\r\n", "reading the answer: " + errHeader.Error()},
		{"interim answers", strings.Repeat("HTTP/1.1 103 Early Hints\r\n"+long+"\r\n", 70) + "HTTP/1.1 204 No Content\r\n\r\n", "reading the answer: " + errHeader.Error()},
		{"body", "HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n" + strings.Repeat("x", 70000), `200 "` + strings.Repeat("x", 70000) + `"`},
	} {
		url := listening(t, func(_ int, conn *net.TCPConn, in *bufio.Reader) {
			if served(in) {
				io.WriteString(conn, c.answer)
				io.Copy(io.Discard, in)
			}
		})
		if got := called(t, newTransport(1), post(t.Context(), t, url, "{}")); got != c.want {
			t.Errorf("%s: %.100s", c.name, got)
		}
	}
}

// TestRefused: what would not be one request on the wire is not sent.
func TestRefused(t *testing.T) {
	tr := newTransport(1)
	tr.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("dialled") }
	for _, c := range []struct{ url, header, want string }{
		{"http://a/", "fine\tso far", "dialled"},
		{"http://a/", "a\r\nB: c", "header X has a control character"},
		{"http://a/", "a\x00", "header X has a control character"},
		{"ftp://a/", "", `unsupported protocol scheme "ftp"`},
		{"http:///a", "", "no host in the URL"},
	} {
		r := post(t.Context(), t, c.url, "{}")
		r.Header["X"] = []string{c.header}
		if got := called(t, tr, r); got != c.want {
			t.Errorf("%s %q: %s, want %s", c.url, c.header, got, c.want)
		}
	}
}

func TestTLS(t *testing.T) {
	var connections atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) }))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	tr := newTransport(1)
	defer tr.CloseIdleConnections()
	if got := called(t, tr, post(t.Context(), t, server.URL, "{}")); !strings.Contains(got, "x509: ") {
		t.Error(got)
	}
	connections.Store(0)
	tr.TLS = server.Client().Transport.(*http.Transport).TLSClientConfig
	for range 3 {
		if got := called(t, tr, post(t.Context(), t, server.URL, strings.Repeat("x", 5000))); got != `200 "HTTP/1.1"` {
			t.Error(got)
		}
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
	mute := strings.Replace(listening(t, func(_ int, _ *net.TCPConn, in *bufio.Reader) { io.Copy(io.Discard, in) }), "http:", "https:", 1)
	tr.Handshake = time.Millisecond
	if got := called(t, tr, post(t.Context(), t, mute, "")); !strings.Contains(got, "deadline exceeded") {
		t.Error(got)
	}
}

func TestNoneIsKept(t *testing.T) {
	heads := make(chan string, 2)
	url := listening(t, func(_ int, c *net.TCPConn, in *bufio.Reader) {
		var head bytes.Buffer
		served(bufio.NewReader(io.TeeReader(in, &head)))
		heads <- head.String()
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		io.Copy(io.Discard, in)
	})
	for range 2 {
		if got := called(t, newTransport(0), post(t.Context(), t, url, "{}")); got != `200 ""` {
			t.Error(got)
		}
		if head := <-heads; !strings.Contains(head, "\r\nConnection: close\r\n") {
			t.Error(head)
		}
	}
}

// TestLateAnswer: a connection on which nothing comes is given up, and not kept.
func TestLateAnswer(t *testing.T) {
	release := make(chan bool)
	defer close(release)
	url := listening(t, func(n int, c *net.TCPConn, in *bufio.Reader) {
		for served(in) {
			if n == 1 {
				<-release
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	})
	tr := newTransport(1)
	defer tr.CloseIdleConnections()
	tr.Answer = time.Millisecond
	if got := called(t, tr, post(t.Context(), t, url, "{}")); !strings.Contains(got, "timeout") {
		t.Error(got)
	}
	tr.Answer = time.Minute
	if got := called(t, tr, post(t.Context(), t, url, "{}")); got != `200 ""` {
		t.Error(got)
	}
}
