package dispatch

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

const maxURI = 8192 // bytes: what receivers commonly take in a request line

// checkURI says what is wrong with where a task goes; check, if there is one, judges the URL itself. What its name
// resolves to is checked when it is dialled.
func checkURI(uri string, allowHTTP bool, check func(*url.URL) error) error {
	if err := checkText(uri); err != nil {
		return err
	}
	u, err := url.Parse(uri)
	if err != nil {
		return errors.New("is not a URL")
	}
	switch {
	case u.Scheme == "http" && !allowHTTP:
		return errors.New("must be an https URL; plain http goes only to networks that the operator allows")
	case u.Scheme != "https" && u.Scheme != "http":
		return errors.New("must be an https URL, or an ARN")
	case u.Hostname() == "":
		return errors.New("has no host")
	case u.User != nil:
		return errors.New("must not hold a user or password; use a header")
	}
	if port := u.Port(); port != "" || strings.HasSuffix(u.Host, ":") {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 || port[0] == '0' {
			return errors.New("has a port that is not 1 to 65535")
		}
	}
	if err := checkHost(u); err != nil || check == nil {
		return err
	}
	return check(u)
}

// checkText says what is wrong with the bytes of a URL, or of a reference to one.
func checkText(uri string) error {
	if len(uri) > maxURI {
		return fmt.Errorf("is longer than %d bytes", maxURI)
	}
	for _, c := range []byte(uri) {
		if c <= ' ' || c >= 0x7f {
			return fmt.Errorf("holds the byte %#02x; escape it", c)
		}
	}
	switch {
	case strings.Contains(uri, `\`):
		return errors.New("holds a backslash, which some take for a slash; escape it")
	case strings.Contains(uri, "#"):
		return errors.New("must not have a fragment: it is never sent")
	}
	return nil
}

// URICheck returns a function that says, by the rules of enqueue, why no call goes to a URL; check, if there is one, judges
// those that are well-formed.
func URICheck(allowHTTP bool, check func(*url.URL) error) func(uri string) error {
	return func(uri string) error { return checkURI(uri, allowHTTP, check) }
}

// ResolveURI returns the URL that a reference, as a redirect's Location has it, names at base (RFC 3986, section 5). The
// reference has no bytes that a task's URL may not have; the result is for an [URICheck] to judge.
func ResolveURI(base *url.URL, reference string) (string, error) {
	if err := checkText(reference); err != nil {
		return "", err
	}
	u, err := base.Parse(reference)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return "", errors.New("is not the URL of a receiver over https")
	}
	return u.String(), nil
}

// checkHost says what is wrong with a URL's host: it is an IP address as everybody writes it, or a name of letters, digits,
// - and _ (RFC 1123, section 2.1; the underscore is in use). Anything else is read differently by different programs.
func checkHost(u *url.URL) error {
	host := u.Hostname()
	if strings.HasPrefix(u.Host, "[") {
		if ip, err := netip.ParseAddr(host); err != nil || ip.Zone() != "" {
			return errors.New("has a host in brackets that is not an IPv6 address without a zone")
		}
		return nil
	}
	labels := strings.Split(host, ".")
	last := labels[len(labels)-1]
	switch {
	case last == "" && len(labels) > 1:
		return errors.New("has a host that ends with a dot; leave it out")
	case len(host) > 253:
		return errors.New("has a host that is longer than 253 bytes")
	case isNumber(last): // no top-level domain is: it is meant as an IPv4 address, in one of its many forms
		if _, err := netip.ParseAddr(host); err != nil {
			return errors.New("has a host that is a number; an IPv4 address is written as four decimal numbers, such as 192.0.2.1")
		}
		return nil
	}
	for _, label := range labels {
		if !isName(label, "-_", 63) {
			return errors.New("has a host that is not a name of letters, digits, - and _; write an international one in its xn-- form")
		}
	}
	return nil
}

// isNumber reports whether a label is a number as the forms of IPv4 addresses have them: 127, 0177, 0x7f.
// https://url.spec.whatwg.org/#ends-in-a-number-checker
func isNumber(label string) bool {
	if hex, ok := strings.CutPrefix(strings.ToLower(label), "0x"); ok {
		return strings.Trim(hex, digits+"abcdef") == ""
	}
	return label != "" && strings.Trim(label, digits) == ""
}
