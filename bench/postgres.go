package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// postgresPrograms are the paths of PostgreSQL's programs.
type postgresPrograms struct{ server, initdb string }

func findPostgres() (p postgresPrograms, err error) {
	if p.server, err = find("postgres"); err == nil {
		p.initdb, err = find("initdb")
	}
	return p, err
}

// start makes an empty cluster and serves it on a Unix socket in the returned folder. Durability is PostgreSQL's
// default: fsync and synchronous_commit are on.
func (p postgresPrograms) start(ctx context.Context, folder string) (*process, string, error) {
	who, err := unprivileged()
	if err != nil {
		return nil, "", fmt.Errorf("finding an account for PostgreSQL: %w", err)
	}
	data := filepath.Join(folder, "pg")
	if err := os.Mkdir(data, 0o700); err != nil {
		return nil, "", fmt.Errorf("making PostgreSQL's folder: %w", err)
	}
	if err := who.own(data); err != nil {
		return nil, "", fmt.Errorf("giving PostgreSQL its folder: %w", err)
	}
	run := func(program string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Dir = data
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it ends its children
		who.run(cmd)
		return cmd
	}
	if text, err := run(p.initdb, "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C").CombinedOutput(); err != nil {
		return nil, "", fmt.Errorf("making a PostgreSQL cluster: %w\n%s", err, text)
	}
	server, err := begin(ctx, run(p.server, "-D", data, "-k", data, "-c", "listen_addresses=", "-c", "max_connections=200"), "ready to accept connections")
	return server, data, err
}
