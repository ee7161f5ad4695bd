package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// buildFlags are those that the Makefile gives to SAM. Without -buildvcs=false a binary would say whether it was built
	// from a clone and with what beside it; the version of a function is its hash.
	buildFlags = "-trimpath -tags=lambda.norpc -ldflags=-s -buildvcs=false"

	buildTime = 10 * time.Minute
)

// platforms are Go's variables for Lambda's architectures. The levels are Go's defaults: without them a setting of the
// machine would get into the binary.
func platforms(architecture string) ([]string, error) {
	switch architecture {
	case "arm64":
		return []string{"GOARCH=arm64", "GOARM64=v8.0"}, nil
	case "x86_64":
		return []string{"GOARCH=amd64", "GOAMD64=v1"}, nil
	}
	return nil, fmt.Errorf("the architecture must be arm64 or x86_64, and not %.32q", architecture)
}

// build builds all functions of the repository at root, sorted by name.
func build(ctx context.Context, root, architecture string) ([]packed, error) {
	ctx, cancel := context.WithTimeout(ctx, buildTime)
	defer cancel()
	platform, err := platforms(architecture)
	if err != nil {
		return nil, err
	}
	names, err := functions(root)
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "zips")
	if err != nil {
		return nil, fmt.Errorf("making a folder to build in: %w", err)
	}
	defer os.RemoveAll(folder)
	args := []string{"build", "-o", folder + string(filepath.Separator)}
	for _, name := range names {
		args = append(args, "./functions/"+name)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = root
	cmd.Env = slices.Concat(os.Environ(), []string{"CGO_ENABLED=0", "GOOS=linux", "GOWORK=off", "GOFLAGS=" + buildFlags}, platform)
	if said, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the functions: %w\n%s", err, strings.TrimSpace(string(said)))
	}
	var all []packed
	for _, name := range names {
		program, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return nil, fmt.Errorf("reading what was built: %w", err)
		}
		content, err := pack(program)
		if err != nil {
			return nil, err
		}
		all = append(all, packed{name, content})
	}
	return all, nil
}

// functions are the names of the folders under functions/ that are programs, sorted.
func functions(root string) ([]string, error) {
	mains, err := filepath.Glob(filepath.Join(root, "functions", "*", "main.go"))
	if err != nil || len(mains) == 0 {
		return nil, fmt.Errorf("no functions in %s: is it the repository?", root)
	}
	var names []string
	for _, path := range mains {
		names = append(names, filepath.Base(filepath.Dir(path)))
	}
	return names, nil
}
