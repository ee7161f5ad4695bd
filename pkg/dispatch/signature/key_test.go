package signature

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func block(kind string, der []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func pkcs8(private any) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(private)
	return block("PRIVATE KEY", der, err)
}

func sec1(private *ecdsa.PrivateKey) []byte {
	der, err := x509.MarshalECPrivateKey(private)
	return block("EC PRIVATE KEY", der, err)
}

func ecKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	private, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return private
}

func edKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return private
}

func TestKeysThatSign(t *testing.T) {
	p256, ed := ecKey(t, elliptic.P256()), edKey(t)
	parameters := block("EC PARAMETERS", []byte{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}, nil)
	for _, c := range []struct {
		name string
		text []byte
		alg  string
	}{
		{"P-256, SEC 1", sec1(p256), "ES256"},
		{"P-256, PKCS #8", pkcs8(p256), "ES256"},
		{"Ed25519, PKCS #8", pkcs8(ed), "EdDSA"},
		{"with openssl's parameters before it", append(parameters, sec1(p256)...), "ES256"},
		{"with text around it", append([]byte("my key\n"), append(pkcs8(ed), "bye\n"...)...), "EdDSA"},
	} {
		k, err := ParseKey(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if k.Public().Algorithm != c.alg {
			t.Errorf("%s: %s, want %s", c.name, k.Public().Algorithm, c.alg)
		}
		text, err := k.PEM()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ParseKey(text); err != nil || again.ID() != k.ID() {
			t.Errorf("%s: written and read again: id %q, %v, want %q", c.name, again.ID(), err, k.ID())
		}
	}
}

func TestKeysThatAreRefused(t *testing.T) {
	p256 := ecKey(t, elliptic.P256())
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public := func(k crypto.PublicKey) []byte {
		der, err := x509.MarshalPKIXPublicKey(k)
		return block("PUBLIC KEY", der, err)
	}
	for _, c := range []struct {
		name, says string
		text       []byte
	}{
		{"nothing", "no private key", nil},
		{"no PEM", "no private key", []byte("secret")},
		{"RSA", "claims only", block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey), nil)},
		{"RSA, PKCS #8", "claims only", pkcs8(rsaKey)},
		{"P-384", "P-384", sec1(ecKey(t, elliptic.P384()))},
		{"P-384, PKCS #8", "P-384", pkcs8(ecKey(t, elliptic.P384()))},
		{"public", "PUBLIC KEY", public(p256.Public())},
		{"encrypted, PKCS #8", "encrypted", block("ENCRYPTED PRIVATE KEY", []byte("x"), nil)},
		{"encrypted, SEC 1", "encrypted", pem.EncodeToMemory(&pem.Block{
			Type: "EC PRIVATE KEY", Headers: map[string]string{"DEK-Info": "AES-128-CBC,00"}, Bytes: []byte("x")})},
		{"garbage", "PRIVATE KEY", block("PRIVATE KEY", []byte("garbage"), nil)},
		{"two keys", "more than one", append(pkcs8(p256), pkcs8(edKey(t))...)},
	} {
		_, err := ParseKey(c.text)
		if !errors.Is(err, ErrKey) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want ErrKey and %q", c.name, err, c.says)
		}
	}
}

// The key of RFC 8037, appendix A, and its thumbprint.
func TestThumbprint(t *testing.T) {
	k := JWK{KeyType: "OKP", Curve: "Ed25519", X: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
	if got, want := k.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestPrivateKeysAreNotShown(t *testing.T) {
	private := edKey(t) // of an EC key, fmt would show a pointer only
	k, err := ParseKey(pkcs8(private))
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(map[string]any{"key": k, "public": k.Public()})
	if err != nil {
		t.Fatal(err)
	}
	shown := []string{fmt.Sprintf("%v", k), fmt.Sprintf("%+v", k), fmt.Sprintf("%#v", k)}
	for _, text := range shown {
		if text != k.ID() {
			t.Errorf("shows %s, want the id", text)
		}
	}
	if strings.Contains(string(asJSON), base64URL(private.Seed())) || strings.Contains(string(asJSON), `"d"`) {
		t.Errorf("shows the key: %s", asJSON)
	}
}
