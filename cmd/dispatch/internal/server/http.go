package server

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"time"

	"example.com/dispatch/cmd/dispatch/internal/api"
	"example.com/dispatch/cmd/dispatch/internal/invocation"
	"example.com/dispatch/cmd/dispatch/internal/problem"
	"example.com/dispatch/pkg/dispatch"
)

// Times bound what a connection may take; 0 is the server's own.
type Times struct {
	Header time.Duration // for a request's header, and for TLS before it: 5 s
	Read   time.Duration // for a whole request: 30 s
	Write  time.Duration // from the end of the request's header to the end of the answer: 60 s; an invocation of a function has longer
	Idle   time.Duration // between two requests: 2 min
}

const (
	maxHeader  = 64 << 10 // bytes
	healthTime = 2 * time.Second
	keysPath   = "/.well-known/jwks.json"
	healthPath = "/healthz"
)

func (s *Server) newHTTP() *http.Server {
	mux := http.NewServeMux()
	api.API{Engine: s.Engine, Store: s.Store, Now: time.Now, Log: s.options.Log}.Register(mux)
	mux.Handle(invocation.Pattern, invocation.Handler{Engine: s.Engine, Log: s.options.Log})
	mux.HandleFunc("GET "+healthPath, s.health)
	mux.HandleFunc("GET "+keysPath, s.keys.serve)
	t := s.options.Times
	var none unused
	h := &http.Server{
		Handler:           s.options.guard(s.options.crowd(described{mux})),
		ReadHeaderTimeout: cmp.Or(t.Header, 5*time.Second), ReadTimeout: cmp.Or(t.Read, 30*time.Second),
		WriteTimeout: cmp.Or(t.Write, time.Minute), IdleTimeout: cmp.Or(t.Idle, 2*time.Minute),
		MaxHeaderBytes: maxHeader,
		TLSConfig:      s.certificate.config(),
		ErrorLog:       slog.NewLogLogger(s.options.Log.Handler(), slog.LevelDebug),
		ConnState:      none.note,
	}
	h.RegisterOnShutdown(none.close)
	return h
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
