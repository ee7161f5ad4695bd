package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// ErrNewerFormat is the error of Open for a file that a newer version of this package has written.
var ErrNewerFormat = errors.New("the file is of a newer format")

// applicationID marks the file as this package's ("dspt"), where SQLite keeps such marks.
const applicationID = 0x64737074

// migrations returns the steps from each format to the next: the format of a file, its user_version, is how
// many of them it has seen. Steps are only ever added.
func migrations() []string {
	return []string{
		// The doc comes last: SQLite reads a row only as far as it must. NULL stands for no lane, lease or bytes.
		`CREATE TABLE tasks (
			id TEXT NOT NULL UNIQUE,
			state TEXT NOT NULL,
			reason TEXT NOT NULL,
			queue TEXT NOT NULL,
			run INTEGER NOT NULL,
			ended_at INTEGER NOT NULL,  -- ms, as all times but ttl
			hash BLOB,
			timeout INTEGER NOT NULL,   -- ms
			expire_at INTEGER NOT NULL,
			due_at INTEGER NOT NULL,
			lane TEXT,
			lease TEXT,
			until INTEGER NOT NULL,
			generation INTEGER NOT NULL,
			progress BLOB,
			lapses INTEGER NOT NULL,
			ttl INTEGER NOT NULL,       -- seconds
			version INTEGER NOT NULL,
			doc BLOB
		);
		CREATE INDEX lanes ON tasks (lane, due_at) WHERE lane IS NOT NULL;
		CREATE TABLE documents (
			name TEXT PRIMARY KEY NOT NULL,
			version INTEGER NOT NULL,
			body BLOB
		);`,

		// One that is blocked or held has its lane in turn_lane, and so costs the index nothing. Columns added stand
		// behind the doc: of what reads them often, all reads the whole row.
		`ALTER TABLE tasks ADD COLUMN turn_lane TEXT;
		ALTER TABLE tasks ADD COLUMN flag INTEGER NOT NULL DEFAULT 0;
		ALTER TABLE tasks ADD COLUMN identifier TEXT;
		ALTER TABLE tasks ADD COLUMN group_name TEXT;
		ALTER TABLE tasks ADD COLUMN prev TEXT;
		ALTER TABLE tasks ADD COLUMN next TEXT;
		CREATE INDEX identifiers ON tasks (identifier) WHERE identifier IS NOT NULL;
		CREATE TABLE tails (        -- of each group that has a live member, the last one
			group_name TEXT PRIMARY KEY NOT NULL,
			id TEXT NOT NULL
		) WITHOUT ROWID;`,

		// The index has all that Due asks for: among many tasks each row lies on a page of the file of its own.
		`DROP INDEX lanes;
		CREATE INDEX lanes ON tasks (lane, due_at, id) WHERE lane IS NOT NULL;
		ALTER TABLE tasks ADD COLUMN room BLOB;`,

		`ALTER TABLE tasks ADD COLUMN tenant TEXT;`,

		// Leases lie beside the tasks, whose own generation is that before they were claimed. The columns that had them are
		// nobody's any more: taking them out would write each row anew. Under other names they stop an older program that
		// still runs from claiming.
		`CREATE TABLE leases (
			id TEXT PRIMARY KEY NOT NULL,
			token TEXT NOT NULL,
			until INTEGER NOT NULL,     -- ms
			generation INTEGER NOT NULL,
			lapses INTEGER NOT NULL
		) WITHOUT ROWID;
		CREATE TRIGGER deleted AFTER DELETE ON tasks BEGIN
			DELETE FROM leases WHERE id=OLD.id;
		END;
		INSERT INTO leases SELECT id, lease, until, generation, lapses FROM tasks WHERE lease IS NOT NULL;
		UPDATE tasks SET generation=generation-1, lease=NULL, until=0 WHERE id IN (SELECT id FROM leases);
		ALTER TABLE tasks RENAME COLUMN lease TO old_lease;
		ALTER TABLE tasks RENAME COLUMN until TO old_until;`,
	}
}

// bringUpToDate brings the file at path to the newest format, while no other server has it than, if it is locked, the
// caller's.
func bringUpToDate(ctx context.Context, s *session, path string, locked bool) (err error) {
	if locked {
		return migrate(ctx, s, func() error { return nil })
	}
	var lock *os.File
	defer func() {
		if lock != nil {
			err = errors.Join(err, lock.Close())
		}
	}()
	return migrate(ctx, s, func() (err error) {
		if lock, err = takeLock(path); err != nil {
			return fmt.Errorf("the file is of an older format: start its server anew first: %w", err)
		}
		return nil
	})
}

// migrate brings the file up to date, step by step, in one transaction. An older file with something in it is written to
// only if mayWrite returns nil.
func migrate(ctx context.Context, s *session, mayWrite func() error) error {
	if err := retryBusy(ctx, func() error { return s.run("BEGIN IMMEDIATE") }); err != nil {
		return err
	}
	if err := migrateSteps(s, migrations(), mayWrite); err != nil {
		return errors.Join(err, s.run("ROLLBACK"))
	}
	if err := s.run("COMMIT"); err != nil {
		return errors.Join(fmt.Errorf("committing the format: %w", err), s.run("ROLLBACK"))
	}
	return nil
}

func migrateSteps(s *session, steps []string, mayWrite func() error) error {
	format, err := s.number("PRAGMA user_version")
	if err != nil {
		return err
	}
	application, err := s.number("PRAGMA application_id")
	if err != nil {
		return err
	}
	things, err := s.number("SELECT count(*) FROM sqlite_schema")
	if err != nil {
		return err
	}
	switch {
	case things > 0 && application != applicationID:
		return errors.New("the file is another program's database")
	case format > int64(len(steps)):
		return fmt.Errorf("%w: %d, and this program knows up to %d", ErrNewerFormat, format, len(steps))
	case format == int64(len(steps)):
		return nil
	case things > 0:
		if err := mayWrite(); err != nil {
			return err
		}
	}
	for i, step := range steps[format:] {
		if err := s.run(step); err != nil {
			return fmt.Errorf("step %d of the format: %w", int(format)+i+1, err)
		}
	}
	return s.run(fmt.Sprintf("PRAGMA application_id=%d; PRAGMA user_version=%d", applicationID, len(steps)))
}
