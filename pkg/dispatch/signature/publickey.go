package signature

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
)

// ParsePublicKey reads the one public key of a PEM text: EC P-256 or Ed25519 as PKIX ("PUBLIC KEY"), as
// "openssl pkey -pubout" writes it. Its id is the same as the private key's. Anything else is refused with
// an error that wraps [ErrKey] and shows nothing of the text.
func ParsePublicKey(text []byte) (JWK, error) {
	var found crypto.PublicKey
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "PUBLIC KEY" {
			return JWK{}, fmt.Errorf("%w: a PEM block %q is no public key; it must be EC P-256 or Ed25519 as PKIX", ErrKey, block.Type)
		}
		if found != nil {
			return JWK{}, fmt.Errorf("%w: more than one public key", ErrKey)
		}
		public, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return JWK{}, fmt.Errorf("%w: PEM block %q: %w", ErrKey, block.Type, err)
		}
		found = public
	}
	if found == nil {
		return JWK{}, fmt.Errorf("%w: no public key in PEM form found", ErrKey)
	}
	if ec, ok := found.(*ecdsa.PublicKey); ok && ec.Curve != elliptic.P256() {
		return JWK{}, fmt.Errorf("%w: EC with curve %s; only P-256 verifies ES256", ErrKey, ec.Curve.Params().Name)
	}
	if _, ok := found.(*rsa.PublicKey); ok {
		return JWK{}, fmt.Errorf("%w: %T; it must be EC P-256 or Ed25519", ErrKey, found)
	}
	return newJWK(found)
}
