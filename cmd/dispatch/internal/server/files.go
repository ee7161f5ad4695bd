package server

import (
	"context"
	"fmt"
	"log/slog"
	"net"

	"example.com/dispatch/cmd/dispatch/internal/ownfile"
)

// keepFiles has the database, and what lies beside it, be this user's alone. A file that others may read is mended, because
// a copy from elsewhere has the mode that it got there; a folder is not, because others may rely on it.
func (o Options) keepFiles() error {
	if err := ownfile.CheckFolder(o.DB); err != nil {
		return fmt.Errorf("keeping the database: %w", err)
	}
	for _, behind := range []string{"", "-wal", "-shm", "-lock"} {
		changed, err := ownfile.Keep(o.DB + behind)
		if err != nil {
			return fmt.Errorf("keeping the database: %w", err)
		}
		if changed {
			o.Log.Warn("others than the owner could read or write the database; they no longer can", slog.String("file", o.DB+behind))
		}
	}
	return nil
}

func (o Options) warnReadable(what, path string) {
	o.Log.Warn("others than the owner may read a secret", slog.String("what", what), slog.String("file", path))
}

// warnOfPlainToken warns, and no more: something before the server may well do its TLS.
func (o Options) warnOfPlainToken(ctx context.Context) {
	host, _, _ := net.SplitHostPort(o.Listen)
	if o.TLSCert == "" && !isLoopback(host) {
		o.Log.LogAttrs(ctx, slog.LevelWarn, "tokens and tasks cross the network in the clear, unless something before this server does TLS", slog.String("listen", o.Listen))
	}
}
