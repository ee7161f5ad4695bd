package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// ErrLocked is the error of TryLock while somebody else holds the lock.
var ErrLocked = errors.New("another server has locked the file")

// Lock is one server's right to serve a file; see [TryLock].
type Lock struct {
	// Left says that the last one to hold the lock ended without Settled: its leases may still be there.
	Left bool

	path string // of the store's file
	file *os.File
}

// TryLock takes the lock on the store's file at path, for a server: two that served the same file would give an
// origin twice its share, and free each other's leases. It does not wait, and does not keep others, as the
// command line, from opening the store. The lock lies beside the file, with -lock behind the name, and ends
// with the process, however that ends. A copy of the store's file without it counts as settled: its leases may be
// those of a server that still runs, and end by themselves.
func TryLock(path string) (*Lock, error) {
	f, err := takeLock(path)
	if err == nil {
		var l *Lock
		if l, err = mark(path, f); err == nil {
			return l, nil
		}
		err = errors.Join(err, f.Close())
	}
	return nil, fmt.Errorf("locking the store %s: %w", path, err)
}

// takeLock takes the lock until the file that it returns is closed.
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path+"-lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lockFile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// mark notes in the lock that its holder may leave leases.
func mark(path string, f *os.File) (*Lock, error) {
	before, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if _, err := f.WriteAt([]byte("serving\n"), 0); err != nil {
		return nil, err
	}
	return &Lock{Left: before.Size() > 0, path: path, file: f}, f.Sync()
}

// Open opens the store whose file is locked, as the function Open does. Only whoever has the lock may bring a file to a
// newer format: a server of an older one could not settle any more what it has claimed.
func (l *Lock) Open(ctx context.Context) (*Store, error) { return open(ctx, l.path, true) }

// Settled notes that no lease is left, so that the next holder need not look for any.
func (l *Lock) Settled() error {
	if err := l.file.Truncate(0); err != nil {
		return fmt.Errorf("noting that no lease is left: %w", err)
	}
	return nil
}

// Unlock gives the lock up.
func (l *Lock) Unlock() error {
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("unlocking the store: %w", err)
	}
	return nil
}
