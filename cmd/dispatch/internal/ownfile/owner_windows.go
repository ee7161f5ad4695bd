package ownfile

import "io/fs"

// Who may do what is said by access lists there, which a file inherits from its folder, and not by modes.
func check(string, fs.FileInfo) error { return nil }

func open(fs.FileInfo) bool { return false }
