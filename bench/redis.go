package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// startRedis serves an empty Redis on the returned Unix socket. Its append-only file is flushed as appendfsync says:
// always, before each answer, or everysec.
func startRedis(ctx context.Context, program, folder, appendfsync string) (*process, string, error) {
	socket := filepath.Join(folder, "redis.sock")
	cmd := exec.CommandContext(ctx, program, "--port", "0", "--unixsocket", socket, "--dir", folder, "--daemonize", "no",
		"--appendonly", "yes", "--appendfsync", appendfsync, "--save", "")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it ends a child that rewrites its file
	server, err := begin(ctx, cmd, "ready to accept connections")
	if err != nil {
		return nil, "", fmt.Errorf("with Redis: %w", err)
	}
	return server, socket, nil
}
