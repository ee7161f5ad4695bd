package sqlite_test

import (
	"path/filepath"
	"testing"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/sqlite"
	"example.com/dispatch/pkg/dispatch/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) dispatch.Store { return open(t, file(t)) })
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
	})
	return s
}
