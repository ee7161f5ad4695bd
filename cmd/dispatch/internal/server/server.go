// Package server is the whole system in one process: an engine on a SQLite file, and the HTTP server before it.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"example.com/dispatch/cmd/dispatch/internal/engine"
	"example.com/dispatch/cmd/dispatch/internal/ownfile"
	"example.com/dispatch/cmd/dispatch/internal/secretfile"
	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/egress"
	"example.com/dispatch/pkg/dispatch/signature"
	"example.com/dispatch/pkg/dispatch/sqlite"
	"example.com/dispatch/pkg/dispatch/target"
)

// Options says what a server serves, and where.
type Options struct {
	DB     string // path of the SQLite file, created if absent
	Listen string // host:port
	Token  string // what callers show as a bearer token; needed, of 16 bytes at least, unless Listen is on loopback

	// Hosts are the names that callers may call the server by, besides the host of Listen and those of loopback. Where there
	// are none, and Listen is not on loopback, any will do.
	Hosts           []string
	TLSCert, TLSKey string // paths of a certificate with its chain, and its key, PEM; both "": plain http
	Times           Times
	Requests        int // answered at once, more are refused with 503; 0: 1024

	Key      string         // path of a file with a key set, JSON or PEM; "": a key is made and kept beside the database
	Unsigned bool           // calls carry no signature, and there is no key
	Issuer   string         // the iss of what is signed
	Signing  signature.Mode // how calls are signed; "": by JWT
	Networks []netip.Prefix // that may be called besides public addresses, over plain http too
	Secrets  string         // folder with a file for each secret that headers may be; "": there are none
	Ports    []egress.Ports // of public addresses that may be called; nil for the usual ones

	AWS      *target.AWS                           // calls Lambda functions and state machines; nil: nobody does
	CheckARN func(dispatch.ARN) error              // says why no task may go there; nil: tasks go to URLs only
	Notify   func(context.Context, dispatch.Event) // is told of failures; nil: the log alone is

	Workers   int           // tasks in flight at once, at least 1
	Retention time.Duration // how long final rows stay, at least dispatch.MinRetention
	Grace     time.Duration // what calls in flight get to end when the server stops
	Log       *slog.Logger
}

// Server is a started server.
type Server struct {
	Engine *engine.Engine
	Store  *sqlite.Store

	options  Options
	lock     *sqlite.Lock
	settled  bool // there are no leases
	listener net.Listener
	http     *http.Server
	client   *http.Client
	keys     *keys
	secrets  *secretfile.Folder // nil: there are none
	checkURI func(uri string) error

	certificate *certificate // nil: plain http
}

const (
	purgeEvery = time.Hour
	// firstPurge is when the first one comes: it reads the whole store, and a server that starts has what became due
	// meanwhile to work off.
	firstPurge = time.Minute
	// purgeTime bounds what one purge may take.
	purgeTime = 10 * time.Minute
	startTime = 30 * time.Second
)

// Start opens the database, frees the leases that a killed server left, and listens. The server does nothing
// until Run is called.
func Start(ctx context.Context, o Options) (_ *Server, err error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	s := &Server{options: o}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if err := o.keepFiles(); err != nil {
		return nil, err
	}
	if s.lock, err = sqlite.TryLock(o.DB); err != nil {
		return nil, err
	}
	if s.Store, err = s.lock.Open(ctx); err != nil {
		return nil, err
	}
	if err := s.freeLeases(ctx); err != nil {
		return nil, err
	}
	if s.keys, err = o.keys(); err != nil {
		return nil, err
	}
	if s.certificate, err = o.certificate(); err != nil {
		return nil, err
	}
	o.warnOfPlainToken(ctx)
	if s.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", o.Listen); err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	reach := egress.Options{AllowedNetworks: o.Networks, AllowedPorts: o.Ports, Workers: o.Workers}
	s.client = egress.New(reach)
	s.checkURI = dispatch.URICheck(len(o.Networks) > 0, egress.NewCheck(reach))
	var checkSecret func(name string) error
	if o.Secrets != "" {
		if _, err = ownfile.CheckGiven(o.Secrets); err != nil {
			return nil, fmt.Errorf("opening the folder of secrets: %w", err)
		}
		if s.secrets, err = secretfile.Open(o.Secrets); err != nil {
			return nil, err
		}
		checkSecret = s.secrets.Check
	}
	s.Engine = engine.New(engine.Options{
		Store: s.Store, Send: s.send, Workers: o.Workers,
		Retention: o.Retention, AllowHTTP: len(o.Networks) > 0, CanSign: !o.Unsigned, CheckARN: o.CheckARN, CheckURL: egress.NewCheck(reach), CheckSecret: checkSecret, Notify: o.Notify, Log: o.Log,
	})
	s.http = s.newHTTP()
	return s, nil
}

