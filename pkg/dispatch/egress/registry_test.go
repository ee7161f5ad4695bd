package egress

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
)

// special are the entries of IANA's special-purpose registries.
//
//	https://www.iana.org/assignments/iana-ipv4-special-registry  as of 2025-10-09
//	https://www.iana.org/assignments/iana-ipv6-special-registry  as of 2025-10-09
//
// Those that are globally reachable (marked) are refused as well: nobody's receiver is there.
var special = []struct{ block, name string }{
	{"0.0.0.0/8", "this network"},
	{"0.0.0.0/32", "this host on this network"},
	{"10.0.0.0/8", "private use"},
	{"100.64.0.0/10", "shared address space"},
	{"127.0.0.0/8", "loopback"},
	{"169.254.0.0/16", "link local"},
	{"172.16.0.0/12", "private use"},
	{"192.0.0.0/24", "IETF protocol assignments"},
	{"192.0.0.0/29", "IPv4 service continuity"},
	{"192.0.0.8/32", "IPv4 dummy address"},
	{"192.0.0.9/32", "port control protocol anycast, global"},
	{"192.0.0.10/32", "TURN anycast, global"},
	{"192.0.0.170/32", "NAT64/DNS64 discovery"},
	{"192.0.0.171/32", "NAT64/DNS64 discovery"},
	{"192.0.2.0/24", "documentation"},
	{"192.31.196.0/24", "AS112-v4, global"},
	{"192.52.193.0/24", "AMT, global"},
	{"192.88.99.0/24", "6to4 relay anycast, deprecated"},
	{"192.88.99.2/32", "6a44 relay anycast"},
	{"192.168.0.0/16", "private use"},
	{"192.175.48.0/24", "direct delegation AS112, global"},
	{"198.18.0.0/15", "benchmarking"},
	{"198.51.100.0/24", "documentation"},
	{"203.0.113.0/24", "documentation"},
	{"240.0.0.0/4", "reserved"},
	{"255.255.255.255/32", "limited broadcast"},

	{"::1/128", "loopback"},
	{"::/128", "unspecified"},
	{"::ffff:0:0/96", "IPv4-mapped"},
	{"64:ff9b::/96", "IPv4-IPv6 translation (NAT64), global"},
	{"64:ff9b:1::/48", "IPv4-IPv6 translation, local"},
	{"100::/64", "discard only"},
	{"100:0:0:1::/64", "IPv6 dummy prefix"},
	{"2001::/23", "IETF protocol assignments"},
	{"2001::/32", "Teredo"},
	{"2001:1::1/128", "port control protocol anycast, global"},
	{"2001:1::2/128", "TURN anycast, global"},
	{"2001:1::3/128", "DNS-SD service registration anycast, global"},
	{"2001:2::/48", "benchmarking"},
	{"2001:3::/32", "AMT, global"},
	{"2001:4:112::/48", "AS112-v6, global"},
	{"2001:10::/28", "ORCHID, deprecated"},
	{"2001:20::/28", "ORCHIDv2, global"},
	{"2001:30::/28", "drone remote id, global"},
	{"2001:db8::/32", "documentation"},
	{"2002::/16", "6to4"},
	{"2620:4f:8000::/48", "direct delegation AS112, global"},
	{"3fff::/20", "documentation"},
	{"5f00::/16", "segment routing"},
	{"fc00::/7", "unique local"},
	{"fe80::/10", "link local"},

	// Not in those registries, and no unicast address of the internet either.
	{"224.0.0.0/4", "multicast: https://www.iana.org/assignments/multicast-addresses"},
	{"ff00::/8", "multicast: https://www.iana.org/assignments/ipv6-multicast-addresses"},
	{"fec0::/10", "site local, deprecated: RFC 3879"},
	{"::/96", "IPv4-compatible, deprecated: RFC 4291, section 2.5.5.1"},
	{"0200::/7", "unassigned: https://www.iana.org/assignments/ipv6-address-space"},
	{"4000::/3", "unassigned"},
	{"168.63.129.16/32", "Azure's metadata and DNS"},
}

// Nothing of IANA's special-purpose registries is called: neither the first address of a block, nor one amid it, nor the last.
func TestSpecialPurposeRegistries(t *testing.T) {
	g, tried := newGuard(Options{}), 0
	for _, entry := range special {
		block := netip.MustParsePrefix(entry.block)
		for _, ip := range []netip.Addr{block.Addr(), inside(block, 0x5a), inside(block, 0xff)} {
			for what, judge := range map[string]controlFunc{"https:": g.secure, "http:": g.plain} {
				tried++
				if err := judge(network(ip), netip.AddrPortFrom(ip, 443).String(), nil); !errors.Is(err, ErrForbidden) {
					t.Errorf("%s to %s of %s, %s: %v, want ErrForbidden", what, ip, entry.block, entry.name, err)
				}
			}
		}
	}
	t.Logf("hostile: %d blocks of special addresses tried, %d addresses", len(special), tried/2)
}

// What lies beside the blocks is called: the ranges are no wider than they must be.
func TestBesideTheRegistries(t *testing.T) {
	g := newGuard(Options{})
	for _, text := range []string{
		"1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0",
		"172.15.255.255", "172.32.0.0", "191.255.255.255", "192.0.1.0", "192.0.3.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0",
		"198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0", "223.255.255.255", "168.63.129.15",
		"2001:200::", "2001:db7:ffff::1", "2001:db9::", "2003::", "2600:1f18::1", "2a00:1450::1", "3ffe:ffff::1",
	} {
		ip := netip.MustParseAddr(text)
		if err := g.secure(network(ip), netip.AddrPortFrom(ip, 443).String(), nil); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// inside returns an address of a block whose bytes are all fill where the block leaves them open.
func inside(block netip.Prefix, fill byte) netip.Addr {
	raw := block.Addr().AsSlice()
	for bit := block.Bits(); bit < 8*len(raw); bit++ {
		mask := byte(1) << (7 - bit%8)
		raw[bit/8] = raw[bit/8]&^mask | fill&mask
	}
	ip, ok := netip.AddrFromSlice(raw)
	if !ok || !block.Contains(ip) {
		panic(fmt.Sprintf("%v is not in %v", ip, block))
	}
	return ip
}
