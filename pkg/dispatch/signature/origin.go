package signature

import (
	"net/url"
	"strings"
)

// Origin returns scheme://host[:port] of an absolute URL: lower case, without a default port, without user
// and password (RFC 6454, section 6.2). It is "" for a URL without a scheme or a host.
func Origin(u *url.URL) string {
	scheme, host, port := strings.ToLower(u.Scheme), strings.ToLower(u.Hostname()), u.Port()
	if scheme == "" || host == "" {
		return ""
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port == "" || scheme == "https" && port == "443" || scheme == "http" && port == "80" {
		return scheme + "://" + host
	}
	return scheme + "://" + host + ":" + port
}