// freeLeases ends the leases that a killed server has left.
func (s *Server) freeLeases(ctx context.Context) error {
	if s.lock.Left {
		freed, err := s.Store.FreeLeases(ctx, time.Now())
		if err != nil {
			return err
		}
		if freed > 0 {
			s.options.Log.LogAttrs(ctx, slog.LevelWarn, "the last server was killed; its tasks are attempted again", slog.Int("tasks", freed))
		}
	}
	s.settled = true
	return nil
}

// send makes a call, signed with the keys that are in force when it begins.
func (s *Server) send(ctx context.Context, c dispatch.Call) dispatch.Answer {
	http := target.HTTP{Client: s.client, Signer: s.keys.signer(), CheckURI: s.checkURI}
	if s.secrets != nil {
		http.Secret = s.secrets.Value
	}
	return target.Sender{HTTP: http, AWS: s.options.AWS}.Send(ctx, c)
}

// URL returns where the server is.
func (s *Server) URL() string {
	scheme := "http://"
	if s.certificate != nil {
		scheme = "https://"
	}
	return scheme + s.listener.Addr().String()
}

// Run serves until the context ends. Then it accepts nothing more, stops sweeping, and lets the calls in
// flight end, for the grace period at most. The error says what failed, or what was left in flight.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.settled = false
	var background sync.WaitGroup
	background.Go(func() { s.Engine.Run(ctx) })
	background.Go(func() { s.purge(ctx) })
	background.Go(func() { s.watchFiles(ctx) })
	failed := make(chan error, 1)
	go func() { failed <- s.serve() }()

	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
		err = fmt.Errorf("serving: %w", err)
		cancel()
	}
	ending, stop := context.WithTimeout(context.WithoutCancel(ctx), s.options.Grace)
	defer stop()
	background.Wait()
	// Requests and tasks end side by side: an invocation of handle is both.
	stopped := make(chan error, 1)
	go func() { stopped <- s.http.Shutdown(ending) }()
	left := s.Engine.Drain(ending)
	s.settled = left == nil
	err = errors.Join(err, left)
	if shut := <-stopped; shut != nil {
		err = errors.Join(err, fmt.Errorf("ending requests: %w", shut), s.http.Close())
	}
	return errors.Join(err, s.close())
}

func (s *Server) serve() error {
	if s.certificate != nil {
		return s.http.ServeTLS(s.listener, "", "")
	}
	return s.http.Serve(s.listener)
}

func (s *Server) close() error {
	var errs []error
	if s.client != nil {
		s.client.CloseIdleConnections()
	}
	if s.secrets != nil {
		errs = append(errs, s.secrets.Close())
	}
	if s.listener != nil {
		if err := s.listener.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if s.Store != nil {
		errs = append(errs, s.Store.Close())
	}
	if s.settled {
		errs = append(errs, s.lock.Settled())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Unlock())
	}
	return errors.Join(errs...)
}

// purge deletes the rows whose time is over, now and then.
func (s *Server) purge(ctx context.Context) {
	timer := time.NewTimer(firstPurge)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			timer.Reset(purgeEvery)
		case <-ctx.Done():
			return
		}
		once, cancel := context.WithTimeout(ctx, purgeTime)
		n, err := s.Store.Purge(once, time.Now())
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.options.Log.LogAttrs(ctx, slog.LevelError, "purge failed; the next one makes up for it", slog.Any("error", err))
		case n > 0:
			s.options.Log.LogAttrs(ctx, slog.LevelInfo, "purged", slog.Int("tasks", n))
		}
	}
}

// Settings returns the settings in force.
func (s *Server) Settings(ctx context.Context) (dispatch.Settings, error) {
	return s.Engine.Editor.Settings(ctx)
}
