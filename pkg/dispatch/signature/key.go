package signature

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// ErrKey is the error for a key that cannot be used.
var ErrKey = errors.New("not a usable key")

// Key is a key that signs. EC P-256 (ES256) and Ed25519 (EdDSA) sign calls and claims; RSA of 2048 bits or more
// (RS256), and secrets (HS256, HS512) sign claims alone, for receivers that know nothing else. The zero Key
// signs nothing.
type Key struct {
	private crypto.Signer // nil for a secret, and for a key that a service holds
	secret  []byte        // of HS256 and HS512
	remote  func(ctx context.Context, digest []byte) (der []byte, err error)
	method  jwt.SigningMethod
	public  JWK // of a secret its id and algorithm alone
}

const (
	minRSA = 2048 // bits (RFC 7518, section 3.3)
	// The least lengths of secrets, in bytes: of the hash that they are used with (RFC 7518, section 3.2).
	minHS256 = 32
	minHS512 = 64
)

// NewKey makes an EC P-256 key.
func NewKey() (Key, error) { return NewKeyFor("ES256") }

// NewKeyFor makes a key for an algorithm: ES256, EdDSA, RS256 (3072 bits), HS256 or HS512.
func NewKeyFor(algorithm string) (Key, error) {
	const bitsRSA = 3072
	var private crypto.PrivateKey
	var err error
	switch algorithm {
	case "ES256":
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EdDSA":
		_, private, err = ed25519.GenerateKey(rand.Reader)
	case "RS256":
		private, err = rsa.GenerateKey(rand.Reader, bitsRSA)
	case "HS256", "HS512":
		secret := make([]byte, minHS512)
		rand.Read(secret) // never fails
		return newSecretKey(rand.Text(), algorithm, secret)
	default:
		return Key{}, fmt.Errorf("%w: there is no algorithm %q; there are ES256, EdDSA, RS256, HS256 and HS512", ErrKey, algorithm)
	}
	if err != nil {
		return Key{}, fmt.Errorf("making a key: %w", err)
	}
	return newKey(private)
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
	case *rsa.PrivateKey:
		if p.N.BitLen() < minRSA {
			return Key{}, fmt.Errorf("%w: RSA of %d bits; it must have %d", ErrKey, p.N.BitLen(), minRSA)
		}
		k.private, k.method = p, jwt.SigningMethodRS256
	default:
		return Key{}, fmt.Errorf("%w: %T; it must be EC P-256, Ed25519 or, for claims, RSA", ErrKey, private)
	}
	var err error
	k.public, err = newJWK(k.private.Public())
	return k, err
}

// newSecretKey returns a key that signs by HMAC. Its id says nothing of the secret, as a thumbprint would
// (RFC 7638, section 7).
func newSecretKey(id, algorithm string, secret []byte) (Key, error) {
	k := Key{secret: secret, method: jwt.SigningMethodHS256, public: JWK{KeyType: "oct", KeyID: id, Algorithm: algorithm}}
	least := minHS256
	if algorithm == "HS512" {
		k.method, least = jwt.SigningMethodHS512, minHS512
	}
	switch {
	case algorithm != k.method.Alg():
		return Key{}, fmt.Errorf("%w: a secret signs HS256 or HS512", ErrKey)
	case len(secret) < least:
		return Key{}, fmt.Errorf("%w: %d bytes of secret; %s needs %d", ErrKey, len(secret), algorithm, least)
	case !validKeyID(id):
		return Key{}, fmt.Errorf("%w: a secret needs a kid of 1 to %d characters of A-Z a-z 0-9 _ . : -", ErrKey, maxKeyID)
	}
	return k, nil
}

const maxKeyID = 128

func validKeyID(id string) bool {
	const rest = "_.:-"
	for _, c := range []byte(id) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte(rest, c) >= 0) {
			return false
		}
	}
	return id != "" && len(id) <= maxKeyID
}

// SignsCalls reports whether the key may sign calls: what any receiver can verify and none can forge.
func (k Key) SignsCalls() bool {
	return k.method == jwt.SigningMethodES256 || k.method == jwt.SigningMethodEdDSA
}

// Algorithm returns the alg of what the key signs, "" for the zero Key.
func (k Key) Algorithm() string { return k.public.Algorithm }

// sign signs the text of a token.
func (k *Key) sign(ctx context.Context, text string) ([]byte, error) {
	switch {
	case k.remote != nil:
		return k.signRemote(ctx, text)
	case k.secret != nil:
		return k.method.Sign(text, k.secret)
	case k.private != nil:
		return k.method.Sign(text, k.private)
	default:
		return nil, fmt.Errorf("%w: there is none", ErrKey)
	}
}

// ID returns the kid of what the key signs: its RFC 7638 thumbprint, or the random or given id of a secret.
func (k Key) ID() string { return k.public.KeyID }

// Public returns the key's public half, which a secret does not have: then only its id and algorithm.
func (k Key) Public() JWK { return k.public }

// String returns the id, so that no log shows a private key.
func (k Key) String() string { return k.ID() }

// GoString does for %#v what String does for %v.
func (k Key) GoString() string { return k.ID() }
