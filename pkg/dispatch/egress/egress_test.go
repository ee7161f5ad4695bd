package egress

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"code.dny.dev/ssrf"
)

func TestDialling(t *testing.T) {
	loopback := prefixes(t, "127.0.0.0/8", "::1/128")
	for _, c := range []struct {
		name    string
		allowed []netip.Prefix
		secure  bool
		host    string
		want    error
	}{
		{"http: to loopback", nil, false, "127.0.0.1", ErrForbidden},
		{"https: to loopback", nil, true, "127.0.0.1", ErrForbidden},
		{"a name is what it resolves to", nil, true, "localhost", ErrForbidden},
		{"a mapped address is the same address", nil, true, "[::ffff:127.0.0.1]", ErrForbidden},
		{"http: to allowed loopback", loopback, false, "127.0.0.1", nil},
		{"https: to allowed loopback", loopback, true, "127.0.0.1", nil},
		{"http: to a name within", loopback, false, "localhost", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var calls atomic.Int32
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
			client := New(Options{AllowedNetworks: c.allowed})
			if c.secure {
				server.StartTLS()
				client = New(Options{AllowedNetworks: c.allowed, TLS: trusting(server)})
			} else {
				server.Start()
			}
			defer server.Close()
			response, err := client.Get(strings.Replace(server.URL, "127.0.0.1", c.host, 1))
			if err == nil {
				response.Body.Close()
			}
			if !errors.Is(err, c.want) || c.want != nil && calls.Load() > 0 {
				t.Errorf("err %v after %d calls, want %v", err, calls.Load(), c.want)
			}
		})
	}
}

// TestEachSchemeItsRule takes loopback for the public internet.
func TestEachSchemeItsRule(t *testing.T) {
	g := &guard{public: ssrf.New(ssrf.WithAnyPort(), ssrf.WithAllowedV4Prefixes(prefixes(t, "127.0.0.0/8")...))}
	var calls atomic.Int32
	count := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) })
	plain, secure := httptest.NewServer(count), httptest.NewTLSServer(count)
	defer plain.Close()
	defer secure.Close()
	client := newClient(Options{TLS: trusting(secure)}, g)
	if response, err := client.Get(plain.URL); !errors.Is(err, ErrPlain) || calls.Load() != 0 {
		t.Errorf("http: %v %v after %d calls, want ErrPlain after none", response, err, calls.Load())
	}
	response, err := client.Get(secure.URL)
	if err != nil {
		t.Fatalf("https: %v", err)
	}
	response.Body.Close()
	client.CloseIdleConnections()
}

func trusting(server *httptest.Server) *tls.Config {
	return server.Client().Transport.(*http.Transport).TLSClientConfig
}

func TestRedirectsAreAnswers(t *testing.T) {
	var calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}))
	defer server.Close()
	response, err := New(Options{AllowedNetworks: prefixes(t, "127.0.0.0/8")}).Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusFound || calls.Load() != 1 {
		t.Errorf("status %d after %d calls, want 302 after 1", response.StatusCode, calls.Load())
	}
}

func TestNoProxyFromTheEnvironment(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the proxy was called") }))
	defer proxy.Close()
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"} {
		t.Setenv(name, proxy.URL)
	}
	client := New(Options{AllowedNetworks: prefixes(t, "127.0.0.0/8")})
	for _, url := range []string{"http://10.0.0.1/", "https://10.0.0.1/"} {
		if response, err := client.Get(url); !errors.Is(err, ErrForbidden) {
			t.Errorf("%s: %v %v, want ErrForbidden", url, response, err)
		}
	}
}

func TestTransport(t *testing.T) {
	workers := newTransport(Options{Workers: 200, DisableKeepAlives: true, TLS: &tls.Config{MinVersion: tls.VersionTLS10}}, nil)
	plain := newTransport(Options{}, nil)
	for _, c := range []struct {
		what string
		ok   bool
	}{
		{"a connection is kept for each worker", plain.Idle == 1 && newTransport(Options{Workers: 200}, nil).Idle == 200},
		{"keep-alives end on request", workers.Idle == 0},
		{"TLS 1.2 at least", workers.TLS.MinVersion == tls.VersionTLS12 && plain.TLS.MinVersion == tls.VersionTLS12},
		{"an answer's header ends", plain.MaxHeader == 64<<10},
	} {
		if !c.ok {
			t.Error("not so: " + c.what)
		}
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	server.StartTLS()
	defer server.Close()
	response, err := New(Options{AllowedNetworks: prefixes(t, "127.0.0.0/8"), TLS: trusting(server)}).Get(server.URL)
	if err == nil {
		response.Body.Close()
		t.Fatal("answered over TLS 1.1")
	}
}

func TestHeadersAreBounded(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", maxAnswerHeaders+1))
	}))
	defer server.Close()
	response, err := New(Options{AllowedNetworks: prefixes(t, "127.0.0.0/8")}).Get(server.URL)
	if err == nil {
		response.Body.Close()
		t.Fatal("an answer with endless headers was taken")
	}
}
