package signature

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/golang-jwt/jwt/v5"
)

// ErrKey is the error for a key that cannot be used.
var ErrKey = errors.New("not a usable key")

// Key is a private key that signs: EC P-256 for ES256, or Ed25519 for EdDSA. The zero Key signs nothing.
type Key struct {
	private crypto.Signer
	method  jwt.SigningMethod
	public  JWK
}

// NewKey makes an EC P-256 key.
func NewKey() (Key, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Key{}, fmt.Errorf("making a key: %w", err)
	}
	return newKey(private)
}

// ParseKey reads the one private key of a PEM text: EC P-256 as SEC 1 ("EC PRIVATE KEY") or PKCS #8
// ("PRIVATE KEY"), or Ed25519 as PKCS #8. Anything else is refused with an error that wraps [ErrKey] and
// shows nothing of the text.
func ParseKey(text []byte) (Key, error) {
	var found crypto.PrivateKey
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		private, err := parseBlock(block)
		if err != nil {
			return Key{}, err
		}
		if private != nil && found != nil {
			return Key{}, fmt.Errorf("%w: more than one private key", ErrKey)
		}
		if private != nil {
			found = private
		}
	}
	if found == nil {
		return Key{}, fmt.Errorf("%w: no private key in PEM form found", ErrKey)
	}
	return newKey(found)
}

// parseBlock returns nil for a block that comes along with keys and is none.
func parseBlock(block *pem.Block) (private crypto.PrivateKey, err error) {
	switch {
	case block.Headers["DEK-Info"] != "" || block.Type == "ENCRYPTED PRIVATE KEY":
		return nil, fmt.Errorf("%w: it is encrypted; give it without a passphrase", ErrKey)
	case block.Type == "EC PARAMETERS": // openssl ecparam -genkey writes them before the key
		return nil, nil
	case block.Type == "EC PRIVATE KEY":
		private, err = x509.ParseECPrivateKey(block.Bytes)
	case block.Type == "PRIVATE KEY":
		private, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("%w: a PEM block %q is none; it must be EC P-256 or Ed25519", ErrKey, block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: PEM block %q: %w", ErrKey, block.Type, err)
	}
	return private, nil
}

func newKey(private crypto.PrivateKey) (Key, error) {
	var k Key
	switch p := private.(type) {
	case *ecdsa.PrivateKey:
		if p.Curve != elliptic.P256() {
			return Key{}, fmt.Errorf("%w: EC with curve %s; only P-256 signs ES256", ErrKey, p.Curve.Params().Name)
		}
		k.private, k.method = p, jwt.SigningMethodES256
	case ed25519.PrivateKey:
		k.private, k.method = p, jwt.SigningMethodEdDSA
	default:
		return Key{}, fmt.Errorf("%w: %T; it must be EC P-256 or Ed25519", ErrKey, private)
	}
	var err error
	k.public, err = newJWK(k.private.Public())
	return k, err
}

// ID returns the key's RFC 7638 thumbprint, the kid of what it signs.
func (k Key) ID() string { return k.public.KeyID }

// Public returns the key's public half.
func (k Key) Public() JWK { return k.public }

// PEM writes the private key as PKCS #8, for [ParseKey].
func (k Key) PEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return nil, fmt.Errorf("writing a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// String returns the id, so that no log shows a private key.
func (k Key) String() string { return k.ID() }

// GoString does for %#v what String does for %v.
func (k Key) GoString() string { return k.ID() }
