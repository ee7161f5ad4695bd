package target

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/egress"
)

// piped returns a client whose connections end in serve: no network, so that time can be made to pass.
func piped(serve func(in *bufio.Reader, c net.Conn)) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			go func() {
				defer server.Close()
				in := bufio.NewReader(server)
				r, err := http.ReadRequest(in)
				if err != nil {
					return
				}
				io.Copy(io.Discard, r.Body)
				serve(in, server)
			}()
			return client, nil
		},
	}}
}

// TestOneDeadline: the timeout ends the call wherever it hangs, and no answer is an answer half read.
func TestOneDeadline(t *testing.T) {
	hang := func(in *bufio.Reader) { io.Copy(io.Discard, in) }
	connecting := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() },
	}}
	for _, c := range []struct {
		name   string
		client *http.Client
	}{
		{"while connecting", connecting},
		{"before an answer", piped(func(in *bufio.Reader, c net.Conn) { hang(in) })},
		{"within the headers", piped(func(in *bufio.Reader, c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\nX: "); hang(in) })},
		{"before the body", piped(func(in *bufio.Reader, c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
			hang(in)
		})},
		{"a byte of the body each second", piped(func(in *bufio.Reader, c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
			gone := make(chan bool)
			go func() { hang(in); close(gone) }()
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			for {
				io.WriteString(c, "x")
				select {
				case <-tick.C:
				case <-gone:
					return
				}
			}
		})},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				a := (HTTP{Client: c.client}).Send(t.Context(), callOf("POST", "http://receiver/", "{}"))
				if want := (dispatch.Answer{Error: "timeout after 30s"}); a != want {
					t.Errorf("%+v, want %+v", a, want)
				}
				if took := time.Since(begin); took != 30*time.Second {
					t.Errorf("took %s, want 30s", took)
				}
				c.client.CloseIdleConnections()
			})
		})
	}
}

func TestCutOffByTheSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		client := piped(func(in *bufio.Reader, _ net.Conn) { io.Copy(io.Discard, in) })
		a := (HTTP{Client: client}).Send(ctx, callOf("POST", "http://receiver/", "{}"))
		if want := (dispatch.Answer{Error: "call cut off by the sender"}); a != want {
			t.Errorf("%+v, want %+v", a, want)
		}
	})
}

