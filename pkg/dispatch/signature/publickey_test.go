package signature

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
)

func pkix(public crypto.PublicKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(public)
	return block("PUBLIC KEY", der, err)
}

func TestPublicKeys(t *testing.T) {
	for name, private := range map[string]crypto.Signer{"P-256": ecKey(t, elliptic.P256()), "Ed25519": edKey(t)} {
		k, err := ParseKey(pkcs8(private))
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParsePublicKey(append([]byte("my key\n"), pkix(private.Public())...))
		if err != nil || got != k.Public() {
			t.Errorf("%s: %v, %v, want %v", name, got, err, k.Public())
		}
	}
}

func TestPublicKeysThatAreRefused(t *testing.T) {
	p256 := ecKey(t, elliptic.P256())
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public := func(k *ecdsa.PrivateKey) []byte { return pkix(k.Public()) }
	for _, c := range []struct {
		name, says string
		text       []byte
	}{
		{"nothing", "no public key", nil},
		{"no PEM", "no public key", []byte("secret")},
		{"RSA", "rsa.PublicKey", pkix(rsaKey.Public())},
		{"P-384", "P-384", public(ecKey(t, elliptic.P384()))},
		{"a private key", "PRIVATE KEY", pkcs8(p256)},
		{"a private key beside it", "PRIVATE KEY", append(public(p256), pkcs8(p256)...)},
		{"garbage", "PUBLIC KEY", block("PUBLIC KEY", []byte("garbage"), nil)},
		{"two", "more than one", append(public(p256), pkix(edKey(t).Public())...)},
	} {
		got, err := ParsePublicKey(c.text)
		if !errors.Is(err, ErrKey) || !strings.Contains(err.Error(), c.says) || got != (JWK{}) {
			t.Errorf("%s: %v, %v, want ErrKey and %q", c.name, got, err, c.says)
		}
	}
}
