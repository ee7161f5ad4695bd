package signature

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
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
	private crypto.Signer // nil for a secret
	secret  []byte        // of HS256 and HS512
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

// ParseKey reads the one private key of a PEM text: EC P-256 as SEC 1 ("EC PRIVATE KEY") or PKCS #8
// ("PRIVATE KEY"), or Ed25519 as PKCS #8. Anything else is refused with an error that wraps [ErrKey] and
// shows nothing of the text.
func ParseKey(text []byte) (Key, error) {
	keys, err := parsePEM(text)
	switch {
	case err != nil:
		return Key{}, err
	case len(keys) > 1:
		return Key{}, fmt.Errorf("%w: more than one private key", ErrKey)
	case !keys[0].SignsCalls():
		return Key{}, fmt.Errorf("%w: RSA signs claims only; it must be EC P-256 or Ed25519", ErrKey)
	}
	return keys[0], nil
}

// parsePEM reads the private keys of a PEM text, at least one.
func parsePEM(text []byte) ([]Key, error) {
	var keys []Key
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		private, err := parseBlock(block)
		if err != nil {
			return nil, err
		}
		if private == nil {
			continue
		}
		k, err := newKey(private)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: no private key in PEM form found", ErrKey)
	}
	return keys, nil
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
	case block.Type == "RSA PRIVATE KEY":
		private, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case block.Type == "PRIVATE KEY":
		private, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("%w: a PEM block %q is none", ErrKey, block.Type)
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
func (k *Key) sign(text string) ([]byte, error) {
	switch {
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

// PEM writes the private key as PKCS #8, for [ParseKey]; a secret has no such form.
func (k Key) PEM() ([]byte, error) {
	if k.private == nil {
		return nil, fmt.Errorf("writing a key: %w: a secret has no PEM form", ErrKey)
	}
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
