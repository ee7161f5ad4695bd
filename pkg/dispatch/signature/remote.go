package signature

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"

	"github.com/golang-jwt/jwt/v5"
)

// ErrRemote is the error for what was not signed because the service that holds the key did not: it may later.
var ErrRemote = errors.New("the service that holds the key did not sign")

// NewRemoteKey returns a key whose private half a service holds and keeps, such as AWS KMS. It is EC P-256, and signs
// calls and claims by ES256; its id is that of the same key held here. sign returns the ECDSA signature of a SHA-256
// digest as DER (RFC 3279, section 2.2.3). Its error is wrapped with [ErrRemote], and shown to whoever may read the task. Such
// a key is in no [KeySet].
func NewRemoteKey(public *ecdsa.PublicKey, sign func(ctx context.Context, digest []byte) (der []byte, err error)) (Key, error) {
	if public.Curve != elliptic.P256() {
		return Key{}, fmt.Errorf("%w: EC with curve %s; only P-256 signs ES256", ErrKey, public.Curve.Params().Name)
	}
	k := Key{remote: sign, method: jwt.SigningMethodES256}
	var err error
	k.public, err = newJWK(public)
	return k, err
}

// WithContext returns the signer for one call: the context bounds what a service is asked for that holds a key.
func (s Signer) WithContext(ctx context.Context) Signer {
	s.ctx = ctx
	return s
}

func (s Signer) context() context.Context {
	if s.ctx == nil {
		return context.Background()
	}
	return s.ctx
}

// signRemote has the holder sign the text of a token.
func (k *Key) signRemote(ctx context.Context, text string) ([]byte, error) {
	digest := sha256.Sum256([]byte(text))
	der, err := k.remote(ctx, digest[:])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRemote, err)
	}
	return rawSignature(der)
}

// rawSignature turns a signature as DER, whose numbers are as long as they must be, into the r and s of 32 bytes each that a token
// has (RFC 7518, section 3.4).
func rawSignature(der []byte) ([]byte, error) {
	var n struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(der, &n)
	if err != nil || len(rest) > 0 {
		return nil, fmt.Errorf("%w: what it answered is no signature", ErrRemote)
	}
	both := make([]byte, 2*coordinate)
	for i, one := range []*big.Int{n.R, n.S} {
		if one.Sign() <= 0 || one.BitLen() > 8*coordinate {
			return nil, fmt.Errorf("%w: what it answered is no signature of P-256", ErrRemote)
		}
		one.FillBytes(both[i*coordinate : (i+1)*coordinate])
	}
	return both, nil
}
