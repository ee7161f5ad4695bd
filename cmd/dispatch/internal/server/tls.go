package server

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"os"
	"sync/atomic"

	"example.com/dispatch/cmd/dispatch/internal/ownfile"
)

// certificate is the server's, as its files have it: a changed one is taken up without a restart.
type certificate struct {
	cert, key string // paths
	text      []byte // of both files, as last read
	current   atomic.Pointer[tls.Certificate]
}

// certificate reads the server's; nil without TLS.
func (o Options) certificate() (*certificate, error) {
	if o.TLSCert == "" {
		return nil, nil
	}
	for _, path := range []string{o.TLSCert, o.TLSKey} {
		readable, err := ownfile.CheckGiven(path)
		if err != nil {
			return nil, fmt.Errorf("reading the certificate: %w", err)
		}
		if readable && path == o.TLSKey {
			o.warnReadable("the key of the certificate", path)
		}
	}
	c := &certificate{cert: o.TLSCert, key: o.TLSKey}
	return c, c.read()
}

// read puts the files' certificate in force.
func (c *certificate) read() error {
	cert, err := os.ReadFile(c.cert)
	if err != nil {
		return fmt.Errorf("reading the certificate: %w", err)
	}
	key, err := os.ReadFile(c.key)
	if err != nil {
		return fmt.Errorf("reading the certificate's key: %w", err)
	}
	text := bytes.Join([][]byte{cert, key}, []byte{0})
	if bytes.Equal(text, c.text) {
		return nil
	}
	c.text = text // files that cannot be used, as one of them before the other has changed, are complained of once
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("reading the certificate in %s and its key in %s: %w", c.cert, c.key, err)
	}
	c.current.Store(&pair)
	return nil
}

func (c *certificate) config() *tls.Config {
	if c == nil {
		return nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil }}
}
