// Package keyfile keeps the key that calls are signed with in a file.
package keyfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"example.com/dispatch/pkg/dispatch/signature"
)

// Load reads the key in a PEM file.
func Load(path string) (signature.Key, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return signature.Key{}, fmt.Errorf("reading the signing key: %w", err)
	}
	key, err := signature.ParseKey(text)
	if err != nil {
		return signature.Key{}, fmt.Errorf("reading the signing key in %s: %w", path, err)
	}
	return key, nil
}

// LoadOrMake reads the key in a PEM file, and makes one there, for the owner alone, if there is no file.
func LoadOrMake(path string) (signature.Key, error) {
	key, err := Load(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if key, err = signature.NewKey(); err != nil {
		return signature.Key{}, err
	}
	text, err := key.PEM()
	if err != nil {
		return signature.Key{}, err
	}
	// Written beside and renamed: a crash leaves no half of a key, and a link none of somebody else's.
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*") // 0600
	if err != nil {
		return signature.Key{}, fmt.Errorf("making a signing key: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Link(f.Name(), path)
	}
	if errors.Is(err, fs.ErrExist) {
		return Load(path) // another process was faster
	}
	if err != nil {
		return signature.Key{}, fmt.Errorf("making a signing key: %w", err)
	}
	return key, nil
}
