package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

const (
	startTarget = 1.5 // times an empty function's
	startTime   = 90 * time.Second
	oneStart    = 10 * time.Second
)

// start measures how long each function's binary takes until it asks for its first event, as Lambda counts it
// in a cold start. Starts of all functions alternate, so that they see the same machine.
func (b *bench) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	emulator, err := findEmulator(ctx)
	if err != nil {
		b.table.leaveOut("the functions' init time: %v", err)
		return nil
	}
	// The store that the functions look for answers nothing of use, at once.
	store := httptest.NewServer(http.NotFoundHandler())
	defer store.Close()
	names := []string{"./internal/bench/empty", "./functions/enqueue", "./functions/sweep", "./functions/handle"}
	var paths []string
	for _, name := range names {
		path, err := b.build(ctx, name, "-tags=lambda.norpc", "-ldflags=-s") // as they are for AWS
		if err != nil {
			return err
		}
		paths = append(paths, path)
	}
	took := make([][]time.Duration, len(names))
	rounds := b.pick(21, 10)
	for range rounds {
		for i, path := range paths {
			one, err := startOnce(ctx, emulator, path, store.URL)
			if err != nil {
				return err
			}
			took[i] = append(took[i], one)
		}
	}
	empty := median(took[0])
	b.table.add(figure{"init", "an empty function", milliseconds(empty), "ms", "", nil, fmt.Sprintf("init phase as SAM's runtime emulator reports it, from the start of the process to its first request for an event: median of %d cold starts", rounds)})
	for i, path := range paths[1:] {
		name, one := filepath.Base(path), median(took[i+1])
		b.table.add(figure{"init", name, milliseconds(one), "ms", "", nil, "the same of functions/" + name})
		b.table.atMost(figure{"init", name + ", ratio", float64(one) / float64(empty), "", "", nil, "to the empty function's"}, startTarget)
	}
	return nil
}

var errNoEmulator = errors.New("SAM's runtime emulator was not found: install aws-sam-cli so that sam is on the PATH, or into .cache/venv")

// findEmulator looks into the project's virtual environment, then where the sam on the PATH has its package.
func findEmulator(ctx context.Context) (string, error) {
	arch := map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH]
	if runtime.GOOS != "linux" || arch == "" {
		return "", fmt.Errorf("%w: it runs on Linux only, not on %s/%s", errNoEmulator, runtime.GOOS, runtime.GOARCH)
	}
	inPackage := filepath.Join("local", "rapid", "aws-lambda-rie-"+arch)
	found, err := filepath.Glob(filepath.Join(".cache", "venv", "lib", "python*", "site-packages", "samcli", inPackage))
	if err == nil && len(found) > 0 {
		return filepath.Abs(found[0])
	}
	sam, err := exec.LookPath("sam")
	if err != nil {
		return "", errNoEmulator
	}
	script, err := os.ReadFile(sam)
	if err != nil {
		return "", errNoEmulator
	}
	first, _, _ := strings.Cut(string(script), "\n")
	python, ok := strings.CutPrefix(first, "#!")
	if !ok {
		return "", errNoEmulator
	}
	const where = "import os, samcli; print(os.path.dirname(samcli.__file__))"
	folder, err := exec.CommandContext(ctx, strings.TrimSpace(python), "-c", where).Output()
	if err != nil {
		return "", errNoEmulator
	}
	path := filepath.Join(strings.TrimSpace(string(folder)), inPackage)
	if _, err := os.Stat(path); err != nil {
		return "", errNoEmulator
	}
	return path, nil
}
