package egress

import (
	"errors"
	"net/netip"
	"testing"
)

func prefixes(t *testing.T, texts ...string) []netip.Prefix {
	t.Helper()
	var list []netip.Prefix
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	return list
}

func TestNothingButPublicAddresses(t *testing.T) {
	for _, c := range []struct{ what, network, address string }{
		{"loopback", "tcp4", "127.0.0.1:443"},
		{"loopback", "tcp4", "127.255.255.254:443"},
		{"unspecified", "tcp4", "0.0.0.0:443"},
		{"this network", "tcp4", "0.1.2.3:443"},
		{"RFC 1918", "tcp4", "10.0.0.1:443"},
		{"RFC 1918", "tcp4", "172.16.0.1:443"},
		{"RFC 1918", "tcp4", "172.31.255.255:443"},
		{"RFC 1918", "tcp4", "192.168.1.1:443"},
		{"shared address space (carrier NAT)", "tcp4", "100.64.0.1:443"},
		{"link-local", "tcp4", "169.254.0.1:443"},
		{"metadata of most clouds", "tcp4", "169.254.169.254:80"},
		{"metadata of ECS tasks", "tcp4", "169.254.170.2:80"},
		{"metadata of Azure", "tcp4", "168.63.129.16:80"},
		{"metadata of Alibaba", "tcp4", "100.100.100.200:80"},
		{"IETF protocol assignments (Oracle's metadata)", "tcp4", "192.0.0.192:80"},
		{"6to4 relay", "tcp4", "192.88.99.1:443"},
		{"benchmarking", "tcp4", "198.18.0.1:443"},
		{"documentation", "tcp4", "192.0.2.1:443"},
		{"documentation", "tcp4", "203.0.113.1:443"},
		{"multicast", "tcp4", "224.0.0.1:443"},
		{"reserved", "tcp4", "240.0.0.1:443"},
		{"broadcast", "tcp4", "255.255.255.255:443"},

		{"loopback", "tcp6", "[::1]:443"},
		{"unspecified", "tcp6", "[::]:443"},
		{"link-local", "tcp6", "[fe80::1]:443"},
		{"link-local with a zone", "tcp6", "[fe80::1%lo]:443"},
		{"unique local", "tcp6", "[fc00::1]:443"},
		{"metadata of EC2", "tcp6", "[fd00:ec2::254]:80"},
		{"site-local", "tcp6", "[fec0::1]:443"},
		{"multicast", "tcp6", "[ff02::1]:443"},
		{"mapped loopback", "tcp6", "[::ffff:127.0.0.1]:443"},
		{"mapped metadata", "tcp6", "[::ffff:169.254.169.254]:80"},
		{"mapped private", "tcp6", "[::ffff:10.0.0.1]:443"},
		{"compatible loopback", "tcp6", "[::127.0.0.1]:443"},
		{"NAT64 of loopback", "tcp6", "[64:ff9b::7f00:1]:443"},
		{"NAT64 of metadata", "tcp6", "[64:ff9b::a9fe:a9fe]:80"},
		{"local NAT64", "tcp6", "[64:ff9b:1::a9fe:a9fe]:80"},
		{"6to4 of a private address", "tcp6", "[2002:a00:1::1]:443"},
		{"Teredo", "tcp6", "[2001::1]:443"},
		{"ORCHIDv2", "tcp6", "[2001:20::1]:443"},
		{"documentation", "tcp6", "[2001:db8::1]:443"},
		{"documentation", "tcp6", "[3fff::1]:443"},
		{"discard only", "tcp6", "[100::1]:443"},
		{"segment routing", "tcp6", "[5f00::1]:443"},
		{"public with a zone", "tcp6", "[2606:4700::1111%lo]:443"},

		{"another transport", "udp4", "1.1.1.1:443"},
		{"a name", "tcp4", "example.com:443"},
		{"no port", "tcp4", "1.1.1.1"},
		{"a socket", "unix", "/run/docker.sock"},
	} {
		g := newGuard(Options{AllowedNetworks: prefixes(t, "10.99.0.0/16", "fd99::/16")}) // allowing some leaves the rest
		if err := g.secure(c.network, c.address, nil); !errors.Is(err, ErrForbidden) {
			t.Errorf("https: to %s, %s: %v, want ErrForbidden", c.what, c.address, err)
		}
		if err := g.plain(c.network, c.address, nil); !errors.Is(err, ErrForbidden) {
			t.Errorf("http: to %s, %s: %v, want ErrForbidden", c.what, c.address, err)
		}
	}
}

func TestPublicOverHTTPSAllowedOverBoth(t *testing.T) {
	for _, c := range []struct {
		what, network, address string
		allowed                []string
		secure, plain          error
	}{
		{"public", "tcp4", "1.1.1.1:443", nil, nil, ErrPlain},
		{"public, any port", "tcp4", "8.8.8.8:8443", nil, nil, ErrPlain},
		{"beside a private network", "tcp4", "172.32.0.1:443", nil, nil, ErrPlain},
		{"beside Azure's metadata", "tcp4", "168.63.129.17:443", nil, nil, ErrPlain},
		{"public", "tcp6", "[2606:4700:4700::1111]:443", nil, nil, ErrPlain},
		{"allowed loopback", "tcp4", "127.0.0.1:8080", []string{"127.0.0.0/8"}, nil, nil},
		{"allowed loopback", "tcp6", "[::1]:8080", []string{"::1/128"}, nil, nil},
		{"the other family is not meant", "tcp6", "[::1]:8080", []string{"127.0.0.0/8"}, ErrForbidden, ErrForbidden},
		{"allowed, mapped", "tcp6", "[::ffff:127.0.0.1]:8080", []string{"127.0.0.0/8"}, nil, nil},
		{"allowed link-local with a zone", "tcp6", "[fe80::1%lo]:8080", []string{"fe80::/10"}, nil, nil},
		{"the second of two", "tcp4", "10.1.2.3:80", []string{"192.168.0.0/16", "10.1.0.0/16"}, nil, nil},
		{"beside it", "tcp4", "10.2.2.3:80", []string{"192.168.0.0/16", "10.1.0.0/16"}, ErrForbidden, ErrForbidden},
		{"a prefix with host bits", "tcp4", "10.1.9.9:80", []string{"10.1.2.3/16"}, nil, nil},
		{"allowed public", "tcp4", "1.1.1.1:80", []string{"1.1.1.0/24"}, nil, nil},
		{"allowed metadata, as the operator wants", "tcp4", "168.63.129.16:80", []string{"168.63.129.16/32"}, nil, nil},
	} {
		g := newGuard(Options{AllowedNetworks: prefixes(t, c.allowed...)})
		if err := g.secure(c.network, c.address, nil); !errors.Is(err, c.secure) {
			t.Errorf("https: %s, %s: %v, want %v", c.what, c.address, err, c.secure)
		}
		if err := g.plain(c.network, c.address, nil); !errors.Is(err, c.plain) {
			t.Errorf("http: %s, %s: %v, want %v", c.what, c.address, err, c.plain)
		}
	}
}
