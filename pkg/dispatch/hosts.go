package dispatch

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Hosts are where the calls of a tenant may go: names of hosts, *.example.com for all names under one, IP addresses, and
// ARNs, without a version or an alias for all of them. An empty list allows everything; anything else only what it names.
// Ports and paths do not matter. It is no guard against addresses, which is package egress's: it tells names apart.
type Hosts []string

const maxHosts = 1000

// Check says why a call may not go to a URI, nil if it may. Whoever makes a call asks it for each URL of it, the first
// one and those of redirects.
func (h Hosts) Check(uri string) error {
	if len(h) == 0 {
		return nil
	}
	if IsARN(uri) {
		a, err := ParseARN(uri)
		if err == nil {
			for _, one := range h {
				if one == uri || one == a.Base {
					return nil
				}
			}
		}
		return fmt.Errorf("is an ARN that its tenant may not call; it may call %s", h)
	}
	u, err := url.Parse(uri)
	if err != nil {
		return fmt.Errorf("is not a URL; its tenant may call %s", h)
	}
	host := hostKey(u.Hostname())
	_, err = netip.ParseAddr(host)
	isName := err != nil
	for _, one := range h {
		suffix, under := strings.CutPrefix(one, "*")
		if under && isName && len(host) > len(suffix) && strings.HasSuffix(host, strings.ToLower(suffix)) || hostKey(one) == host {
			return nil
		}
	}
	return fmt.Errorf("has the host %q, which its tenant may not call; it may call %s", u.Hostname(), h)
}

// hostKey is the same for all spellings of one host.
func hostKey(host string) string {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().String()
	}
	return strings.ToLower(host)
}

// String lists the first few, for people.
func (h Hosts) String() string {
	const few = 5
	if len(h) > few {
		return strings.Join(h[:few], ", ") + " and " + strconv.Itoa(len(h)-few) + " more"
	}
	return strings.Join(h, ", ")
}

// hosts reads where a tenant's calls may go.
func hosts(o object) Hosts {
	if !o.has("allowedHosts") {
		return nil
	}
	if o.fields["allowedHosts"].Kind() != '[' {
		o.fault("allowedHosts", "must be a list of hosts")
		return nil
	}
	items := readArray(o.fields["allowedHosts"])
	if len(items) == 0 || len(items) > maxHosts {
		o.fault("allowedHosts", "must hold 1 to %d hosts, not %d; leave it out to allow all", maxHosts, len(items))
	}
	var all Hosts
	for i, item := range items[:min(len(items), maxHosts)] {
		err := errNoHost
		if item.Kind() == '"' {
			err = checkAllowed(unquote(item))
		}
		if err != nil {
			o.faults.add(string(o.pointer.AppendToken("allowedHosts").AppendToken(strconv.Itoa(i))), "%v", err)
			continue
		}
		all = append(all, unquote(item))
	}
	return all
}

var errNoHost = errors.New("must be the name of a host, *.example.com for all names under one, an IP address, or an ARN")

// checkAllowed says what is wrong with one of a tenant's hosts.
func checkAllowed(host string) error {
	switch {
	case IsARN(host):
		_, err := ParseARN(host)
		return err
	case strings.ContainsAny(host, "[]/"), strings.Count(host, ":") == 1:
		return fmt.Errorf("%w, without a scheme, brackets, a port and a path", errNoHost)
	case strings.Contains(host, ":"):
		return checkHost(&url.URL{Host: "[" + host + "]"})
	default:
		return checkHost(&url.URL{Host: strings.TrimPrefix(host, "*.")})
	}
}
