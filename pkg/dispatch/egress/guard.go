package egress

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"syscall"

	"code.dny.dev/ssrf"
)

var (
	// ErrForbidden is the error for an address that is neither public nor in an allowed network.
	ErrForbidden = errors.New("address not allowed")
	// ErrPlain is the error for plain http: to a public address, which https: could reach.
	ErrPlain = errors.New("http: is for allowed networks only")
)

// controlFunc is what [net.Dialer] calls with the address it is about to connect to.
type controlFunc = func(network, address string, _ syscall.RawConn) error

// guard judges addresses. What is public is what IANA's special-purpose registries leave, less what a cloud
// serves its own machines on a public address.
// https://www.iana.org/assignments/iana-ipv4-special-registry
// https://www.iana.org/assignments/iana-ipv6-special-registry
type guard struct {
	allowed []netip.Prefix
	ports   []Ports // of public addresses; nil for the usual ones
	public  *ssrf.Guardian
}

func newGuard(o Options) *guard {
	// Azure's metadata and DNS service, the same address in every virtual network.
	// https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
	azure := netip.PrefixFrom(netip.AddrFrom4([4]byte{168, 63, 129, 16}), 32)
	return &guard{slices.Clone(o.AllowedNetworks), slices.Clone(o.AllowedPorts), ssrf.New(ssrf.WithAnyPort(), ssrf.WithDeniedV4Prefixes(azure))}
}

// secure is for connections that will be encrypted.
func (g *guard) secure(network, address string, _ syscall.RawConn) error {
	in, err := g.inAllowed(address)
	if err != nil || in {
		return err
	}
	return g.isPublic(network, address)
}

// plain is for connections that will not be.
func (g *guard) plain(network, address string, _ syscall.RawConn) error {
	in, err := g.inAllowed(address)
	if err != nil || in {
		return err
	}
	if err := g.isPublic(network, address); err != nil {
		return err
	}
	return fmt.Errorf("dialling %s: %w", address, ErrPlain)
}

func (g *guard) inAllowed(address string) (bool, error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return false, fmt.Errorf("dialling %s: %w: not an IP address and a port", address, ErrForbidden)
	}
	return g.reaches(to.Addr()), nil
}

// reaches reports whether an address is in an allowed network.
func (g *guard) reaches(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("") // prefixes contain neither mapped addresses nor zones
	return slices.ContainsFunc(g.allowed, func(p netip.Prefix) bool { return p.Contains(ip) })
}

func (g *guard) isPublic(network, address string) error {
	if err := g.public.Safe(network, address, nil); err != nil {
		return fmt.Errorf("dialling %s: %w", address, ErrForbidden)
	}
	if to, err := netip.ParseAddrPort(address); err != nil || !portAllowed(g.ports, to.Port()) {
		return fmt.Errorf("dialling %s: %w", address, ErrPort)
	}
	return nil
}
