package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// disk measures what every promise rests on: a flush.
func (b *bench) disk(context.Context) (err error) {
	b.table.Machine = machine()
	f, err := os.Create(filepath.Join(b.folder, "flush"))
	if err != nil {
		return fmt.Errorf("measuring the disk: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	const n = 100
	block := make([]byte, 4096)
	began := time.Now()
	for range n {
		if _, err := f.Write(block); err != nil {
			return fmt.Errorf("measuring the disk: %w", err)
		}
		if err := f.Sync(); err != nil {
			return fmt.Errorf("measuring the disk: %w", err)
		}
	}
	took := time.Since(began)
	b.table.add(figure{"disk", "one flush", took.Seconds() * 1000 / n, "ms", "", nil, "4 KB written and fsynced, one after another: what each commit waits for"})
	return nil
}
