package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// raw executes SQL on a file without opening it as a store.
func raw(t *testing.T, path string, do func(*session)) {
	t.Helper()
	c, err := connect(t.Context(), path, false)
	if err != nil {
		t.Fatal(err)
	}
	do(c)
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
}

func TestFilesThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		name  string
		sql   string
		wants string
	}{
		{"a newer format", "CREATE TABLE x (y); PRAGMA application_id=1685287028; PRAGMA user_version=99", "newer format: 99"},
		{"another program's", "CREATE TABLE x (y); PRAGMA user_version=1", "another program's"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.db")
			raw(t, path, func(s *session) {
				if err := s.run(c.sql); err != nil {
					t.Fatal(err)
				}
			})
			_, err := Open(t.Context(), path)
			if err == nil || !strings.Contains(err.Error(), c.wants) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, want %q and the path", err, c.wants)
			}
			if newer := strings.Contains(c.name, "newer"); errors.Is(err, ErrNewerFormat) != newer {
				t.Errorf("ErrNewerFormat: %v, want %v", !newer, newer)
			}
			raw(t, path, func(s *session) {
				if n, err := s.number("SELECT count(*) FROM sqlite_schema"); n != 1 || err != nil {
					t.Errorf("it was written to: %d tables, %v", n, err)
				}
			})
		})
	}
	t.Run("no database", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "a.db")
		if err := os.WriteFile(path, []byte(strings.Repeat("not a database ", 100)), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), path); err == nil || !strings.Contains(err.Error(), "not a database") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("a directory", func(t *testing.T) {
		if _, err := Open(t.Context(), t.TempDir()); err == nil {
			t.Error("opened")
		}
	})
	t.Run("in no directory", func(t *testing.T) {
		if _, err := Open(t.Context(), filepath.Join(t.TempDir(), "absent", "a.db")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("read-only", func(t *testing.T) {
		if os.Geteuid() == 0 || runtime.GOOS == "windows" {
			t.Skip("this user may write everything")
		}
		path := filepath.Join(t.TempDir(), "a.db")
		if err := opened(t, path).Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o400); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), path); !errors.Is(err, os.ErrPermission) {
			t.Errorf("error %v", err)
		}
	})
}

func TestMigrationsGoForward(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s := opened(t, path)
	if err := s.putOne(t.Context(), scheduled("old")); err != nil {
		t.Fatal(err)
	}
	s.Close()
	next := append(migrations(), "ALTER TABLE tasks ADD COLUMN added TEXT NOT NULL DEFAULT 'new'")
	raw(t, path, func(c *session) {
		if err := migrateSteps(c, append(next, "CREATE broken"), func() error { return nil }); err == nil {
			t.Error("a broken step succeeded")
		}
	})
	path = filepath.Join(t.TempDir(), "b.db")
	s = opened(t, path)
	if err := s.putOne(t.Context(), scheduled("old")); err != nil {
		t.Fatal(err)
	}
	s.Close()
	raw(t, path, func(c *session) {
		for range 2 { // the second time there is nothing to do
			if err := migrateSteps(c, next, func() error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
		n, err := c.number("SELECT count(*) FROM tasks WHERE id='old' AND added='new'")
		if n != 1 || err != nil {
			t.Errorf("%d rows kept, %v", n, err)
		}
		version, err := c.number("PRAGMA user_version")
		if version != int64(len(next)) || err != nil {
			t.Errorf("format %d, %v", version, err)
		}
	})
	if _, err := Open(t.Context(), path); !errors.Is(err, ErrNewerFormat) {
		t.Errorf("the older program opens it: %v", err)
	}
}

func TestManyOpenAFreshFileAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	stores := make([]*Store, 8)
	var wg sync.WaitGroup
	for i := range stores {
		wg.Go(func() {
			s, err := Open(t.Context(), path)
			if err != nil {
				t.Error(err)
				return
			}
			stores[i] = s
		})
	}
	wg.Wait()
	for _, s := range stores {
		if s != nil {
			defer s.Close()
		}
	}
}

func TestFilesAreTheOwnersAlone(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no such modes")
	}
	dir := t.TempDir()
	s := opened(t, filepath.Join(dir, "a.db"))
	if err := s.putOne(t.Context(), scheduled("a")); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 3 {
		t.Fatalf("%d files, %v; want the database and SQLite's two", len(files), err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", f.Name(), info.Mode(), err)
		}
	}
}
