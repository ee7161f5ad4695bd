package target

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/egress"
	"example.com/dispatch/pkg/dispatch/signature"
)

// maze is two receivers on origins of their own, some of whose paths redirect.
type maze struct {
	first, other string // origins

	mu  sync.Mutex
	saw []arrived
}

// newMaze has each path answer as it is told, with a status and a Location; all others answer 200. {first} and {other} in a
// Location stand for the origins.
func newMaze(t *testing.T, paths map[string]hop) *maze {
	t.Helper()
	m := &maze{}
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		m.mu.Lock()
		m.saw = append(m.saw, arrived{r, body})
		m.mu.Unlock()
		if h, ok := paths[r.URL.Path]; ok {
			for name, value := range h.header {
				w.Header().Set(name, value)
			}
			for _, to := range h.to {
				w.Header().Add("Location", strings.NewReplacer("{first}", m.first, "{other}", m.other).Replace(to))
			}
			w.WriteHeader(h.code)
			io.WriteString(w, "moved")
		}
	})
	first, other := httptest.NewServer(answer), httptest.NewServer(answer)
	t.Cleanup(first.Close)
	t.Cleanup(other.Close)
	m.first, m.other = first.URL, other.URL
	return m
}

type hop struct {
	code   int
	to     []string
	header map[string]string
}

func to(code int, where ...string) hop { return hop{code: code, to: where} }

// trail is what was called, in order: "POST first/a, POST other/b".
func (m *maze) trail() string {
	var all []string
	for _, r := range m.saw {
		name := "first"
		if "http://"+r.Host == m.other {
			name = "other"
		}
		all = append(all, r.Method+" "+name+r.URL.RequestURI())
	}
	return strings.Join(all, ", ")
}

// follower sends as a deployment does that allows loopback.
func follower(signer *signature.Signer) HTTP {
	o := egress.Options{AllowedNetworks: loopback(), Workers: 4}
	return HTTP{Client: egress.New(o), Signer: signer, CheckURI: dispatch.URICheck(true, egress.NewCheck(o))}
}

