package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"example.com/dispatch/cmd/dispatch/internal/ownfile"
	"example.com/dispatch/cmd/dispatch/internal/server"
	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/egress"
	"example.com/dispatch/pkg/dispatch/signature"
)

type serveCommand struct {
	DB     string `default:"dispatch.db" type:"path" help:"The SQLite file, created if absent (${default})."`
	Listen string `default:"127.0.0.1:8700" help:"Where to listen (${default}). Beyond loopback, a token is needed."`
	Token  string `env:"DISPATCH_TOKEN" help:"The bearer token that callers must show. Other users of the machine see arguments: better set the variable, or --token-file."`

	TokenFile string   `type:"path" placeholder:"FILE" help:"A file that holds the token, in its only line."`
	Host      []string `placeholder:"NAME" help:"A name that callers may call the server by. Otherwise, on loopback, localhost and its addresses; beyond, any."`
	TLSCert   string   `name:"tls-cert" type:"path" placeholder:"FILE" help:"Serve https with this certificate and what leads up to its authority, PEM. A changed file is taken up."`
	TLSKey    string   `name:"tls-key" type:"path" placeholder:"FILE" help:"The key of the certificate, PEM."`

	PublicOnly   bool           `help:"Call public addresses only, over https: not even loopback."`
	AllowNetwork []netip.Prefix `placeholder:"CIDR" help:"A network to call besides public addresses and loopback, over plain http too."`
	AllowPort    []egress.Ports `placeholder:"PORT" help:"Ports and ranges (8000-8999) of public addresses to call, instead of 80, 443 and those from 1024 on that belong to no other service."`
	Secrets      string         `type:"existingdir" placeholder:"DIR" help:"A folder with a file for each secret that headers of tasks may be. Otherwise there are none."`
	Key          string         `type:"path" placeholder:"FILE" help:"The signing keys: a set as dispatch keys writes it, or PEM. Otherwise a key is made and kept beside the database."`
	Unsigned     bool           `help:"Do not sign calls."`
	Issuer       string         `default:"dispatch" help:"The issuer of signatures (${default})."`
	Signing      signature.Mode `default:"jwt" enum:"jwt,webhooks,both" help:"How calls are signed: jwt (Dispatch-Signature), webhooks (Standard Webhooks) or both (${default})."`

	awsFlags

	Workers   int           `default:"512" help:"Tasks in flight at once (${default})."`
	Retention time.Duration `default:"168h" help:"How long tasks stay that have ended (${default}, at least 8h)."`
	Grace     time.Duration `default:"30s" help:"What calls in flight get to end when the server stops (${default})."`
	LogLevel  slog.Level    `default:"warn" help:"debug, info (each attempt), warn or error (${default})."`
}

// Validate is called by kong.
func (s serveCommand) Validate() error {
	switch {
	case s.Workers < 1 || s.Workers > maxWorkers:
		return fmt.Errorf("--workers must be 1 to %d", maxWorkers)
	case s.Retention < dispatch.MinRetention:
		return fmt.Errorf("--retention must be at least %v", dispatch.MinRetention)
	case s.Grace < 0:
		return fmt.Errorf("--grace must not be negative")
	case s.PublicOnly && len(s.AllowNetwork) > 0:
		return fmt.Errorf("--public-only and --allow-network exclude each other")
	case slices.ContainsFunc(s.Host, func(name string) bool { return name == "" || strings.ContainsAny(name, ":/") }):
		return fmt.Errorf("--host is a name, without a scheme and a port")
	case s.Token != "" && s.TokenFile != "":
		return fmt.Errorf("--token or DISPATCH_TOKEN, and --token-file exclude each other")
	case s.Unsigned && s.Key != "":
		return fmt.Errorf("--unsigned and --key exclude each other")
	case s.Unsigned && s.Signing != signature.JWT:
		return fmt.Errorf("--unsigned and --signing exclude each other")
	}
	return nil
}

const (
	maxWorkers = 10_000
	// gcPercent spends memory on fewer collections: thousands of short tasks a second leave much behind.
	gcPercent = 400
	// threads is how many run Go code at once for each processor. One that waits for the disk keeps its place for a while:
	// with no more places than processors, a processor would have nothing to do meanwhile.
	threads = 2
)

// Run serves until a signal comes.
func (s serveCommand) Run(ctx context.Context, c console) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(threads * runtime.GOMAXPROCS(0))
	}
	log := slog.New(slog.NewTextHandler(c.err, &slog.HandlerOptions{Level: s.LogLevel}))
	token, err := s.token()
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	o := server.Options{
		DB: s.DB, Listen: s.Listen, Token: token, Hosts: s.Host, TLSCert: s.TLSCert, TLSKey: s.TLSKey, Key: s.Key, Unsigned: s.Unsigned, Issuer: s.Issuer, Signing: s.Signing,
		Networks: s.networks(), Ports: s.AllowPort, Secrets: s.Secrets, Workers: s.Workers, Retention: s.Retention, Grace: s.Grace, Log: log,
	}
	if err := s.apply(ctx, &o); err != nil {
		return fmt.Errorf("starting the server: %w", err)
	}
	started, err := server.Start(ctx, o)
	if errors.Is(err, server.ErrToken) || errors.Is(err, server.ErrHalfTLS) {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if err != nil {
		return fmt.Errorf("starting the server: %w", err)
	}
	fmt.Fprintf(c.err, "dispatch: serving %s on %s\n", s.DB, started.URL())
	if err := started.Run(ctx); err != nil {
		return fmt.Errorf("stopping the server: %w", err)
	}
	fmt.Fprintln(c.err, "dispatch: stopped")
	return nil
}

// token returns what callers must show, "" for nothing.
func (s serveCommand) token() (string, error) {
	if s.TokenFile == "" {
		return s.Token, nil
	}
	if _, err := ownfile.CheckGiven(s.TokenFile); err != nil {
		return "", fmt.Errorf("reading the token: %w", err)
	}
	text, err := os.ReadFile(s.TokenFile)
	if err != nil {
		return "", fmt.Errorf("reading the token: %w", err)
	}
	token := strings.TrimRight(string(text), "\r\n")
	if token == "" || strings.ContainsAny(token, "\r\n") {
		return "", fmt.Errorf("reading the token: %s does not hold one line", s.TokenFile)
	}
	return token, nil
}

// networks are those that may be called besides public addresses.
func (s serveCommand) networks() []netip.Prefix {
	if s.PublicOnly {
		return nil
	}
	return append(server.Loopback(), s.AllowNetwork...)
}
