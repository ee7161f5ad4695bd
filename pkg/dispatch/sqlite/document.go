package sqlite

import (
	"bytes"
	"context"
	"database/sql/driver"
	"fmt"

	"example.com/dispatch/pkg/dispatch"
)

// Load implements [dispatch.Store].
func (s *Store) Load(ctx context.Context, name string) (d dispatch.Document, err error) {
	there := false
	err = s.read(ctx, func(c *session) error {
		d, there, err = load(c, name)
		return err
	})
	if err == nil && !there {
		err = dispatch.ErrNotFound
	}
	if err != nil {
		return dispatch.Document{}, fmt.Errorf("loading document %q: %w", name, err)
	}
	return d, nil
}

// Save implements [dispatch.Store].
func (s *Store) Save(ctx context.Context, d dispatch.Document) error {
	d.Body = bytes.Clone(d.Body) // the caller may have gone when the writer comes to it
	conflict := false
	err := s.writer.write(ctx, 1, func(c *session) error {
		stored, there, err := load(c, d.Name)
		switch {
		case err != nil:
			return err
		case there && stored.Version == d.Version && bytes.Equal(stored.Body, d.Body): // saved by an earlier try
			return nil
		case stored.Version != d.Version-1: // 0 for none
			conflict = true
			return nil
		}
		_, err = c.exec(`INSERT INTO documents (name, version, body) VALUES (?,?,?)
			ON CONFLICT (name) DO UPDATE SET version=excluded.version, body=excluded.body`, d.Name, d.Version, blob(d.Body))
		return err
	})
	if err == nil && conflict {
		err = dispatch.ErrConflict
	}
	if err != nil {
		return fmt.Errorf("saving document %q: %w", d.Name, err)
	}
	return nil
}

func load(c *session, name string) (d dispatch.Document, there bool, err error) {
	err = c.query(context.Background(), `SELECT name, version, body FROM documents WHERE name=?`, func(v []driver.Value) (bool, error) {
		r := row{values: v}
		d = dispatch.Document{Name: r.text(), Version: r.number(), Body: r.bytes()}
		there = true
		return false, nil
	}, name)
	return d, there, err
}
