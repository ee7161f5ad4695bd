//go:build unix

package ownfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"example.com/dispatch/cmd/dispatch/internal/ownfile"
)

// place makes a folder with a file in it.
func place(t *testing.T, folder, file fs.FileMode) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "folder")
	path := filepath.Join(dir, "file")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chmod(path, file), os.Chmod(dir, folder)); err != nil {
		t.Fatal(err)
	}
	return path
}

// another gives a file to somebody else, and to that one's own group.
func another(t *testing.T, path string) {
	t.Helper()
	if err := os.Chown(path, 65533, 65533); err != nil {
		t.Skipf("only root gives files away: %v", err)
	}
}

func TestFolders(t *testing.T) {
	const sticky = fs.ModeSticky
	for _, c := range []struct {
		name         string
		folder, file fs.FileMode
		makes, reads bool // a file may be made there; the one that is there may be trusted
		readable     bool // by others
	}{
		{"the owner's alone", 0o700, 0o600, true, true, false},
		{"that others may read", 0o755, 0o644, true, true, true},
		{"that all may write to", 0o777, 0o600, false, false, false},
		{"like /tmp", 0o777 | sticky, 0o600, false, true, false},
		{"whose file all may write to", 0o700, 0o666, true, false, true},
		{"whose file a group may read", 0o700, 0o640, true, true, true},
	} {
		path := place(t, c.folder, c.file)
		if err := ownfile.CheckFolder(path); (err == nil) != c.makes || err != nil && !errors.Is(err, ownfile.ErrOthers) {
			t.Errorf("a folder %s: making a file: %v", c.name, err)
		}
		readable, err := ownfile.CheckGiven(path)
		if (err == nil) != c.reads || readable != c.readable && err == nil {
			t.Errorf("a folder %s: reading a file: readable by others %t, %v", c.name, readable, err)
		}
	}
}

// A group that has its owner's number is his own; any other is of others.
func TestGroups(t *testing.T) {
	for _, c := range []struct {
		group int
		ok    bool
	}{{os.Geteuid(), true}, {65533, false}} {
		path := place(t, 0o700, 0o660)
		dir := filepath.Dir(path)
		if err := errors.Join(os.Chown(dir, -1, c.group), os.Chown(path, -1, c.group), os.Chmod(dir, 0o770)); err != nil {
			t.Skipf("no such group here: %v", err)
		}
		_, given := ownfile.CheckGiven(path)
		if err := ownfile.CheckFolder(path); (err == nil) != c.ok || (given == nil) != c.ok {
			t.Errorf("group %d: %v, %v", c.group, err, given)
		}
	}
}

func TestOwners(t *testing.T) {
	path := place(t, 0o700, 0o600)
	another(t, path)
	if _, err := ownfile.CheckGiven(path); !errors.Is(err, ownfile.ErrOthers) {
		t.Errorf("somebody else's file is read: %v", err)
	}
	if _, err := ownfile.Keep(path); !errors.Is(err, ownfile.ErrOthers) {
		t.Errorf("somebody else's file is kept: %v", err)
	}
	path = place(t, 0o777, 0o600)
	another(t, filepath.Dir(path))
	if err := ownfile.CheckFolder(path); !errors.Is(err, ownfile.ErrOthers) {
		t.Errorf("a file is made in somebody else's folder: %v", err)
	}
}

// A link in a folder of one's own leads to a folder of others.
func TestLinks(t *testing.T) {
	outside := place(t, 0o777, 0o600)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(outside, link); err != nil {
		t.Fatal(err)
	}
	_, given := ownfile.CheckGiven(link)
	if err := ownfile.CheckFolder(link); !errors.Is(err, ownfile.ErrOthers) || !errors.Is(given, ownfile.ErrOthers) {
		t.Errorf("%v, %v", err, given)
	}
}

func TestKeep(t *testing.T) {
	for mode, want := range map[fs.FileMode]bool{0o600: false, 0o400: false, 0o640: true, 0o644: true, 0o666: true} {
		path := place(t, 0o700, mode)
		changed, err := ownfile.Keep(path)
		info, statErr := os.Stat(path)
		if err != nil || statErr != nil || changed != want || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%v: changed %t, now %v, %v", mode, changed, info.Mode(), err)
		}
	}
	if changed, err := ownfile.Keep(filepath.Join(t.TempDir(), "none")); changed || err != nil {
		t.Errorf("a file that is not there: %t, %v", changed, err)
	}
	if _, err := ownfile.Keep(t.TempDir()); err == nil {
		t.Error("a folder is kept for a file")
	}
}
