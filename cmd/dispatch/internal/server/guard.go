package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"example.com/dispatch/cmd/dispatch/internal/problem"
)

var (
	// ErrToken is the error for a server that others than this machine could reach, and that asks nobody who they are, or
	// for a word that can be guessed.
	ErrToken = errors.New("listening on anything but loopback needs a token")
	// ErrHalfTLS is the error for a certificate without its key, or a key without its certificate.
	ErrHalfTLS = errors.New("TLS needs both a certificate and its key")
)

// minToken is how long a token is at least that others than this machine may try to guess, in bytes.
const minToken = 16

func (o Options) check() error {
	host, _, err := net.SplitHostPort(o.Listen)
	switch {
	case err != nil:
		return fmt.Errorf("listening: %w", err)
	case o.Token == "" && !isLoopback(host):
		return fmt.Errorf("listening on %s: %w", o.Listen, ErrToken)
	case len(o.Token) < minToken && !isLoopback(host):
		return fmt.Errorf("listening on %s: %w of at least %d characters", o.Listen, ErrToken, minToken)
	case (o.TLSCert == "") != (o.TLSKey == ""):
		return ErrHalfTLS
	}
	return nil
}

func isLoopback(host string) bool {
	return strings.EqualFold(host, "localhost") || net.ParseIP(host).IsLoopback()
}

// guard lets in whom the server is for. A page in a browser can reach it too, on this machine and inside a network: under a
// name of its own that resolves to the server, hence the check of Host, or across origins, hence that of Origin and
// Sec-Fetch-Site.
func (o Options) guard(next http.Handler) http.Handler {
	forms := http.NewCrossOriginProtection()
	want := sha256.Sum256([]byte(o.Token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff") // no page takes an answer for a script, or keeps it beside its own data
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		got := sha256.Sum256([]byte(bearer(r)))
		open := r.URL.Path == healthPath || r.URL.Path == keysPath
		switch {
		case !o.answersTo(hostOf(r.Host)):
			problem.Status(w, http.StatusMisdirectedRequest, "this server does not answer to this name; dispatch serve --host adds one")
		case forms.Check(r) != nil || crossOrigin(r):
			problem.Status(w, http.StatusForbidden, "requests of other sites' pages are refused")
		case o.Token != "" && !open && subtle.ConstantTimeCompare(got[:], want[:]) != 1:
			h.Set("WWW-Authenticate", "Bearer")
			problem.Status(w, http.StatusUnauthorized, "a bearer token is needed")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// answersTo reports whether a request may be meant for this server that names a host. Beyond loopback that is any, because
// a page has no token, unless the operator says which names are the server's.
func (o Options) answersTo(host string) bool {
	listens, _, _ := net.SplitHostPort(o.Listen)
	named := func(name string) bool { return name != "" && strings.EqualFold(name, host) }
	return isLoopback(host) || !isLoopback(listens) && len(o.Hosts) == 0 || named(listens) || slices.ContainsFunc(o.Hosts, named)
}

// crossOrigin reports whether a page of another origin asks, also for what [http.CrossOriginProtection] takes to be safe. A
// link may lead here from anywhere.
func crossOrigin(r *http.Request) bool {
	for _, origin := range r.Header["Origin"] {
		if u, err := url.Parse(origin); err != nil || !strings.EqualFold(u.Host, r.Host) {
			return true
		}
	}
	site := r.Header.Get("Sec-Fetch-Site")
	return site != "" && site != "same-origin" && site != "none" && r.Header.Get("Sec-Fetch-Mode") != "navigate"
}

// bearer returns the token that a request shows, "" if there is not one.
func bearer(r *http.Request) string {
	if shown := r.Header["Authorization"]; len(shown) == 1 {
		if scheme, token, _ := strings.Cut(shown[0], " "); strings.EqualFold(scheme, "Bearer") {
			return token
		}
	}
	return ""
}

func hostOf(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.Trim(hostport, "[]")
}
