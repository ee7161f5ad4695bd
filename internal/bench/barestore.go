package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver of the product's store
)

// bareRow is about what a task's row takes besides its id, in bytes.
const bareRow = 700

// insertBare returns how many rows a second the driver alone inserts, and the CPU time of each, with an index by id and one by time, so
// many to a transaction as there are callers, each flushed to the disk.
func (b *bench) insertBare(ctx context.Context, n int) (rate float64, cpu time.Duration, err error) {
	db, err := sql.Open("sqlite", filepath.Join(b.folder, newID(0)+".db"))
	if err != nil {
		return 0, 0, fmt.Errorf("opening the bare store: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	for _, statement := range []string{
		"PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "PRAGMA wal_autocheckpoint=4000",
		"CREATE TABLE rows (id TEXT NOT NULL UNIQUE, due_at INTEGER NOT NULL, rest BLOB)", "CREATE INDEX due ON rows (due_at, id)",
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return 0, 0, fmt.Errorf("making the bare store: %w", err)
		}
	}
	insert, err := db.PrepareContext(ctx, "INSERT INTO rows (id, due_at, rest) VALUES (?,?,?)")
	if err != nil {
		return 0, 0, fmt.Errorf("making the bare store: %w", err)
	}
	defer insert.Close() // with the database, at the latest
	rest := make([]byte, bareRow)
	transactions, cpu, err := sideCPU(1, n/callers, enqueueMost, func(int) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		for range callers {
			if _, err := tx.StmtContext(ctx, insert).ExecContext(ctx, newID(0), time.Now().UnixMilli()+rand.Int64N(day.Milliseconds()), rest); err != nil {
				return errors.Join(err, tx.Rollback())
			}
		}
		return tx.Commit()
	})
	return transactions * callers, cpu / callers, err
}
