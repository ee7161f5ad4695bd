package main

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"example.com/dispatch/pkg/dispatch/signature"
)

func TestReceive(t *testing.T) {
	folder := t.TempDir()
	server := launch(t, folder, "serve", "--listen", "127.0.0.1:0")
	keys := server.url + "/.well-known/jwks.json"
	other, err := signature.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	text, err := other.PEM()
	if err != nil {
		t.Fatal(err)
	}
	write(t, folder, "other-private.pem", string(text))
	for from, to := range map[string]string{"dispatch.db-key.pem": "public.pem", "other-private.pem": "other.pem"} {
		public, err := publicHalf(filepath.Join(folder, from))
		if err != nil {
			t.Fatal(err)
		}
		write(t, folder, to, string(public))
	}
	for _, c := range []struct {
		name string
		args string
		want []string // in this order
	}{
		{"answers", "--code 202", []string{"POST /x?y=1  attempt 1  ID  signature ok  -> 202"}},
		{"fails first", "--fail 1", []string{"attempt 1  ID  signature ok  -> 503", "attempt 2  ID  signature ok  -> 204"}},
		{"another issuer", "--issuer other", []string{"signature BAD", "another issuer"}},
		{"another origin", "--origin https://other.example", []string{"signature BAD", "another receiver"}},
		{"a public key", "--jwks http://127.0.0.1:1/ --public-key public.pem", []string{"signature ok"}},
		{"another public key", "--public-key other.pem", []string{"signature BAD"}},
		{"no keys", "--jwks http://127.0.0.1:1/", []string{"signature not checked"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := strings.ReplaceAll(c.name, " ", "-")
			args := append([]string{"receive", "--listen", "127.0.0.1:0", "--jwks", keys}, strings.Fields(c.args)...)
			receiver := launch(t, folder, args...)
			post(server.url, fmt.Sprintf(`{"id": %q, "uri": "%s/x?y=1", "body": {"n": 1}, "attempts": {"interval": 1}}`, id, receiver.url))
			until(t, "it prints the calls", func() bool {
				rest, ok := receiver.out.String(), true
				for _, want := range c.want {
					_, rest, ok = strings.Cut(rest, strings.ReplaceAll(want, "ID", id))
					if !ok {
						return false
					}
				}
				return true
			})
			if err := receiver.end(syscall.SIGTERM); err != nil {
				t.Errorf("stopping: %v", err)
			}
		})
	}
	for file, says := range map[string]string{"nope.pem": "nope.pem", "other-private.pem": "no public key"} {
		if got := dispatchIn(t, folder, "", "receive", "--public-key", file); got.code != 2 || !strings.Contains(got.err, says) {
			t.Errorf("%s: exit %d: %s", file, got.code, got.err)
		}
	}
	t.Run("unsigned", func(t *testing.T) {
		receiver := launch(t, folder, "receive", "--listen", "127.0.0.1:0")
		post(receiver.url, "{\"text\": \"\x1b[31mred\"}")
		until(t, "it prints the call", func() bool { return strings.Contains(receiver.out.String(), "unsigned  -> 204") })
		if strings.Contains(receiver.out.String(), "\x1b") {
			t.Error("a caller can steer the terminal")
		}
	})
}

// publicHalf writes the public half of a key as openssl does.
func publicHalf(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(private.(crypto.Signer).Public())
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}
