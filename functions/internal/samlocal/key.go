package samlocal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"example.com/dispatch/pkg/dispatch/signature"
)

// KeysFile is the name of the file in [Options].Work that has the public key, as receivers read it.
const KeysFile = "jwks.json"

// key returns the signing key that the folder keeps, and its PEM text; it makes one the first time.
func key(folder string) (signature.Key, string, error) {
	path := filepath.Join(folder, "signing-key.pem")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = newKey(path)
	}
	if err != nil {
		return signature.Key{}, "", fmt.Errorf("having a signing key: %w", err)
	}
	k, err := signature.ParseKey(text)
	if err != nil {
		return signature.Key{}, "", fmt.Errorf("reading %s: %w", path, err)
	}
	keys, err := json.Marshal(signature.JWKS{Keys: []signature.JWK{k.Public()}})
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, KeysFile), keys, 0o644)
	}
	if err != nil {
		return signature.Key{}, "", fmt.Errorf("writing the public key: %w", err)
	}
	return k, string(text), nil
}

func newKey(path string) ([]byte, error) {
	k, err := signature.NewKey()
	if err != nil {
		return nil, err
	}
	text, err := k.PEM()
	if err != nil {
		return nil, err
	}
	return text, os.WriteFile(path, text, 0o600)
}
