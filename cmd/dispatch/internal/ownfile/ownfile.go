// Package ownfile keeps what the server writes, and what it trusts, from other users of the machine.
//
// Who may write to a folder may put a file of his own, or a link to another one, where the server expects its own: the
// database, the journal beside it, the signing key. So modes of files alone say nothing.
package ownfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrOthers is the error for a file or a folder that other users could change.
var ErrOthers = errors.New("other users of this machine could change it")

// CheckFolder says why no file should be made at path: the folder, where links lead to it too, belongs to neither this user
// nor root, or others may write to it. A group that is the owner's own, which has his number, is no other.
func CheckFolder(path string) error { return checkFolder(path, false) }

// Keep leaves a file, if there is one, to its owner alone, and reports whether it had to be changed. Its folder has been
// checked.
func Keep(path string) (changed bool, err error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking at a file: %w", err)
	}
	if err := check(path, info); err != nil && !errors.Is(err, errMode) {
		return false, err
	}
	if !info.Mode().IsRegular() {
		return false, fmt.Errorf("%s is not a regular file", path)
	}
	if !open(info) {
		return false, nil
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return false, fmt.Errorf("leaving a file to its owner alone: %w", err)
	}
	return true, nil
}

// Check says why a file that is read cannot be trusted, where nothing is known of its folder.
func Check(info fs.FileInfo) error { return check(info.Name(), info) }

// CheckGiven says why a file that is only read, or a folder of such files, cannot be trusted: others may change it, or put
// another in its place. It reports whether others may read it.
func CheckGiven(path string) (readable bool, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return false, fmt.Errorf("looking at a file: %w", err)
	}
	if err := check(path, info); err != nil && !(info.IsDir() && errors.Is(err, errMode) && isSticky(info)) {
		return false, err
	}
	return open(info), checkFolder(path, true)
}

// checkFolder looks at the folder of a path, and at that of the file that it leads to. In a sticky folder nobody replaces
// what others have put there, which is enough for what exists.
func checkFolder(path string, exists bool) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("looking at a folder: %w", err)
	}
	folders := []string{filepath.Dir(path)}
	if real, err := filepath.EvalSymlinks(path); err == nil && filepath.Dir(real) != folders[0] {
		folders = append(folders, filepath.Dir(real))
	}
	for _, folder := range folders {
		info, err := os.Stat(folder)
		if err != nil {
			return fmt.Errorf("looking at the folder of %s: %w", filepath.Base(path), err)
		}
		if err := check(folder, info); err != nil && !(exists && errors.Is(err, errMode) && isSticky(info)) {
			return fmt.Errorf("the folder of %s: %w; use one that only its owner may write to", filepath.Base(path), err)
		}
	}
	return nil
}

// errMode is the reason of [ErrOthers] that a mode is, and not an owner.
var errMode = fmt.Errorf("%w: its mode lets them write", ErrOthers)

func isSticky(info fs.FileInfo) bool { return info.Mode()&fs.ModeSticky != 0 }
