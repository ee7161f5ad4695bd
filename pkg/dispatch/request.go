package dispatch

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const maxURI = 8192 // bytes: what receivers commonly take in a request line

// checkURI says what is wrong with where a task goes. What its name resolves to is checked when it is
// dialled.
func checkURI(uri string, allowHTTP bool) error {
	if len(uri) > maxURI {
		return fmt.Errorf("is longer than %d bytes", maxURI)
	}
	for _, c := range []byte(uri) {
		if c <= ' ' || c >= 0x7f {
			return fmt.Errorf("holds the byte %#02x; escape it", c)
		}
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
	case strings.Contains(uri, "#"):
		return errors.New("must not have a fragment: it is never sent")
	}
	if port := u.Port(); port != "" || strings.HasSuffix(u.Host, ":") {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return errors.New("has a port that is not 1 to 65535")
		}
	}
	return nil
}

// headers reads a task's headers: names and values as RFC 9110, section 5, has them, and none that
// belong to the connection or to dispatch.
func headers(o object) map[string]string {
	h, seen := map[string]string{}, map[string]string{}
	for _, name := range o.names {
		lower := strings.ToLower(name)
		switch {
		case !isToken(name):
			o.fault(name, "is not a header name (RFC 9110, section 5.1)")
		case isReserved(lower):
			o.fault(name, "must not be set: it belongs to the connection or to dispatch")
		case seen[lower] != "" && seen[lower] != name:
			o.fault(name, "is the same header as %s", seen[lower])
		case o.fields[name].Kind() != '"':
			o.fault(name, "must be a string")
		case !isFieldValue(unquote(o.fields[name])):
			o.fault(name, "holds a character that a header cannot carry, or begins or ends with a space")
		default:
			h[name] = unquote(o.fields[name])
		}
		seen[lower] = name
	}
	return h
}

func isReserved(lower string) bool {
	return strings.HasPrefix(lower, "dispatch-") || strings.HasPrefix(lower, "proxy-") || slices.Contains([]string{
		"connection", "content-length", "expect", "host", "idempotency-key", "keep-alive", "te", "trailer",
		"transfer-encoding", "upgrade",
	}, lower)
}

func isToken(s string) bool {
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}

func isFieldValue(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return strings.Trim(s, " \t") == s
}
