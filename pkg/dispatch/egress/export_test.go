package egress

import (
	"net/http"
	"net/netip"

	"code.dny.dev/ssrf"
)

// NewTaking returns a client that takes some addresses for public ones, since a test has no other.
func NewTaking(o Options, public ...netip.Prefix) *http.Client {
	return newClient(o, &guard{allowed: o.AllowedNetworks, ports: o.AllowedPorts, public: ssrf.New(ssrf.WithAnyPort(), ssrf.WithAllowedV4Prefixes(public...))})
}
