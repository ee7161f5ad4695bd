package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"example.com/dispatch/cmd/dispatch/internal/keyfile"
	"example.com/dispatch/cmd/dispatch/internal/ownfile"
	"example.com/dispatch/pkg/dispatch/signature"
)

const (
	filesEvery = 2 * time.Second // how late a change of the key file or the certificate is seen
	keysAge    = "max-age=300"   // how long others may keep the published keys
)

// keys are those in force. Calls in flight go on with the ones that they began with.
type keys struct {
	path    string
	text    []byte // of the file, as last read
	current atomic.Pointer[inForce]
}

type inForce struct {
	signer *signature.Signer // nil: calls are not signed
	public signature.JWKS
}

func (o Options) keys() (*keys, error) {
	k := &keys{}
	k.current.Store(&inForce{public: signature.JWKS{Keys: []signature.JWK{}}})
	if o.Unsigned {
		return k, nil
	}
	k.path = o.Key
	if k.path == "" {
		k.path = o.DB + "-key.pem"
		if _, err := keyfile.LoadOrMake(k.path); err != nil {
			return nil, err
		}
	}
	switch readable, err := ownfile.CheckGiven(k.path); {
	case err != nil:
		return nil, fmt.Errorf("reading the signing keys: %w", err)
	case readable:
		o.warnReadable("the signing keys", k.path)
	}
	return k, k.read(o.Issuer, o.Signing)
}

// signer returns the signer in force, nil if calls are not signed.
func (k *keys) signer() *signature.Signer { return k.current.Load().signer }

// read puts the file's keys in force.
func (k *keys) read(issuer string, mode signature.Mode) error {
	text, err := os.ReadFile(k.path)
	if err != nil {
		return fmt.Errorf("reading the signing keys: %w", err)
	}
	if bytes.Equal(text, k.text) {
		return nil
	}
	k.text = text // a text that cannot be used is complained of once
	set, err := signature.ParseKeySet(text)
	if err != nil {
		return fmt.Errorf("reading the signing keys in %s: %w", k.path, err)
	}
	signer, err := set.Signer(issuer, mode)
	if err != nil {
		return fmt.Errorf("reading the signing keys in %s: %w", k.path, err)
	}
	k.current.Store(&inForce{signer, set.Public()})
	return nil
}

// watchFiles puts the keys and the certificate in force that their files have got, until the context ends.
func (s *Server) watchFiles(ctx context.Context) {
	tick := time.NewTicker(filesEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if s.keys.path != "" {
			if err := s.keys.read(s.options.Issuer, s.options.Signing); err != nil {
				s.options.Log.LogAttrs(ctx, slog.LevelError, "the signing keys were changed and cannot be used; the former ones stay", slog.Any("error", err))
			}
		}
		if s.certificate != nil {
			if err := s.certificate.read(); err != nil {
				s.options.Log.LogAttrs(ctx, slog.LevelError, "the certificate was changed and cannot be used; the former one stays", slog.Any("error", err))
			}
		}
	}
}

func (k *keys) serve(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/jwk-set+json")
	w.Header().Set("Cache-Control", keysAge)
	json.NewEncoder(w).Encode(k.current.Load().public) // the client has gone if this fails
}
