package egress_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"example.com/dispatch/pkg/dispatch/egress"
)

// A name that is public when it is looked up first and private when it is looked up again is refused the second time:
// every dial is judged by the address that it goes to.
func TestRebinding(t *testing.T) {
	const public, private = "127.0.0.1", "127.0.0.2" // one of them taken for public
	var reached, inside atomic.Int32
	outer := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	outer.StartTLS()
	defer outer.Close()
	_, port, err := net.SplitHostPort(outer.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp4", private+":"+port)
	if err != nil {
		t.Skipf("no second loopback address here: %v", err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			inside.Add(1)
			conn.Close()
		}
	}()

	cases := []struct {
		name    string
		answers []string
		want    []error // of each call
	}{
		{"public, then private", []string{public, private}, []error{nil, egress.ErrForbidden, egress.ErrForbidden}},
		{"private, then public", []string{private, public}, []error{egress.ErrForbidden, nil}},
		{"both at once", []string{private + " " + public}, []error{nil, nil}},
		{"metadata", []string{public, "169.254.169.254"}, []error{nil, egress.ErrForbidden}},
		{"the same in IPv6", []string{public, "fd00:ec2::254"}, []error{nil, egress.ErrForbidden}},
		{"a mapped one", []string{public, "::ffff:169.254.169.254"}, []error{nil, egress.ErrForbidden}},
		{"through NAT64", []string{public, "64:ff9b::a9fe:a9fe"}, []error{nil, egress.ErrForbidden}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			reached.Store(0)
			dns := newNameserver(t, map[string][][]netip.Addr{"rebinding.example": answers(t, c.answers...)})
			config := outer.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
			config.ServerName = "example.com" // whom the certificate is for
			client := egress.NewTaking(egress.Options{Resolver: dns.resolver(), TLS: config, DisableKeepAlives: true}, netip.MustParsePrefix(public+"/32"))
			delivered := int32(0)
			for i, want := range c.want {
				response, err := client.Get("https://rebinding.example:" + port + "/")
				if err == nil {
					response.Body.Close()
					delivered++
				}
				if !errors.Is(err, want) {
					t.Errorf("call %d: %v, want %v", i+1, err, want)
				}
			}
			if reached.Load() != delivered || dns.lookups("rebinding.example") != len(c.want) {
				t.Errorf("reached %d times for %d calls, after %d lookups for %d dials", reached.Load(), delivered, dns.lookups("rebinding.example"), len(c.want))
			}
		})
	}
	if n := inside.Load(); n != 0 {
		t.Errorf("the private address was reached %d times", n)
	}
	t.Logf("hostile: %d rebinding names tried, the private address reached %d times", len(cases), inside.Load())
}

// A kept connection is to an address that was judged when it was made; another host never gets it.
func TestKeptConnectionIsOfItsHost(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	dns := newNameserver(t, map[string][][]netip.Addr{"a.example": answers(t, "127.0.0.1"), "b.example": answers(t, "10.0.0.1")})
	client := egress.New(egress.Options{Resolver: dns.resolver(), AllowedNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	port := server.URL[strings.LastIndexByte(server.URL, ':'):]
	for _, c := range []struct {
		host string
		want error
	}{{"a.example", nil}, {"b.example", egress.ErrForbidden}, {"a.example", nil}} {
		response, err := client.Get("http://" + c.host + port)
		if err == nil {
			response.Body.Close()
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.host, err, c.want)
		}
	}
}
