package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// multiply brings a store's file to n pending tasks by copies of one that the store itself has written, each with its
// own id and due at a random time of the day from then. Written so, five million take a minute or two. The ids are older
// than any that are made now.
func multiply(ctx context.Context, path string, n int, from time.Time) (err error) {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return fmt.Errorf("opening %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, db.Close(), flush(path)) }()
	db.SetMaxOpenConns(1)
	defer func() {
		if err != nil {
			err = fmt.Errorf("filling %s: %w", path, err)
		}
	}()
	// Of a file that a crash breaks, nothing is lost here.
	for _, pragma := range []string{"journal_mode=DELETE", "journal_mode=OFF", "synchronous=OFF", "cache_size=-262144"} {
		if _, err := db.ExecContext(ctx, "PRAGMA "+pragma); err != nil {
			return err
		}
	}
	var rows, have int
	var names, index string
	err = db.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM tasks), (SELECT count(*) FROM tasks WHERE lane IS NOT NULL), (SELECT group_concat(name) FROM pragma_table_info('tasks')),
		(SELECT sql FROM sqlite_schema WHERE name='lanes')`).Scan(&rows, &have, &names, &index)
	if err != nil || have >= n {
		return err
	}
	columns := strings.Split(names, ",")
	values := make([]string, len(columns))
	for i, name := range columns {
		switch name {
		case "id":
			values[i] = "printf('01GR0WTH%018d', n)"
		case "due_at":
			values[i] = fmt.Sprintf("%d+abs(random())%%%d", from.UnixMilli(), day.Milliseconds())
		default:
			values[i] = "t." + name
		}
	}
	// An index of random times is made faster from all rows than row by row.
	for _, statement := range []string{
		"CREATE TEMP TABLE template AS SELECT * FROM tasks WHERE lane IS NOT NULL AND id NOT IN (SELECT id FROM leases) LIMIT 1",
		"DROP INDEX lanes",
		fmt.Sprintf(`WITH RECURSIVE c (n) AS (SELECT %d UNION ALL SELECT n+1 FROM c WHERE n<%d)
			INSERT INTO tasks (%s) SELECT %s 
			FROM c CROSS JOIN template t`,
			rows, rows+n-have-1, names, strings.Join(values, ",")),
		index,
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// flush has the disk take all of a file, so that no measurement waits for it.
func flush(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
