package sqlite_test

import (
	"context"
	"database/sql"
	"net/url"
	"path/filepath"
	"testing"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/sqlite"
	"example.com/dispatch/pkg/dispatch/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) dispatch.Store { return open(t, file(t)) })
}

// Each lease is of a task, and counts on from it.
func leasesAreOfTasks(t testing.TB, path string) {
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path}).String())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	over := 0
	err = db.QueryRowContext(context.Background(), `SELECT count(*) FROM leases l WHERE NOT EXISTS (SELECT 1 FROM tasks t WHERE t.id=l.id AND t.generation<l.generation)`).Scan(&over)
	if err != nil || over != 0 {
		t.Errorf("%d leases are over, or of no task; %v", over, err)
	}
}

func file(t testing.TB) string { return filepath.Join(t.TempDir(), "a file?of #1%20.db") }

func open(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		leasesAreOfTasks(t, path)
	})
	return s
}
