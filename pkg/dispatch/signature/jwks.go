package signature

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
)

// JWK is a public key as RFC 7517, RFC 7518 and RFC 8037 write it.
type JWK struct {
	KeyType   string `json:"kty"`           // EC, OKP or RSA
	Curve     string `json:"crv,omitempty"` // P-256 or Ed25519
	X         string `json:"x,omitempty"`
	Y         string `json:"y,omitempty"`
	N         string `json:"n,omitempty"` // of RSA
	E         string `json:"e,omitempty"`
	KeyID     string `json:"kid"`
	Algorithm string `json:"alg,omitempty"` // ES256, EdDSA or RS256
	Use       string `json:"use,omitempty"` // sig
}

// JWKS is a set of public keys as they are published (RFC 7517, section 5).
type JWKS struct {
	Keys []JWK `json:"keys"`
}

// ParseJWKS reads a published set. Keys of types that this package does not use stay in it and verify nothing.
func ParseJWKS(text []byte) (JWKS, error) {
	var s JWKS
	if err := json.Unmarshal(text, &s); err != nil {
		return JWKS{}, fmt.Errorf("reading a JWK set: %w", err)
	}
	return s, nil
}

// find returns the key with this id.
func (s JWKS) find(id string) (JWK, error) {
	for _, k := range s.Keys {
		if k.KeyID == id {
			return k, nil
		}
	}
	return JWK{}, ErrUnknownKey
}

const coordinate = 32 // bytes of a P-256 coordinate

func newJWK(public crypto.PublicKey) (JWK, error) {
	k := JWK{Use: "sig"}
	switch p := public.(type) {
	case *ecdsa.PublicKey:
		point, err := p.Bytes() // 4, then both coordinates: SEC 1, section 2.3.3
		if err != nil || len(point) != 1+2*coordinate {
			return JWK{}, fmt.Errorf("%w: no point of P-256", ErrKey)
		}
		k.KeyType, k.Curve, k.Algorithm = "EC", "P-256", "ES256"
		k.X, k.Y = base64URL(point[1:1+coordinate]), base64URL(point[1+coordinate:])
	case ed25519.PublicKey:
		k.KeyType, k.Curve, k.Algorithm, k.X = "OKP", "Ed25519", "EdDSA", base64URL(p)
	case *rsa.PublicKey:
		k.KeyType, k.Algorithm = "RSA", "RS256"
		k.N, k.E = base64URL(p.N.Bytes()), base64URL(big.NewInt(int64(p.E)).Bytes())
	default:
		return JWK{}, fmt.Errorf("%w: %T; it must be EC P-256 or Ed25519", ErrKey, public)
	}
	k.KeyID = k.thumbprint()
	return k, nil
}

// thumbprint hashes the required members in the order of their names (RFC 7638, section 3).
func (k JWK) thumbprint() string {
	var members string
	switch k.KeyType {
	case "EC":
		members = fmt.Sprintf(`{"crv":%q,"kty":"EC","x":%q,"y":%q}`, k.Curve, k.X, k.Y)
	case "RSA":
		members = fmt.Sprintf(`{"e":%q,"kty":"RSA","n":%q}`, k.E, k.N)
	default:
		members = fmt.Sprintf(`{"crv":%q,"kty":%q,"x":%q}`, k.Curve, k.KeyType, k.X)
	}
	sum := sha256.Sum256([]byte(members))
	return base64URL(sum[:])
}

// public returns the key that verifies calls signed by algorithm alg, if this is one: of all others, RSA and
// secrets too, none does. The algorithm follows
// from the key and never from the token alone.
func (k JWK) public(alg string) (crypto.PublicKey, error) {
	x, errX := base64.RawURLEncoding.DecodeString(k.X)
	y, errY := base64.RawURLEncoding.DecodeString(k.Y)
	switch {
	case errX != nil || errY != nil || k.Use != "" && k.Use != "sig" || k.Algorithm != "" && k.Algorithm != alg:
	case alg == "ES256" && k.KeyType == "EC" && k.Curve == "P-256" && len(x) == coordinate && len(y) == coordinate:
		public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
		if err != nil {
			return nil, fmt.Errorf("%w: key %s: %w", ErrUnknownKey, k.KeyID, err)
		}
		return public, nil
	case alg == "EdDSA" && k.KeyType == "OKP" && k.Curve == "Ed25519" && len(x) == ed25519.PublicKeySize:
		return ed25519.PublicKey(x), nil
	}
	return nil, fmt.Errorf("%w: key %s is not for %s", ErrUnknownKey, k.KeyID, alg)
}

func base64URL(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