func TestAnswers(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	date := noon.Add(time.Minute).Format(http.TimeFormat)
	for _, c := range []struct {
		name, sent string
		want       dispatch.Answer
	}{
		{"no body", "HTTP/1.1 204 No Content\r\n\r\n", dispatch.Answer{Status: 204}},
		{"a body", ok + "Content-Length: 2\r\n\r\nok", dispatch.Answer{Status: 200}},
		{"a body in chunks", ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", dispatch.Answer{Status: 200}},
		{"a body until the end", ok + "\r\nok", dispatch.Answer{Status: 200}},
		{"early hints first", "HTTP/1.1 103 Early Hints\r\n\r\n" + ok + "Content-Length: 0\r\n\r\n", dispatch.Answer{Status: 200}},
		{"64 KB and more", ok + "Content-Length: 1000000\r\n\r\n" + strings.Repeat("x", maxAnswer), dispatch.Answer{Status: 200}},
		{"a byte less, and broken off", ok + "Content-Length: 1000000\r\n\r\n" + strings.Repeat("x", maxAnswer-1), dispatch.Answer{Error: "answer broken off"}},
		{"body broken off", ok + "Content-Length: 3\r\n\r\nok", dispatch.Answer{Error: "answer broken off"}},
		{"chunks broken off", ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", dispatch.Answer{Error: "answer broken off"}},
		{"a redirect", "HTTP/1.1 307 Temporary Redirect\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", dispatch.Answer{Status: 307}},
		{"an error", "HTTP/1.1 503 Busy\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n", dispatch.Answer{Status: 503, RetryAfter: 2 * time.Minute}},
		{"until a date", "HTTP/1.1 503 Busy\r\nRetry-After: " + date + "\r\nContent-Length: 0\r\n\r\n", dispatch.Answer{Status: 503, RetryAfter: time.Minute}},
		{"nothing", "", dispatch.Answer{Error: "connection closed before an answer came"}},
		{"half a header", ok + "X: y", dispatch.Answer{Error: "connection closed before an answer came"}},
		{"no HTTP", "SSH-2.0-OpenSSH\r\n", dispatch.Answer{Error: `reading the answer: malformed HTTP response "SSH-2.0-OpenSSH"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			uri := listen(t, func(_ int32, conn net.Conn) {
				in := bufio.NewReader(conn)
				r, err := http.ReadRequest(in)
				if err != nil {
					return
				}
				io.Copy(io.Discard, r.Body)
				io.WriteString(conn, c.sent)
			})
			h := HTTP{Client: local(1), Now: func() time.Time { return noon }}
			if a := h.Send(t.Context(), callOf("POST", uri, "{}")); a != c.want {
				t.Errorf("%+v, want %+v", a, c.want)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	in := func(d time.Duration) string { return noon.Add(d).Format(http.TimeFormat) }
	for _, c := range []struct {
		value string
		want  time.Duration
	}{
		{"0", 0},
		{"1", time.Second},
		{" 120 ", 2 * time.Minute},
		{"0120", 2 * time.Minute},
		{"1209600", dispatch.MaxWaiting},
		{"1209601", dispatch.MaxWaiting},
		{"99999999999999999999999999", dispatch.MaxWaiting},
		{in(90 * time.Second), 90 * time.Second},
		{noon.Add(90 * time.Second).Format("Monday, 02-Jan-06 15:04:05 GMT"), 90 * time.Second}, // RFC 850
		{noon.Add(90 * time.Second).Format(time.ANSIC), 90 * time.Second},
		{in(-time.Second), 0},
		{in(15 * 24 * time.Hour), dispatch.MaxWaiting},
		{"Fri, 31 Dec 9999 23:59:59 GMT", dispatch.MaxWaiting},
		{"", 0},
		{" ", 0},
		{"-1", 0},
		{"+1", 0},
		{"1.5", 0},
		{"1s", 0},
		{"1 2", 0},
		{"soon", 0},
		{"2026-03-01T12:01:30Z", 0},
	} {
		if got := retryAfter(c.value, noon); got != c.want {
			t.Errorf("%q: %s, want %s", c.value, got, c.want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "120", "-1", "99999999999999999999", noon.Format(http.TimeFormat), "Fri, 31 Dec 9999 23:59:59 GMT"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if got := retryAfter(value, noon); got < 0 || got > dispatch.MaxWaiting {
			t.Errorf("%q: %s", value, got)
		}
	})
}

func TestFailuresInOneLine(t *testing.T) {
	plain := func(says string) string {
		uri := listen(t, func(_ int32, c net.Conn) { io.WriteString(c, says) })
		return strings.Replace(uri, "http:", "https:", 1)
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + l.Addr().String() + "/"
	l.Close()
	dialling := func(err error) *http.Client {
		return &http.Client{Transport: &http.Transport{
			DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, err },
		}}
	}
	for _, c := range []struct {
		name   string
		client *http.Client
		uri    string
		want   string
	}{
		{"nobody listens", local(1), closed, "connection refused"},
		{"an address that is not public", egress.New(egress.Options{}), closed, "address not allowed"},
		{"a public one over http:", dialling(fmt.Errorf("dialling 1.1.1.1:80: %w", egress.ErrPlain)), "http://x/", "address not allowed over http:, use https:"},
		{"no such name", dialling(&net.OpError{Op: "dial", Err: &net.DNSError{Name: "secret.internal", IsNotFound: true}}), "http://x/", "name not found"},
		{"no name server", dialling(&net.DNSError{Name: "secret.internal", Server: "10.0.0.2:53", IsTimeout: true}), "http://x/", "name lookup failed"},
		{"HTTP without TLS", local(1), plain("HTTP/1.1 400 Bad Request\r\n\r\n"), "TLS: the server does not speak it"},
		{"SSH", local(1), plain("SSH-2.0-OpenSSH\r\n"), "TLS: the server does not speak it"},
		{"something else", dialling(&net.OpError{Op: "dial", Addr: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}, Err: errors.New("line one\nline two")}), "http://x/", "line one line two"},
		{"a long text", dialling(errors.New(strings.Repeat("x", 1000))), "http://x/", strings.Repeat("x", 200)},
		{"an invalid URI", local(1), "http://x/%zz?token=secret", "invalid URI"},
		{"another scheme", local(1), "gopher://x/", "unsupported protocol scheme \"gopher\""},
	} {
		a := (HTTP{Client: c.client}).Send(t.Context(), callOf("POST", c.uri, "{}"))
		if want := (dispatch.Answer{Error: c.want}); a != want {
			t.Errorf("%s: %+v, want %+v", c.name, a, want)
		}
	}
}

// The beginning of an answer is kept for those that have somebody to tell.
func TestAnswerIsKeptForACallback(t *testing.T) {
	for _, size := range []int{0, 5, 1024, 5000, 100000} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, strings.Repeat("x", size))
		}))
		for _, told := range []bool{false, true} {
			c := callOf("POST", server.URL, "{}")
			if told {
				c.Doc.OnFailure = &dispatch.Callback{}
			}
			want := map[bool]int{true: min(size, keptAnswer), false: 0}[told]
			if a := (HTTP{Client: local(1)}).Send(t.Context(), c); a.Status != 200 || len(a.Body) != want {
				t.Errorf("%d bytes, told %t: status %d, %d kept, want %d", size, told, a.Status, len(a.Body), want)
			}
		}
		server.Close()
	}
}

func TestCertificates(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	roots := server.Client().Transport.(*http.Transport).TLSClientConfig
	for _, c := range []struct {
		name, host string
		at         time.Time // the client's clock
		trusted    bool
		want       dispatch.Answer
	}{
		{"good", "127.0.0.1", noon, true, dispatch.Answer{Status: 404}},
		{"of an unknown authority", "127.0.0.1", noon, false, dispatch.Answer{Error: "TLS: certificate of an unknown authority"}},
		{"for another name", "localhost", noon, true, dispatch.Answer{Error: "TLS: certificate for another name"}},
		{"expired", "127.0.0.1", noon.AddDate(1000, 0, 0), true, dispatch.Answer{Error: "TLS: certificate expired or not yet valid"}},
	} {
		config := &tls.Config{Time: func() time.Time { return c.at }}
		if c.trusted {
			config.RootCAs = roots.RootCAs
		}
		client := egress.New(egress.Options{AllowedNetworks: loopback(), TLS: config})
		uri := strings.Replace(server.URL, "127.0.0.1", c.host, 1)
		if a := (HTTP{Client: client}).Send(t.Context(), callOf("POST", uri, "{}")); a != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, a, c.want)
		}
	}
}
