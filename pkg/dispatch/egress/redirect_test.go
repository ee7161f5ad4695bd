package egress_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/egress"
	"example.com/dispatch/pkg/dispatch/target"
)

// redirecting is a receiver whose path /start redirects to where it is told to.
type redirecting struct {
	*httptest.Server
	to atomic.Value // string
}

func newRedirecting(t *testing.T) *redirecting {
	t.Helper()
	r := &redirecting{}
	r.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if request.URL.Path == "/start" {
			w.Header().Set("Location", r.to.Load().(string))
			w.WriteHeader(http.StatusTemporaryRedirect)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// follower calls what is public and public, and follows redirects.
func (r *redirecting) follower(o egress.Options, public string) target.HTTP {
	o.TLS = r.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	o.TLS.ServerName = "example.com" // whom the certificate is for
	o.DisableKeepAlives = true
	return target.HTTP{
		Client:   egress.NewTaking(o, netip.MustParsePrefix(public+"/32")),
		CheckURI: dispatch.URICheck(len(o.AllowedNetworks) > 0, egress.NewCheck(o)),
	}
}

func (r *redirecting) port(t *testing.T) string {
	t.Helper()
	_, port, err := net.SplitHostPort(r.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func call(uri string) dispatch.Call {
	d := dispatch.Doc{CreatedAt: time.Now(), Method: http.MethodPost, URI: uri, Format: dispatch.Envelope, Redirects: dispatch.MaxRedirects}
	return dispatch.Call{Task: dispatch.Task{ID: "a", Run: 1, Generation: 1}, Doc: d, Attempt: 1, Timeout: 5 * time.Second}
}

// firstHop answers for the task's own receiver, first.example, whose path /start redirects; all else is called.
type firstHop struct {
	to     string
	back   int // calls of its other paths
	onward http.RoundTripper
}

func (f *firstHop) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != "first.example" {
		return f.onward.RoundTrip(r)
	}
	a := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}
	if r.URL.Path == "/start" {
		a.StatusCode, a.Header = http.StatusTemporaryRedirect, http.Header{"Location": {f.to}}
	} else {
		f.back++
	}
	return a, nil
}

// No hostile URL is reached by a redirect either: it is refused as enqueue would, or by the dial. Those that are references
// within the receiver's origin stay there.
func TestHostileRedirects(t *testing.T) {
	names := map[string][][]netip.Addr{}
	for name, text := range hostileNames {
		names[name] = answers(t, text)
	}
	dns := newNameserver(t, names)
	for _, networks := range [][]netip.Prefix{nil, {netip.MustParsePrefix("10.77.0.0/16")}} {
		o := egress.Options{AllowedNetworks: networks, Resolver: dns.resolver()}
		client := egress.New(o)
		first := &firstHop{onward: client.Transport}
		client.Transport = first
		h := target.HTTP{Client: client, CheckURI: dispatch.URICheck(len(networks) > 0, egress.NewCheck(o))}
		refused, dialled := 0, 0
		for _, one := range hostile {
			first.to, first.back = one.uri, 0
			a := h.Send(t.Context(), call("https://first.example/start"))
			text, after := strings.CutPrefix(a.Error, "after a redirect: ")
			switch {
			case a.Status == http.StatusTemporaryRedirect && strings.HasPrefix(a.Note, "redirect not followed: "):
				refused++
			case after && slices.Contains([]string{"address not allowed", "port not allowed", "name not found", "address not allowed over http:, use https:"}, text):
				dialled++
			case a.Status != http.StatusOK || first.back != 1 || strings.Contains(one.uri, "//"):
				t.Errorf("%q with %v allowed: %+v", one.uri, networks, a)
			}
		}
		t.Logf("hostile: %d redirects tried with %d networks allowed: %d refused by their Location, %d by the dial, %d led back to their origin",
			len(hostile), len(networks), refused, dialled, len(hostile)-refused-dialled)
	}
}

// A name that was public when the task's own URL was dialled, and is private when a redirect leads to it again, is refused.
func TestRebindingByRedirect(t *testing.T) {
	const public, private = "127.0.0.1", "127.0.0.2" // one of them taken for public
	r := newRedirecting(t)
	inside, err := net.Listen("tcp4", private+":"+r.port(t))
	if err != nil {
		t.Skipf("no second loopback address here: %v", err)
	}
	defer inside.Close()
	var reached atomic.Int32
	go func() {
		for {
			conn, err := inside.Accept()
			if err != nil {
				return
			}
			reached.Add(1)
			conn.Close()
		}
	}()
	cases := []struct {
		name    string
		answers []string // of rebinding.example, which the task and the redirect name
		to      string
		want    string
	}{
		{"public both times", []string{public, public}, "/end", ""},
		{"private the second time", []string{public, private}, "/end", "after a redirect: address not allowed"},
		{"metadata the second time", []string{public, "169.254.169.254"}, "/end", "after a redirect: address not allowed"},
		{"mapped", []string{public, "::ffff:127.0.0.2"}, "/end", "after a redirect: address not allowed"},
		{"another name", []string{public}, "https://inside.example:" + r.port(t) + "/", "after a redirect: address not allowed"},
		{"private from the beginning", []string{private}, "/end", "address not allowed"},
	}
	for _, c := range cases {
		dns := newNameserver(t, map[string][][]netip.Addr{"rebinding.example": answers(t, c.answers...), "inside.example": answers(t, private)})
		h := r.follower(egress.Options{Resolver: dns.resolver()}, public)
		r.to.Store(c.to)
		if a := h.Send(t.Context(), call("https://rebinding.example:"+r.port(t)+"/start")); a.Error != c.want || (a.Status == http.StatusOK) != (c.want == "") {
			t.Errorf("%s: %+v, want %q", c.name, a, c.want)
		}
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("the private address was reached %d times", n)
	}
	t.Logf("hostile: %d rebinding redirects tried, the private address reached %d times", len(cases), reached.Load())
}

// TLS does not end with a redirect: one to plain http: leads to allowed networks only.
func TestRedirectToPlain(t *testing.T) {
	var reached atomic.Int32
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { reached.Add(1); io.WriteString(w, "x") }))
	defer plain.Close()
	r := newRedirecting(t)
	r.to.Store(plain.URL)
	dns := newNameserver(t, map[string][][]netip.Addr{"first.example": answers(t, "127.0.0.1")})
	for _, c := range []struct {
		networks []netip.Prefix
		want     string
	}{
		{nil, "redirect not followed: its Location must be an https URL; plain http goes only to networks that the operator allows"},
		{[]netip.Prefix{netip.MustParsePrefix("10.77.0.0/16")}, "redirect not followed: its Location goes where no task may go: address not allowed"},
		{[]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, ""},
	} {
		before := reached.Load()
		a := r.follower(egress.Options{AllowedNetworks: c.networks, Resolver: dns.resolver()}, "127.0.0.1").Send(t.Context(), call("https://first.example:"+r.port(t)+"/start"))
		if a.Note != c.want || a.Error != "" || (reached.Load() == before) != (c.want != "") {
			t.Errorf("with %v allowed: %+v, want %q", c.networks, a, c.want)
		}
	}
}
