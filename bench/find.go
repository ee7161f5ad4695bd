package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
)

// find returns a program's path: from the PATH, or the last of where Debian keeps PostgreSQL's.
func find(program string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	found, err := filepath.Glob(filepath.Join("/usr/lib/postgresql/*/bin", program))
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("%s was not found: not on the PATH, nor where Debian keeps PostgreSQL (/usr/lib/postgresql/*/bin)", program)
	}
	slices.Sort(found)
	return found[len(found)-1], nil
}
