package egress

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// NewCheck returns a function that says why a client made with the same options would never call an absolute http: or
// https: URL, as far as the URL alone tells. It looks no name up: what a name resolves to is judged on each dial.
//
// The port of a name is judged where no network is allowed. Otherwise the name may be of an allowed network, which has
// all ports, and the dial decides.
func NewCheck(o Options) func(*url.URL) error {
	g := newGuard(o)
	return func(u *url.URL) error {
		if err := g.check(u); err != nil {
			return fmt.Errorf("goes where no task may go: %w", err)
		}
		return nil
	}
}

func (g *guard) check(u *url.URL) error {
	port, err := portOf(u)
	if err != nil {
		return err
	}
	host := u.Hostname()
	if ip, err := netip.ParseAddr(host); err == nil {
		judge := g.secure
		if u.Scheme == "http" {
			judge = g.plain
		}
		return reason(judge(network(ip), netip.AddrPortFrom(ip, port).String(), nil))
	}
	if isLocalhost(host) && !g.reaches(netip.AddrFrom4([4]byte{127, 0, 0, 1})) && !g.reaches(netip.IPv6Loopback()) {
		return ErrForbidden
	}
	if len(g.allowed) == 0 && !portAllowed(g.ports, port) {
		return ErrPort
	}
	return nil
}

// reason leaves out of a dialling error what the URL's writer knows.
func reason(err error) error {
	for _, known := range []error{ErrPort, ErrPlain, ErrForbidden} {
		if errors.Is(err, known) {
			return known
		}
	}
	return err
}

func portOf(u *url.URL) (uint16, error) {
	text := u.Port()
	switch {
	case text == "" && u.Scheme == "http":
		return 80, nil
	case text == "":
		return 443, nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, ErrPort
	}
	return uint16(n), nil
}

func network(ip netip.Addr) string {
	if ip.Is4() {
		return "tcp4"
	}
	return "tcp6"
}

// isLocalhost reports whether a name is this machine's by RFC 6761, section 6.3.
func isLocalhost(host string) bool {
	lower := strings.ToLower(host)
	return lower == "localhost" || strings.HasSuffix(lower, ".localhost")
}
