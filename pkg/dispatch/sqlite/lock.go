package sqlite

import (
	"errors"
	"fmt"
	"os"
)

// ErrLocked is the error of TryLock while somebody else holds the lock.
var ErrLocked = errors.New("another server has locked the file")

// Lock is one server's right to serve a file; see [TryLock].
type Lock struct{ file *os.File }

// TryLock takes the lock on the store's file at path, for a server: two that served the same file would give an
// origin twice its share, and free each other's leases. It does not wait, and does not keep others, as the
// command line, from opening the store. The lock lies beside the file, with -lock behind the name, and ends
// with the process, however that ends.
func TryLock(path string) (*Lock, error) {
	f, err := os.OpenFile(path+"-lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		if err = lockFile(f); err == nil {
			return &Lock{f}, nil
		}
		err = errors.Join(err, f.Close())
	}
	return nil, fmt.Errorf("locking the store %s: %w", path, err)
}

// Unlock gives the lock up.
func (l *Lock) Unlock() error {
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("unlocking the store: %w", err)
	}
	return nil
}