func TestRedirects(t *testing.T) {
	type paths = map[string]hop
	six := paths{}
	for i, c := range "abcdef" {
		six["/"+string(c)] = to(307, "/"+string("bcdefg"[i]))
	}
	codes := func(n ...int) (c dispatch.Codes) {
		for _, code := range n {
			c = append(c, dispatch.CodeRange{From: code, To: code})
		}
		return c
	}
	for _, c := range []struct {
		name   string
		method string // POST unless given
		allow  int
		change func(*dispatch.Doc)
		hosts  dispatch.Hosts // that the task's tenant may call
		paths  paths
		trail  string
		status int
		why    string // what kept a redirect from being followed
	}{
		{name: "none is followed unless it is allowed", paths: paths{"/a": to(307, "/b")}, trail: "POST first/a", status: 307},
		{name: "307", allow: 1, paths: paths{"/a": to(307, "/b?x=1")}, trail: "POST first/a, POST first/b?x=1", status: 200},
		{name: "308", allow: 5, paths: paths{"/a": to(308, "b")}, trail: "POST first/a, POST first/b", status: 200},
		{name: "a PUT", method: "PUT", allow: 1, paths: paths{"/a": to(308, "../b")}, trail: "PUT first/a, PUT first/b", status: 200},
		{name: "a DELETE", method: "DELETE", allow: 1, paths: paths{"/a": to(307, "?c")}, trail: "DELETE first/a, DELETE first/a?c", status: 307, why: "the task allows 1"},
		{name: "a POST stays one after 301", allow: 5, paths: paths{"/a": to(301, "/b")}, trail: "POST first/a", status: 301, why: "a POST is sent on after 307 and 308 only"},
		{name: "and 302", allow: 5, paths: paths{"/a": to(302, "/b")}, trail: "POST first/a", status: 302, why: "a POST is sent on after 307 and 308 only"},
		{name: "and 303", method: "PATCH", allow: 5, paths: paths{"/a": to(303, "/b")}, trail: "PATCH first/a", status: 303, why: "a PATCH is sent on after 307 and 308 only"},
		{name: "a GET follows all five", method: "GET", allow: 5, paths: paths{"/a": to(301, "/b"), "/b": to(302, "/c"), "/c": to(303, "/d"), "/d": to(307, "/e"), "/e": to(308, "/f")},
			trail: "GET first/a, GET first/b, GET first/c, GET first/d, GET first/e, GET first/f", status: 200},
		{name: "and no other", method: "GET", allow: 5, paths: paths{"/a": to(300, "/b")}, trail: "GET first/a", status: 300},
		{name: "304 is none", method: "GET", allow: 5, paths: paths{"/a": to(304, "/b")}, trail: "GET first/a", status: 304},
		{name: "as many as are allowed", allow: 5, paths: six, trail: "POST first/a, POST first/b, POST first/c, POST first/d, POST first/e, POST first/f", status: 307, why: "the task allows 5"},
		{name: "a circle", allow: 5, paths: paths{"/a": to(307, "/b"), "/b": to(307, "/a")}, trail: "POST first/a, POST first/b", status: 307, why: "it goes in a circle"},
		{name: "to itself, written otherwise", allow: 5, paths: paths{"/a": to(307, "/x/../%61")}, trail: "POST first/a, POST first/%61", status: 307, why: "it goes in a circle"},
		{name: "no Location", allow: 5, paths: paths{"/a": to(307)}, trail: "POST first/a", status: 307, why: "it must have one Location"},
		{name: "an empty one", allow: 5, paths: paths{"/a": to(307, "")}, trail: "POST first/a", status: 307, why: "it must have one Location"},
		{name: "two", allow: 5, paths: paths{"/a": to(307, "/b", "/b")}, trail: "POST first/a", status: 307, why: "it must have one Location"},
		{name: "another origin", allow: 1, paths: paths{"/a": to(307, "{other}/b")}, trail: "POST first/a, POST other/b", status: 200},
		{name: "without its scheme", allow: 1, paths: paths{"/a": to(307, "//127.0.0.1:1/b")}, trail: "POST first/a", why: "connection refused"},
		{name: "with claims", allow: 1, change: func(d *dispatch.Doc) { d.Body, d.Claims = nil, []byte(`{"sub":"a"}`) }, paths: paths{"/a": to(307, "/b"), "/b": to(307, "{other}/b")},
			trail: "POST first/a, POST first/b", status: 307, why: "the task allows 1"},
		{name: "with claims to another origin", allow: 5, change: func(d *dispatch.Doc) { d.Body, d.Claims = nil, []byte(`{"sub":"a"}`) }, paths: paths{"/a": to(307, "/b"), "/b": to(308, "{other}/b")},
			trail: "POST first/a, POST first/b", status: 308, why: "claims do not go to another origin"},
		{name: "a success code", allow: 5, change: func(d *dispatch.Doc) { d.SuccessCodes = codes(307) }, paths: paths{"/a": to(307, "/b")}, trail: "POST first/a", status: 307},
		{name: "a stop code", allow: 5, change: func(d *dispatch.Doc) { d.StopCodes = codes(307) }, paths: paths{"/a": to(307, "/b")}, trail: "POST first/a", status: 307},
		{name: "a wait code", allow: 5, change: func(d *dispatch.Doc) { d.WaitCodes = codes(307) }, paths: paths{"/a": to(307, "/b")}, trail: "POST first/a", status: 307},
		{name: "a Dispatch-Outcome", allow: 5, paths: paths{"/a": {307, []string{"/b"}, map[string]string{OutcomeHeader: "wait"}}}, trail: "POST first/a", status: 307},
		{name: "what the last one says counts", allow: 5, paths: paths{"/a": to(307, "/b"), "/b": {code: 503}}, trail: "POST first/a, POST first/b", status: 503},
		{name: "nobody is there", allow: 5, paths: paths{"/a": to(307, "http://127.0.0.1:1/")}, trail: "POST first/a", why: "after a redirect: connection refused"},
		{name: "an unlisted network", allow: 5, paths: paths{"/a": to(307, "https://10.0.0.1/")}, trail: "POST first/a", status: 307, why: "address not allowed"},
		{name: "where its tenant may not call", allow: 5, hosts: dispatch.Hosts{"127.0.0.1"}, paths: paths{"/a": to(307, "/b"), "/b": to(307, "https://other.example/")}, trail: "POST first/a, POST first/b", status: 307, why: "its Location goes where the task's tenant may not call"},
		{name: "metadata", allow: 5, paths: paths{"/a": to(307, "http://169.254.169.254/latest/")}, trail: "POST first/a", status: 307, why: "address not allowed"},
		{name: "http to a public address", allow: 5, paths: paths{"/a": to(307, "http://1.1.1.1/")}, trail: "POST first/a", status: 307, why: "http: is for allowed networks only"},
		{name: "a user", allow: 5, paths: paths{"/a": to(307, "https://a@example.com/")}, trail: "POST first/a", status: 307, why: "must not hold a user"},
		{name: "a fragment", allow: 5, paths: paths{"/a": to(307, "/b#c")}, trail: "POST first/a", status: 307, why: "must not have a fragment"},
		{name: "a space", allow: 5, paths: paths{"/a": to(307, "/b c")}, trail: "POST first/a", status: 307, why: "holds the byte 0x20"},
		{name: "a backslash", allow: 5, paths: paths{"/a": to(307, `\\127.0.0.1\`)}, trail: "POST first/a", status: 307, why: "holds a backslash"},
		{name: "another scheme", allow: 5, paths: paths{"/a": to(307, "file:///etc/passwd")}, trail: "POST first/a", status: 307, why: "is not the URL of a receiver"},
		{name: "an ARN", allow: 5, paths: paths{"/a": to(307, "arn:aws:lambda:eu-west-1:123456789012:function:f")}, trail: "POST first/a", status: 307, why: "is not the URL of a receiver"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMaze(t, c.paths)
			call := callOf("POST", m.first+"/a", `{"amount":12}`)
			call.Doc.Redirects, call.AllowedHosts = c.allow, c.hosts
			if c.method != "" {
				call.Doc.Method = c.method
			}
			if c.change != nil {
				c.change(&call.Doc)
			}
			a := follower(newSigner(t)).Send(t.Context(), call)
			if m.trail() != c.trail || a.Status != c.status || a.Unsent {
				t.Errorf("called %s, want %s; answer %+v, want status %d", m.trail(), c.trail, a, c.status)
			}
			said := a.Note + a.Error
			if (c.why == "") != (said == "") || !strings.Contains(said, c.why) || strings.Contains(said, "127.0.0.1") || strings.Contains(said, "169.254") {
				t.Errorf("says %q, want %q without addresses", said, c.why)
			}
			for _, r := range m.saw[1:] {
				if string(r.body) != string(m.saw[0].body) {
					t.Errorf("%s got the body %s, the first %s", r.URL, r.body, m.saw[0].body)
				}
			}
		})
	}
}

// What was meant for the first origin stays there, and the receiver of a redirect within it can verify the call.
func TestWhatGoesAlong(t *testing.T) {
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	webhook, err := signature.ParseWebhookSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	signer := newSigner(t)
	for _, c := range []struct {
		name  string
		paths map[string]hop
		alike bool // the last request has all that the first one had
	}{
		{"the same origin", map[string]hop{"/a": to(307, "{first}/b")}, true},
		{"another origin", map[string]hop{"/a": to(307, "{other}/b")}, false},
		{"within another origin", map[string]hop{"/a": to(307, "{other}/b"), "/b": to(307, "/c")}, false},
		{"back again", map[string]hop{"/a": to(307, "{other}/b"), "/b": to(308, "{first}/c"), "/c": to(307, "/d")}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMaze(t, c.paths)
			signer.Mode, signer.Webhooks = signature.Both, map[string][]signature.WebhookSecret{m.first: {webhook}, m.other: {webhook}}
			call := callOf("POST", m.first+"/a", `{"amount":12}`)
			call.Doc.Redirects = 5
			call.Doc.Headers = map[string]dispatch.HeaderValue{
				"authorization": {Secret: "shop/token"}, "Cookie": {Text: "a=b"}, "X-Tenant": {Text: "acme"}, "traceparent": {Text: "00-1-2-01"},
				"Content-Type": {Text: "application/cloudevents+json"}, "User-Agent": {Text: "shop"},
			}
			h := follower(signer)
			asked := 0
			h.Secret = func(context.Context, string) (string, error) { asked++; return "Bearer x", nil }
			if a := h.Send(t.Context(), call); a.Status != 200 || asked != 1 {
				t.Fatalf("%+v after %d lookups", a, asked)
			}
			last := m.saw[len(m.saw)-1]
			kept := []string{"Content-Type", "Content-Length", "Idempotency-Key", "Dispatch-Attempt"}
			for name, values := range m.saw[0].Header {
				want := values
				switch {
				case slices.Contains(kept, name):
				case name == "User-Agent" && !c.alike:
					want = []string{"dispatch"}
				case name == signature.Header && c.alike, name == signature.WebhookSignature && c.alike, name == signature.WebhookTimestamp && c.alike:
					continue // verified below
				case !c.alike:
					want = nil
				}
				if got := last.Header.Values(name); !slices.Equal(got, want) {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if len(last.Header) > len(m.saw[0].Header) {
				t.Errorf("the last one has more headers: %v", last.Header)
			}
			if !c.alike {
				return
			}
			set := signature.JWKS{Keys: []signature.JWK{signer.Key.Public()}}
			verified, err := signature.Verifier{Keys: set, Issuer: signer.Issuer, Origin: m.first}.VerifyRequest(last.Request, last.body)
			if err != nil || verified.URL != m.first+"/b" {
				t.Errorf("verified %+v, %v", verified, err)
			}
			if _, err := (signature.WebhookVerifier{Secrets: []signature.WebhookSecret{webhook}}).VerifyRequest(last.Request, last.body); err != nil {
				t.Error(err)
			}
			if first, last := m.saw[0].Header.Get(signature.Header), last.Header.Get(signature.Header); first == last {
				t.Error("one signature for two URLs")
			}
		})
	}
}

// All hops share the call's deadline.
func TestRedirectsShareTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const each = 8 * time.Second
		calls := 0
		slow := HTTP{CheckURI: func(string) error { return nil }, Client: &http.Client{
			Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				calls++
				select {
				case <-time.After(each):
				case <-r.Context().Done():
					return nil, r.Context().Err()
				}
				next := []string{"/" + strings.Repeat("a", calls)}
				return &http.Response{StatusCode: 307, Header: http.Header{"Location": next}, Body: http.NoBody, Request: r}, nil
			}),
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}}
		call := callOf("POST", "https://receiver.example.com/", `1`)
		call.Doc.Redirects, call.Timeout = 5, 30*time.Second
		began := time.Now()
		a := slow.Send(t.Context(), call)
		if took := time.Since(began); took != call.Timeout || calls != 4 || a.Status != 0 || a.Error != "after a redirect: timeout after 30s" {
			t.Errorf("%+v after %d calls and %s", a, calls, took)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A hop is sent once, also where its connection was used before and dies.
func TestHopsAreSentOnce(t *testing.T) {
	uri, requests, _ := hangingUp(t, "end", "x")
	other := listen(t, func(_ int32, c net.Conn) {
		io.ReadAtLeast(c, make([]byte, 1), 1)
		io.WriteString(c, "HTTP/1.1 307 Temporary Redirect\r\nLocation: "+uri+"again\r\nContent-Length: 0\r\n\r\n")
	})
	h := follower(nil)
	if a := h.Send(t.Context(), callOf("POST", uri, `1`)); a.Status != 200 {
		t.Fatalf("%+v", a) // its connection is kept
	}
	before := requests.Load()
	call := callOf("POST", other, `1`)
	call.Doc.Redirects = 1
	if a := h.Send(t.Context(), call); !strings.HasPrefix(a.Error, afterRedirect) || requests.Load() != before+1 {
		t.Errorf("%+v after %d more requests, want one", a, requests.Load()-before)
	}
}
