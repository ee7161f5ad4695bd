package server_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/dispatch/cmd/dispatch/internal/server"
	"example.com/dispatch/pkg/dispatch/client"
)

// pair is a certificate of 127.0.0.1, signed by itself, and its key, both PEM.
type pair struct{ cert, key []byte }

func newCertificate(t *testing.T) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "dispatch"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, about, about, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pair{pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})}
}

// files writes the pair to files of a new folder.
func (p pair) files(t *testing.T) (cert, key string) {
	t.Helper()
	folder := t.TempDir()
	cert, key = filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	p.write(t, cert, key)
	return cert, key
}

func (p pair) write(t *testing.T, cert, key string) {
	t.Helper()
	if err := errors.Join(os.WriteFile(cert, p.cert, 0o644), os.WriteFile(key, p.key, 0o600)); err != nil {
		t.Fatal(err)
	}
}

// trusting returns a client that trusts the pair alone, and opens a connection for each request.
func (p pair) trusting(most uint16) *http.Client {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(p.cert)
	return &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS10, MaxVersion: most}}}
}

func TestTLS(t *testing.T) {
	first, second := newCertificate(t), newCertificate(t)
	cert, key := first.files(t)
	var log lines
	r := start(t, func(o *server.Options) {
		o.Listen, o.Token, o.TLSCert, o.TLSKey, o.Log = "127.0.0.1:0", goodToken, cert, key, slog.New(slog.NewTextHandler(&log, nil))
	})
	healthy := func(c *http.Client, url string) (int, error) {
		answer, err := c.Get(url + "/healthz")
		if err != nil {
			return 0, err
		}
		answer.Body.Close()
		return answer.StatusCode, nil
	}
	for _, c := range []struct {
		name   string
		client *http.Client
		url    string
		ok     bool
	}{
		{"TLS 1.3", first.trusting(0), r.URL(), true},
		{"TLS 1.2", first.trusting(tls.VersionTLS12), r.URL(), true},
		{"TLS 1.1", first.trusting(tls.VersionTLS11), r.URL(), false},
		{"another certificate", second.trusting(0), r.URL(), false},
		{"in the clear", http.DefaultClient, strings.Replace(r.URL(), "https:", "http:", 1), false},
	} {
		if status, err := healthy(c.client, c.url); (status == 200) != c.ok {
			t.Errorf("%s: %d, %v", c.name, status, err)
		}
	}

	// The client for callers, with the token, over TLS.
	enqueue := client.Client{Invoke: client.Server(r.URL(), goodToken, first.trusting(0))}
	if receipts, err := enqueue.Enqueue(t.Context(), client.Task{URI: "https://a.example/", Delay: 3600}); err != nil || len(receipts) != 1 {
		t.Errorf("%v, %v", receipts, err)
	}
	bare := client.Client{Invoke: client.Server(r.URL(), "", first.trusting(0))}
	if _, err := bare.Enqueue(t.Context(), client.Task{URI: "https://a.example/", Delay: 3600}); err == nil {
		t.Error("a task was taken without a token")
	}

	// A half change is complained of, a whole one taken up.
	if err := os.WriteFile(cert, second.cert, 0o644); err != nil {
		t.Fatal(err)
	}
	r.until("the change is seen", func() bool { return strings.Contains(log.text(), "the former one stays") })
	if status, err := healthy(first.trusting(0), r.URL()); status != 200 {
		t.Errorf("after half a change: %d, %v", status, err)
	}
	second.write(t, cert, key)
	r.until("the new certificate is in force", func() bool { status, _ := healthy(second.trusting(0), r.URL()); return status == 200 })
	if status, err := healthy(first.trusting(0), r.URL()); status == 200 {
		t.Errorf("the former certificate is still served: %v", err)
	}
}

// lines is a log that may be read while it is written.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestTLSFilesThatCannotBeUsed(t *testing.T) {
	cert, key := newCertificate(t).files(t)
	_, otherKey := newCertificate(t).files(t)
	for _, c := range []struct{ name, cert, key, says string }{
		{"no key", cert, "", server.ErrHalfTLS.Error()},
		{"no certificate", "", key, server.ErrHalfTLS.Error()},
		{"a certificate that is not there", cert + "x", key, "no such file"},
		{"a key that is not there", cert, key + "x", "no such file"},
		{"the key of another", cert, otherKey, "does not match"},
		{"two certificates", cert, cert, "found a certificate rather than a key"},
		{"exchanged", key, cert, "PEM inputs may have been switched"},
	} {
		o := server.Options{
			DB: filepath.Join(t.TempDir(), "a.db"), Listen: "127.0.0.1:0", TLSCert: c.cert, TLSKey: c.key,
			Workers: 1, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		}
		if s, err := server.Start(context.Background(), o); s != nil || err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
	}
}
