package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/cmd/dispatch/internal/server"
	"example.com/dispatch/pkg/dispatch"
)

const goodToken = "correct-horse-battery"

// asked is a request as somebody may send it.
type asked struct {
	method, path string
	host         string   // "" for the server's own address; {port} is its port
	header       []string // each a line; {port} is the server's
	body         string
	want         int
}

// hostileRequests are what servers are asked that listen in different ways, and what they answer: who may come in.
func hostileRequests() map[string][]asked {
	const json, text = "Content-Type: application/json", "Content-Type: text/plain"
	get := func(want int, host string, header ...string) asked {
		return asked{"GET", "/tasks", host, header, "", want}
	}
	n := 0
	post := func(want int, host string, header ...string) asked {
		n++
		return asked{"POST", "/tasks", host, header, fmt.Sprintf(`{"id":"t%d","uri":"https://a.example/","delay":3600}`, n), want}
	}
	at := func(want int, method, path string, header ...string) asked {
		return asked{method, path, "", header, "", want}
	}
	const evil, own = "Origin: https://evil.example", "Origin: http://127.0.0.1:{port}"
	token := "Authorization: Bearer " + goodToken

	all := map[string][]asked{
		"loopback": {
			// Names that are the machine's own, with the port that a tunnel may have.
			get(200, ""), get(200, "127.0.0.1"), get(200, "localhost"), get(200, "localhost:{port}"), get(200, "LocalHost:{port}"), get(200, "[::1]:{port}"), get(200, "localhost:9000"), get(200, "127.0.0.2:{port}"),
			post(201, ""), post(201, "localhost:{port}"),
			// A name that somebody owns and lets resolve to this machine, and other addresses of it.
			get(421, "evil.example"), get(421, "evil.example:{port}"), post(421, "evil.example:{port}"), get(421, "127.0.0.1.evil.example"), get(421, "localhost.evil.example:{port}"), get(421, "evil.localhost:{port}"),
			get(421, "localhost.:{port}"), get(421, "0.0.0.0:{port}"), get(421, "[::]:{port}"), get(421, "192.168.1.10:{port}"), get(421, "169.254.169.254"), get(421, "2130706433"), get(421, "0x7f.1"), get(421, "127.1"),
			{"GET", "/healthz", "evil.example", nil, "", 421}, {"GET", "/.well-known/jwks.json", "evil.example", nil, "", 421}, {"GET", "/schema/task.json", "evil.example", nil, "", 421}, {"GET", "/settings", "evil.example", nil, "", 421},
			{"PUT", "/settings", "evil.example", nil, `{}`, 421}, {"DELETE", "/tasks/t1", "evil.example", nil, "", 421}, {"POST", "/2015-03-31/functions/EnqueueFunction/invocations", "evil.example", nil, `{}`, 421},
			get(421, "evil.example", "Origin: http://evil.example"), // a page that has the name as its own
			get(421, "evil.example", "Sec-Fetch-Site: same-origin"), get(421, "evil.example", "X-Forwarded-Host: localhost"), get(421, "evil.example", "Forwarded: host=localhost"),
			// A page of another origin.
			post(403, "", evil), post(403, "", evil, text), post(403, "", evil, json), post(403, "", evil, "Content-Type: multipart/form-data; boundary=x"), post(403, "", evil, "Content-Type: application/x-www-form-urlencoded"),
			post(403, "", "Origin: null"), post(403, "", "Origin: http://localhost:3000"), post(403, "localhost:{port}", own), post(403, "", "Origin: http://127.0.0.1"), post(403, "", "Origin: http://127.0.0.1.evil.example:{port}"),
			post(403, "", "Origin: http://127.0.0.1:{port}@evil.example"), post(403, "", "Origin: file://"), post(403, "", "Origin: "), post(403, "", own, evil), post(403, "", "Origin: chrome-extension://abcdef"),
			post(403, "", "Sec-Fetch-Site: cross-site"), post(403, "", "Sec-Fetch-Site: same-site"), post(403, "", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"), post(403, "", "Sec-Fetch-Site: same-origin", evil),
			get(403, "", evil), get(403, "", "Origin: null"), get(403, "", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"), get(403, "", "Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: cors"),
			at(403, "OPTIONS", "/tasks", evil, "Access-Control-Request-Method: POST"), at(403, "DELETE", "/tasks/t1", evil), at(403, "PUT", "/settings", evil), at(403, "POST", "/tasks/t1/retry", evil), at(403, "POST", "/tasks/t1/skip", evil),
			at(403, "POST", "/2015-03-31/functions/EnqueueFunction/invocations", evil), at(403, "POST", "/2015-03-31/functions/HandleFunction/invocations", "Sec-Fetch-Site: cross-site"), at(403, "HEAD", "/tasks", evil),
			// Its own pages, programs, and a link that a person follows.
			post(201, "", own), post(201, "", own, text), post(201, "", "Sec-Fetch-Site: same-origin", own), post(201, "", "Sec-Fetch-Site: none"), get(200, "", own), get(200, "", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"),
			post(201, "", text), post(201, "", json), post(201, "", "Content-Type: application/x-www-form-urlencoded"), post(201, "", "Content-Type: application/octet-stream"),
			// Methods, paths and sizes.
			at(405, "PUT", "/tasks"), at(405, "TRACE", "/tasks"), at(405, "PATCH", "/tasks/t1"), at(405, "POST", "/healthz"), at(404, "GET", "/"), at(307, "GET", "//tasks"), at(307, "GET", "/tasks/../settings"), at(404, "GET", "/tasks/%2e%2e/settings"),
			at(404, "GET", "/schema/../api.go"), at(404, "GET", "/schema/%2e%2e%2fapi.go"), at(404, "GET", "/debug/pprof/"), at(404, "GET", "/dispatch.db"), at(404, "GET", "/tasks/..%2f..%2fetc%2fpasswd"),
			{"POST", "/tasks", "", nil, strings.Repeat(" ", 8<<20+1), 413}, {"PUT", "/settings", "", nil, strings.Repeat(" ", 8<<20+1), 413}, {"POST", "/tasks/t1/reschedule", "", nil, strings.Repeat(" ", 8<<20+1), 413},
			{"POST", "/2015-03-31/functions/EnqueueFunction/invocations", "", nil, strings.Repeat(" ", 6<<20+1), 413}, {"POST", "/2015-03-31/functions/EnqueueFunction/invocations", "", []string{"X-Amz-Invocation-Type: Event"}, strings.Repeat(" ", 1<<20+1), 413},
			at(431, "GET", "/tasks", "X-Long: "+strings.Repeat("a", 80<<10)),
		},
		"loopback with a token": {
			get(200, "", token), get(200, "", "Authorization: bearer "+goodToken), post(201, "", token),
			get(401, ""), post(401, ""), get(401, "", "Authorization: "), get(401, "", "Authorization: Bearer"), get(401, "", "Authorization: Bearer "), get(401, "", "Authorization: "+goodToken), get(401, "", "Authorization: Bearer wrong"),
			get(401, "", "Authorization: Bearer "+goodToken[:len(goodToken)-1]), get(401, "", "Authorization: Bearer "+goodToken+"x"), get(401, "", "Authorization: Bearer "+strings.ToUpper(goodToken)), get(401, "", "Authorization: Bearer  "+goodToken),
			get(401, "", "Authorization: Basic Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5"), get(401, "", token, "Authorization: Bearer wrong"), get(401, "", "Authorization: Bearer wrong", token), get(401, "", "Cookie: token="+goodToken), get(401, "", "X-Api-Key: "+goodToken),
			at(401, "GET", "/tasks?token="+goodToken), at(401, "GET", "/tasks?access_token="+goodToken), at(401, "GET", "/settings"), at(401, "PUT", "/settings"), at(401, "DELETE", "/tasks/t1"), at(401, "GET", "/schema/task.json"), at(401, "GET", "/nope"), at(401, "TRACE", "/tasks"),
			at(401, "GET", "/healthz/"), at(401, "GET", "//healthz"), at(401, "GET", "/healthz/../tasks"), at(401, "GET", "/.well-known/jwks.json/../../tasks"), at(401, "GET", "/%68ealthz/../tasks"),
			at(401, "POST", "/2015-03-31/functions/EnqueueFunction/invocations"), at(401, "POST", "/2015-03-31/functions/HandleFunction/invocations", "Authorization: AWS4-HMAC-SHA256 Credential=x"),
			at(200, "GET", "/healthz"), at(200, "GET", "/.well-known/jwks.json"), at(405, "POST", "/healthz"), // what is public anyway
			get(421, "evil.example", token), get(403, "", token, evil), post(403, "", token, "Sec-Fetch-Site: cross-site"),
		},
		"all addresses with a token": {
			get(200, "", token), get(200, "dispatch.example", token), get(200, "192.168.1.10:{port}", token), post(201, "dispatch.example", token),
			get(401, ""), get(401, "localhost"), get(401, "evil.example"), post(401, "evil.example", "Origin: http://evil.example"), at(200, "GET", "/healthz"),
			post(403, "", token, evil), post(403, "dispatch.example", token, "Sec-Fetch-Site: cross-site"), get(403, "", token, evil),
		},
		"all addresses under a name": {
			get(200, "dispatch.example", token), get(200, "DISPATCH.example:443", token), get(200, "localhost:{port}", token), post(201, "dispatch.example", token, "Origin: https://dispatch.example"),
			get(421, "evil.example", token), get(421, "192.168.1.10:{port}", token), get(421, "dispatch.example.evil.example", token), get(421, "", "Host: dispatch.example.", token), get(401, "dispatch.example"),
		},
		"loopback under a name": {
			get(200, "dispatch.example"), get(200, "localhost"), get(421, "evil.example"), post(201, "dispatch.example", "Origin: https://dispatch.example"), post(403, "dispatch.example", "Origin: https://evil.example"),
		},
	}
	return all
}

func TestHostileRequests(t *testing.T) {
	listening := map[string]func(*server.Options){
		"loopback":                   func(*server.Options) {},
		"loopback with a token":      func(o *server.Options) { o.Token = goodToken },
		"all addresses with a token": func(o *server.Options) { o.Listen, o.Token = "0.0.0.0:0", goodToken },
		"all addresses under a name": func(o *server.Options) {
			o.Listen, o.Token, o.Hosts = "0.0.0.0:0", goodToken, []string{"dispatch.example"}
		},
		"loopback under a name": func(o *server.Options) { o.Hosts = []string{"dispatch.example"} },
	}
	tried, refused := 0, 0
	for name, requests := range hostileRequests() {
		r := start(t, listening[name])
		taken := 0
		for _, one := range requests {
			tried++
			answer := ask(t, r, one)
			if answer.StatusCode != one.want {
				t.Errorf("%s: %s %s to %q with %.80q: %d, want %d", name, one.method, one.path, one.host, one.header, answer.StatusCode, one.want)
			}
			switch h := answer.Header; {
			case answer.StatusCode == http.StatusRequestHeaderFieldsTooLarge: // net/http's own answer
			case h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cross-Origin-Resource-Policy") != "same-origin" || h.Get("Access-Control-Allow-Origin") != "":
				t.Errorf("%s: %s %s: %v", name, one.method, one.path, h)
			}
			if answer.StatusCode >= 400 {
				refused++
			}
			if answer.StatusCode == http.StatusCreated {
				taken++
			}
		}
		stored := 0
		for _, err := range r.Store.List(t.Context(), dispatch.Filter{}) {
			if err != nil {
				t.Fatal(err)
			}
			stored++
		}
		if stored != taken {
			t.Errorf("%s: %d tasks stored, %d acknowledged", name, stored, taken)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	}
	t.Logf("hostile: %d requests to the local server tried: %d refused, %d let in", tried, refused, tried-refused)
}

// ask writes a request as it is, which a client of net/http would mend.
func ask(t *testing.T, r rig, a asked) *http.Response {
	t.Helper()
	_, port, err := net.SplitHostPort(strings.TrimPrefix(r.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	if a.host == "" {
		a.host = "127.0.0.1:{port}"
	}
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nConnection: close\r\nContent-Length: %d\r\n", a.method, a.path, len(a.body))
	for _, line := range append(a.header, "Host: "+a.host) {
		if !strings.HasPrefix(line, "Host: ") || !strings.Contains(head, "\r\nHost: ") {
			head += line + "\r\n"
		}
	}
	go io.WriteString(conn, strings.ReplaceAll(head, "{port}", port)+"\r\n"+a.body) // what refuses it may not read it all
	answer, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: a.method})
	if err != nil {
		t.Fatalf("%s %s: %v", a.method, a.path, err)
	}
	answer.Body.Close()
	return answer
}

// A request without a Host, and one to a proxy, name nobody who is here.
func TestHostsOfOldRequests(t *testing.T) {
	r := start(t, nil)
	address := strings.TrimPrefix(r.URL(), "http://")
	for request, want := range map[string]int{
		"GET /tasks HTTP/1.0\r\n\r\n":                                          421,
		"GET /tasks HTTP/1.0\r\nHost: localhost\r\n\r\n":                       200,
		"GET /tasks HTTP/1.1\r\n\r\n":                                          400,
		"GET http://evil.example/tasks HTTP/1.1\r\nHost: localhost\r\n\r\n":    421,
		"GET /tasks HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n": 400,
		"GET /tasks HTTP/1.1\r\nHost: evil.example\r\nHost: localhost\r\n\r\n": 400,
		"CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n":         421,
	} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(patience))
		io.WriteString(conn, request)
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || answer.StatusCode != want {
			t.Errorf("%q: %v %v, want %d", request, answer, err, want)
		}
		conn.Close()
	}
}

// Whoever sends slowly, or nothing, is hung up on, in every phase of a connection.
func TestSlowCallersAreHungUpOn(t *testing.T) {
	certificate := newCertificate(t)
	for _, c := range []struct {
		name, sends string
		tls         bool
		answered    string // before the end
	}{
		{"nothing", "", false, ""},
		{"nothing to TLS", "", true, ""},
		{"a half hello to TLS", "\x16\x03\x01\x02\x00\x01", true, ""},
		{"half a line", "GET /ta", false, ""},
		{"half a header", "GET /tasks HTTP/1.1\r\nHost: localhost\r\nX-A: b", false, ""},
		{"half a body", "POST /tasks HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{\"uri\":", false, "HTTP/1.1 400"},
		{"half a chunk", "POST /tasks HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nabc", false, "HTTP/1.1 400"},
		{"one request and nothing more", "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", false, "HTTP/1.1 200"},
		{"one request and half of another", "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /", false, "HTTP/1.1 200"},
	} {
		r := start(t, func(o *server.Options) {
			o.Times = server.Times{Header: 40 * time.Millisecond, Read: 80 * time.Millisecond, Write: time.Second, Idle: 40 * time.Millisecond}
			if c.tls {
				o.TLSCert, o.TLSKey = certificate.files(t)
			}
		})
		_, address, _ := strings.Cut(r.URL(), "://")
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(patience))
		io.WriteString(conn, c.sends)
		got, err := io.ReadAll(conn) // until the server ends it
		if timeout, ok := err.(net.Error); ok && timeout.Timeout() || !strings.HasPrefix(string(got), c.answered) || c.answered == "" && strings.HasPrefix(string(got), "HTTP/1.1 2") {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
		conn.Close()
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	}
}
