// Package sqlite keeps tasks in one SQLite file, for one server and its command line.
//
// One goroutine writes, on one connection: it joins all calls that wait into one transaction, so that they
// share one flush to the disk. Reads have connections of their own and never wait for a write.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"example.com/dispatch/pkg/dispatch"
)

// ErrClosed is the error of every call after Close.
var ErrClosed = errors.New("store is closed")

// Store keeps tasks in a file; see [dispatch.Store] for the contract. Safe for concurrent use, also by
// several processes on one machine.
type Store struct {
	writer  *writer
	readers chan *session // as many as may read at once
	rowids  rowids
	close   func() error
}

var _ dispatch.Store = (*Store)(nil)

// readers is how many calls read at once.
const readers = 4

// Open opens the store in the file at path, which it creates, for the owner alone, if it is absent. It
// brings an older format up to date and fails for a newer one, for a file that is something else, and, with [ErrLocked], for an
// older one while a server has it: see [Lock.Open].
// Beside the file lie two of SQLite's own, with -wal and -shm behind the name: all three belong together.
func Open(ctx context.Context, path string) (*Store, error) {
	return open(ctx, path, false)
}

// open opens the store in the file at path; locked says that its lock is the caller's.
func open(ctx context.Context, path string, locked bool) (_ *Store, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("opening the store %s: %w", path, err)
		}
	}()
	path, err = filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	// SQLite would create it readable for all; its other files take the mode of this one.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	var opened []*session
	defer func() {
		if err != nil {
			err = errors.Join(err, closeAll(opened))
		}
	}()
	write, err := connect(ctx, path, false)
	if err != nil {
		return nil, err
	}
	opened = append(opened, write)
	if err := bringUpToDate(ctx, write, path, locked); err != nil {
		return nil, err
	}
	// What a statement may have to undo is kept in memory: no temporary folder need be there, with room in it. Making an index
	// of a large file anew, as migrations do, takes more than that.
	if err := write.run("PRAGMA temp_store=MEMORY"); err != nil {
		return nil, err
	}
	pool := make(chan *session, readers)
	for range readers {
		read, err := connect(ctx, path, true)
		if err != nil {
			return nil, err
		}
		opened = append(opened, read)
		pool <- read
	}
	s := &Store{writer: startWriter(write), readers: pool}
	s.close = sync.OnceValue(func() error {
		s.writer.stop()
		sessions := []*session{write}
		for range readers {
			sessions = append(sessions, <-pool)
		}
		close(pool)
		return closeAll(sessions)
	})
	return s, nil
}

// Close finishes what was begun and closes the file. Calls made later fail with [ErrClosed].
func (s *Store) Close() error {
	if err := s.close(); err != nil {
		return fmt.Errorf("closing the store: %w", err)
	}
	return nil
}

// read lends one of the reading connections to do.
func (s *Store) read(ctx context.Context, do func(*session) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case c, ok := <-s.readers:
		if !ok {
			return ErrClosed
		}
		defer func() { s.readers <- c }()
		return do(c)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func closeAll(sessions []*session) error {
	var errs []error
	for _, c := range sessions {
		errs = append(errs, c.close())
	}
	return errors.Join(errs...)
}
