// Package secretfile finds the secrets that headers of calls say, in the files of a folder.
package secretfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"example.com/dispatch/cmd/dispatch/internal/ownfile"
	"example.com/dispatch/pkg/dispatch"
)

// maxSize is how much one secret may hold, in bytes: what receivers commonly take in a header.
const maxSize = 8 << 10

// What keeps a header from its secret. Whoever may read the task reads these.
var (
	errMissing  = errors.New("there is no such secret")
	errUnread   = errors.New("could not be read")
	errTooLarge = errors.New("is longer than 8 KB")
)

// Folder holds one file for each secret, read anew each time. Nothing outside it is read, whatever a name says and
// wherever a link leads.
type Folder struct{ root *os.Root }

// Open opens the folder.
func Open(path string) (*Folder, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("opening the folder of secrets: %w", err)
	}
	return &Folder{root}, nil
}

// Check says what is wrong with the name of a secret. The file need not be there yet.
func (f *Folder) Check(name string) error {
	if err := dispatch.CheckSecretName(name); err != nil {
		return err
	}
	if !fs.ValidPath(name) || name == "." {
		return errors.New("a secret's name here is that of a file in the folder of secrets: no / at its ends, no . or .. between")
	}
	return nil
}

// Value returns what the file of that name holds, without one line break at its end.
func (f *Folder) Value(_ context.Context, name string) (string, error) {
	if err := f.Check(name); err != nil {
		return "", err
	}
	info, err := f.root.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", errMissing
	case err != nil, !info.Mode().IsRegular(): // the error would show the path; a pipe would never end
		return "", errUnread
	}
	if ownfile.Check(info) != nil { // its error would show who owns it
		return "", ownfile.ErrOthers
	}
	file, err := f.root.Open(name)
	if err != nil {
		return "", errUnread
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxSize+1))
	switch {
	case err != nil:
		return "", errUnread
	case len(text) > maxSize:
		return "", errTooLarge
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"), nil
}

// Close closes the folder.
func (f *Folder) Close() error { return f.root.Close() }
