package signature

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
)

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

// PEM writes the private key as PKCS #8, for [ParseKey]; a secret has no such form.
func (k Key) PEM() ([]byte, error) {
	if k.private == nil {
		return nil, fmt.Errorf("writing a key: %w: a secret, or a key that a service holds, has no PEM form", ErrKey)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return nil, fmt.Errorf("writing a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
