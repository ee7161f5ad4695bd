// Package keyfile keeps the keys that calls are signed with in a file.
package keyfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"example.com/dispatch/cmd/dispatch/internal/ownfile"
	"example.com/dispatch/pkg/dispatch/signature"
)

// ErrBusy is the error for a file that is being changed by somebody else.
var ErrBusy = errors.New("the keys are being changed")

// Load reads the keys in a file: a set as JSON, or PEM.
func Load(path string) (signature.KeySet, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return signature.KeySet{}, fmt.Errorf("reading the signing keys: %w", err)
	}
	keys, err := signature.ParseKeySet(text)
	if err != nil {
		return signature.KeySet{}, fmt.Errorf("reading the signing keys in %s: %w", path, err)
	}
	return keys, nil
}

// LoadOrMake reads the keys in a file, and makes one there, as PEM and for the owner alone, if there is no file.
func LoadOrMake(path string) (signature.KeySet, error) {
	keys, err := Load(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return keys, err
	}
	key, err := signature.NewKey()
	if err != nil {
		return signature.KeySet{}, err
	}
	text, err := key.PEM()
	if err != nil {
		return signature.KeySet{}, err
	}
	if err := ownfile.CheckFolder(path); err != nil {
		return signature.KeySet{}, fmt.Errorf("making a signing key: %w", err)
	}
	// Written beside and linked: a crash leaves no half of a key, and a link none of somebody else's.
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*") // 0600
	if err != nil {
		return signature.KeySet{}, fmt.Errorf("making a signing key: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Link(f.Name(), path)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return signature.KeySet{}, fmt.Errorf("making a signing key: %w", err)
	}
	return Load(path) // perhaps another process was faster
}

// Change has do change the keys in a file, which is then written anew, as JSON and for the owner alone. An absent file
// has no keys; it is not made unless make is set. Where do fails nothing is written.
func Change(path string, make bool, do func(*signature.KeySet) error) (err error) {
	if err := ownfile.CheckFolder(path); err != nil {
		return fmt.Errorf("changing the signing keys: %w", err)
	}
	next := path + ".new" // while it exists, nobody else changes the keys
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w by somebody else; if that was broken off, remove %s", ErrBusy, next)
	}
	if err != nil {
		return fmt.Errorf("changing the signing keys: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(next))
		}
	}()
	keys, err := Load(path)
	if err != nil && !(make && errors.Is(err, fs.ErrNotExist)) {
		return err
	}
	if err := do(&keys); err != nil {
		return err
	}
	text, err := keys.Text()
	if err != nil {
		return err
	}
	if _, err = f.Write(text); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		return fmt.Errorf("writing the signing keys: %w", err)
	}
	f.Close() // it is on disk already
	return nil
}
