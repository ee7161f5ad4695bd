// Package egress makes the HTTP client that calls targets. Whoever may enqueue a task chooses an address,
// so the client decides where it may go: public addresses, and the networks that the operator allows.
//
// The decision falls on the address that is about to be dialled, after the name was resolved: whatever a
// name resolves to the second time, the address that was judged is the one that is called. Plain http:
// reaches the allowed networks only, and of public addresses the ports that are for HTTP. There is no proxy from the environment (it would be dialled in the
// target's place), nothing older than TLS 1.2, and a redirect is an answer like any other.
//
// One attempt is one call: package http1 writes a request once. net/http's transports repeat some by themselves, that of
// HTTP/2 after GOAWAY and REFUSED_STREAM. Calls are short and connections reused, so HTTP/1.1 loses nothing.
package egress

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"time"

	"example.com/dispatch/internal/http1"
)

const (
	// idleFor is how long an unused connection is kept. A call is never repeated, so a server that hangs
	// up first costs an attempt: this is less than the shortest common keep-alive, Node's 5 seconds.
	idleFor          = 4 * time.Second
	connectTimeout   = 30 * time.Second // for the name, the connection, and again the TLS handshake
	maxAnswerHeaders = 64 << 10         // bytes
)

// Options says what the client may reach. The zero value reaches public addresses over https:.
type Options struct {
	// AllowedNetworks may be called besides public addresses, and over plain http: too. Names count by the
	// addresses they resolve to.
	AllowedNetworks []netip.Prefix

	// AllowedPorts are the ports of public addresses that may be called. Where there are none these are 80, 443 and those
	// from 1024 on but the usual ones of other services. Allowed networks have all ports.
	AllowedPorts []Ports

	// Workers is how many calls run at once, at least 1 (the zero value is 1): as many connections are kept.
	Workers int

	// DisableKeepAlives opens a connection for each call. For Lambda, where a kept connection freezes
	// between invocations and is dead afterwards.
	DisableKeepAlives bool

	// Resolver looks names up; nil for the system's.
	Resolver *net.Resolver

	// TLS has root certificates and the like; nil for the system's. Its MinVersion is raised to TLS 1.2.
	TLS *tls.Config
}

// Everywhere returns the networks of all addresses: for calling endpoints that the operator has chosen, such as AWS's,
// which are private addresses where a VPC has its own.
func Everywhere() []netip.Prefix {
	return []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)}
}

// New returns a client that follows no redirects and has no timeout but its requests' contexts. Its errors
// wrap [ErrForbidden], [ErrPort] or [ErrPlain] for an address that it may not call.
func New(o Options) *http.Client { return newClient(o, newGuard(o)) }

func newClient(o Options, g *guard) *http.Client {
	return &http.Client{
		Transport:     &transport{secure: newTransport(o, g.secure), plain: newTransport(o, g.plain)},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// transport has one connection pool for each scheme, because only the scheme tells a dialer whether what it
// dials will be encrypted.
type transport struct{ secure, plain *http1.Transport }

// RoundTrip implements [http.RoundTripper].
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL != nil && r.URL.Scheme == "http" {
		return t.plain.RoundTrip(r)
	}
	return t.secure.RoundTrip(r)
}

// CloseIdleConnections makes [http.Client.CloseIdleConnections] work.
func (t *transport) CloseIdleConnections() {
	t.plain.CloseIdleConnections()
	t.secure.CloseIdleConnections()
}

func newTransport(o Options, control controlFunc) *http1.Transport {
	config := &tls.Config{}
	if o.TLS != nil {
		config = o.TLS.Clone()
	}
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	dialer := &net.Dialer{Timeout: connectTimeout, Control: control, Resolver: o.Resolver}
	idle := max(1, o.Workers)
	if o.DisableKeepAlives {
		idle = 0
	}
	return &http1.Transport{
		Dial: dialer.DialContext, TLS: config, Handshake: connectTimeout,
		Idle: idle, IdleFor: idleFor, MaxHeader: maxAnswerHeaders,
	}
}
