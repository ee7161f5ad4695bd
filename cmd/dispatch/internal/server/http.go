package server

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"example.com/dispatch/cmd/dispatch/internal/api"
	"example.com/dispatch/cmd/dispatch/internal/invocation"
	"example.com/dispatch/cmd/dispatch/internal/problem"
	"example.com/dispatch/pkg/dispatch"
)

const (
	headerTime = 5 * time.Second
	readTime   = 30 * time.Second // for a whole request
	writeTime  = 60 * time.Second // from the end of the request's header to the end of the answer
	idleTime   = 2 * time.Minute
	maxHeader  = 64 << 10 // bytes
	healthTime = 2 * time.Second
	keysPath   = "/.well-known/jwks.json"
	healthPath = "/healthz"
)

// ErrToken is the error for a server that others than this machine could reach, and that asks nobody who they are.
var ErrToken = errors.New("listening on anything but loopback needs a token")

func checkListen(o Options) error {
	host, _, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	if o.Token == "" && !isLoopback(host) {
		return fmt.Errorf("listening on %s: %w", o.Listen, ErrToken)
	}
	return nil
}

func isLoopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

func (s *Server) newHTTP() *http.Server {
	mux := http.NewServeMux()
	api.API{Engine: s.Engine, Store: s.Store, Now: time.Now, Log: s.options.Log}.Register(mux)
	mux.Handle(invocation.Pattern, invocation.Handler{Engine: s.Engine, Log: s.options.Log})
	mux.HandleFunc("GET "+healthPath, s.health)
	mux.HandleFunc("GET "+keysPath, s.keys.serve)
	return &http.Server{
		Handler:           s.guard(described{mux}),
		ReadHeaderTimeout: headerTime, ReadTimeout: readTime, WriteTimeout: writeTime, IdleTimeout: idleTime,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       slog.NewLogLogger(s.options.Log.Handler(), slog.LevelDebug),
	}
}

// guard lets in whom the server is for. A page in a browser on this machine can reach loopback too: under a
// name of its own that resolves to it (hence the check of Host), or by sending forms across origins.
func (s *Server) guard(next http.Handler) http.Handler {
	host, _, _ := net.SplitHostPort(s.options.Listen)
	local := isLoopback(host)
	crossOrigin := http.NewCrossOriginProtection()
	want := sha256.Sum256([]byte("Bearer " + s.options.Token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if local && !isLoopback(hostOf(r.Host)) {
			problem.Status(w, http.StatusMisdirectedRequest, "this server answers as localhost only")
			return
		}
		if err := crossOrigin.Check(r); err != nil {
			problem.Status(w, http.StatusForbidden, "requests of other sites' pages are refused")
			return
		}
		open := r.URL.Path == healthPath || r.URL.Path == keysPath
		got := sha256.Sum256([]byte(r.Header.Get("Authorization")))
		if s.options.Token != "" && !open && subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			problem.Status(w, http.StatusUnauthorized, "a bearer token is needed")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func hostOf(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.Trim(hostport, "[]")
}

// described answers with problem details what the mux itself refuses with plain text.
type described struct{ mux *http.ServeMux }

// ServeHTTP implements [http.Handler].
func (d described) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, pattern := d.mux.Handler(r); pattern != "" {
		d.mux.ServeHTTP(w, r)
		return
	}
	quiet := &statusOnly{header: w.Header()}
	d.mux.ServeHTTP(quiet, r)
	switch quiet.status {
	case http.StatusMethodNotAllowed:
		problem.Status(w, quiet.status, r.Method+" is not possible here; Allow says what is")
	default:
		problem.Status(w, http.StatusNotFound, "there is nothing at this path")
	}
}

// statusOnly keeps an answer's status and header and drops its body.
type statusOnly struct {
	header http.Header
	status int
}

func (s *statusOnly) Header() http.Header         { return s.header }
func (s *statusOnly) WriteHeader(status int)      { s.status = status }
func (s *statusOnly) Write(b []byte) (int, error) { return len(b), nil }

// health answers 200 while the store can be read.
func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), healthTime)
	defer cancel()
	_, _, err := dispatch.LoadSettings(ctx, s.Store)
	if err != nil {
		s.options.Log.LogAttrs(ctx, slog.LevelError, "not healthy", slog.Any("error", err))
		problem.Status(w, http.StatusServiceUnavailable, "the store cannot be read")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write([]byte(`{"status":"ok"}` + "\n"))
}
