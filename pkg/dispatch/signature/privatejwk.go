package signature

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"math/big"
)

// privateJWK is a private key as RFC 7517 and RFC 7518 write it, section 6.
type privateJWK struct {
	JWK
	D  string `json:"d,omitempty"` // of EC, OKP and RSA
	P  string `json:"p,omitempty"` // of RSA, with the four below
	Q  string `json:"q,omitempty"`
	DP string `json:"dp,omitempty"`
	DQ string `json:"dq,omitempty"`
	QI string `json:"qi,omitempty"`
	K  string `json:"k,omitempty"` // a secret (kty oct)
}

func newPrivateJWK(k Key) (privateJWK, error) {
	j := privateJWK{JWK: k.public}
	switch p := k.private.(type) {
	case nil:
		j.K = base64URL(k.secret)
	case *ecdsa.PrivateKey:
		d, err := p.Bytes()
		if err != nil {
			return privateJWK{}, fmt.Errorf("writing a key: %w", err)
		}
		j.D = base64URL(d)
	case ed25519.PrivateKey:
		j.D = base64URL(p.Seed())
	case *rsa.PrivateKey:
		if len(p.Primes) != 2 {
			return privateJWK{}, fmt.Errorf("writing a key: %w: RSA of %d primes", ErrKey, len(p.Primes))
		}
		p.Precompute()
		j.D, j.P, j.Q = base64URL(p.D.Bytes()), base64URL(p.Primes[0].Bytes()), base64URL(p.Primes[1].Bytes())
		j.DP, j.DQ = base64URL(p.Precomputed.Dp.Bytes()), base64URL(p.Precomputed.Dq.Bytes())
		j.QI = base64URL(p.Precomputed.Qinv.Bytes())
	}
	return j, nil
}

// key checks the parts against each other. Errors show nothing of them.
func (j privateJWK) key() (Key, error) {
	var r partReader
	var k Key
	var err error
	switch {
	case j.KeyType == "oct":
		return newSecretKey(j.KeyID, j.Algorithm, r.read(j.K))
	case j.KeyType == "EC" && j.Curve == "P-256":
		var private *ecdsa.PrivateKey
		if private, err = ecdsa.ParseRawPrivateKey(elliptic.P256(), r.read(j.D)); err == nil {
			k, err = newKey(private)
		}
	case j.KeyType == "OKP" && j.Curve == "Ed25519":
		seed := r.read(j.D)
		if len(seed) != ed25519.SeedSize {
			return Key{}, fmt.Errorf("%w: a seed of %d bytes", ErrKey, len(seed))
		}
		k, err = newKey(ed25519.NewKeyFromSeed(seed))
	case j.KeyType == "RSA":
		private := &rsa.PrivateKey{D: r.number(j.D), Primes: []*big.Int{r.number(j.P), r.number(j.Q)}}
		private.N, private.E = r.number(j.N), int(min(r.number(j.E).Uint64(), 1<<31-1))
		if err = private.Validate(); err == nil {
			private.Precompute()
			k, err = newKey(private)
		}
	default:
		return Key{}, fmt.Errorf("%w: a key of type %.16q and curve %.16q", ErrKey, j.KeyType, j.Curve)
	}
	switch {
	case r.bad || err != nil:
		return Key{}, fmt.Errorf("%w: the parts of a key of type %s are not one", ErrKey, j.KeyType)
	case j.KeyID != "" && j.KeyID != k.ID():
		return Key{}, fmt.Errorf("%w: a kid %.64q that is not the key's thumbprint, %s", ErrKey, j.KeyID, k.ID())
	case j.X != "" && j.X != k.public.X || j.Y != "" && j.Y != k.public.Y:
		return Key{}, fmt.Errorf("%w: the public half of %s is another key's", ErrKey, k.ID())
	case j.Algorithm != "" && j.Algorithm != k.Algorithm():
		return Key{}, fmt.Errorf("%w: %s signs %s, and not %.16q", ErrKey, k.ID(), k.Algorithm(), j.Algorithm)
	}
	return k, nil
}

// partReader reads base64url and remembers whether all of it was.
type partReader struct{ bad bool }

func (r *partReader) read(text string) []byte {
	b, err := base64.RawURLEncoding.DecodeString(text)
	r.bad = r.bad || err != nil
	return b
}

func (r *partReader) number(text string) *big.Int { return new(big.Int).SetBytes(r.read(text)) }
