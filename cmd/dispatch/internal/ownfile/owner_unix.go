//go:build unix

package ownfile

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

const (
	groupWrites  = 0o020
	othersWrite  = 0o002
	notTheOwners = 0o077
)

// check says whether others own a file or may write to it.
func check(path string, info fs.FileInfo) error {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("%s: its owner is not known", path)
	}
	if int(s.Uid) != os.Geteuid() && s.Uid != 0 {
		return fmt.Errorf("%s: %w: it belongs to user %d, and this is user %d", path, ErrOthers, s.Uid, os.Geteuid())
	}
	mode := info.Mode().Perm()
	if mode&othersWrite != 0 || mode&groupWrites != 0 && s.Gid != s.Uid {
		return fmt.Errorf("%s: %w (%v)", path, errMode, info.Mode())
	}
	return nil
}

// open reports whether others than the owner may do anything with a file.
func open(info fs.FileInfo) bool { return info.Mode().Perm()&notTheOwners != 0 }
