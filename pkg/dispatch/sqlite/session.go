package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// session is one connection and the statements prepared on it, for one goroutine at a time. It speaks to the
// driver without database/sql's pool, which would copy every value once more: this package owns every
// connection it has.
type session struct {
	conn       driver.Conn
	statements map[string]statement
	args       []driver.NamedValue
	inserted   int64 // the rowid of the row that exec inserted last
}

type statement interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// busy is how long a connection waits for another process's write.
const busy = 5 * time.Second

// connect opens a connection to the file at path.
func connect(ctx context.Context, path string, readOnly bool) (_ *session, err error) {
	name := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(path)}
	conn, err := new(sqlite.Driver).Open(name.String())
	if err != nil {
		return nil, err
	}
	s := &session{conn: conn, statements: map[string]statement{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	pragmas := []string{fmt.Sprintf("PRAGMA busy_timeout=%d", busy.Milliseconds())}
	if readOnly {
		// A reader drops all its pages when it begins after somebody has written: more would only fill up in long reads.
		pragmas = append(pragmas, "PRAGMA query_only=1", "PRAGMA cache_size=-4096") // KB
	} else {
		pragmas = append(pragmas,
			"PRAGMA journal_mode=WAL",
			"PRAGMA synchronous=FULL",            // NORMAL may lose what was acknowledged when the power fails
			"PRAGMA wal_autocheckpoint=16000",    // pages: the default of 1000 flushes the file too often, and whoever waits meanwhile is late
			"PRAGMA journal_size_limit=67108864", // gives back what a rush took
			"PRAGMA cache_size=-32768",           // KB of pages, each of which takes twice its size of memory
		)
	}
	for _, p := range pragmas {
		// Turning on WAL does not wait as writes do while another process turns it on too.
		if err := retryBusy(ctx, func() error { return s.run(p) }); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// run executes once what is not worth keeping prepared; rows are dropped.
func (s *session) run(sql string) error {
	_, err := s.conn.(driver.ExecerContext).ExecContext(context.Background(), sql, nil)
	return err
}

// exec executes a prepared statement and returns how many rows it changed.
func (s *session) exec(sql string, args ...driver.Value) (int64, error) {
	stmt, err := s.prepared(sql)
	if err != nil {
		return 0, err
	}
	// Without a context that may end: for one, the driver would start a goroutine per statement.
	r, err := stmt.ExecContext(context.Background(), s.named(args))
	if err != nil {
		return 0, err
	}
	if s.inserted, err = r.LastInsertId(); err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// query hands each row of a prepared statement to row, until it returns false. The slice is reused, what is in
// it is not. A context that can end interrupts the query, and costs a goroutine.
func (s *session) query(ctx context.Context, sql string, row func([]driver.Value) (more bool, err error), args ...driver.Value) (err error) {
	stmt, err := s.prepared(sql)
	if err != nil {
		return err
	}
	rows, err := stmt.QueryContext(ctx, s.named(args))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	values := make([]driver.Value, len(rows.Columns()))
	for {
		switch err := rows.Next(values); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if more, err := row(values); err != nil || !more {
			return err
		}
	}
}

// number queries one integer; 0 where there is no row.
func (s *session) number(sql string, args ...driver.Value) (n int64, err error) {
	err = s.query(context.Background(), sql, func(v []driver.Value) (bool, error) {
		n, _ = v[0].(int64)
		return false, nil
	}, args...)
	return n, err
}

func (s *session) prepared(sql string) (statement, error) {
	if stmt, ok := s.statements[sql]; ok {
		return stmt, nil
	}
	prepared, err := s.conn.Prepare(sql)
	if err != nil {
		return nil, err
	}
	stmt := prepared.(statement)
	s.statements[sql] = stmt
	return stmt, nil
}

func (s *session) named(args []driver.Value) []driver.NamedValue {
	s.args = s.args[:0]
	for i, a := range args {
		s.args = append(s.args, driver.NamedValue{Ordinal: i + 1, Value: a})
	}
	return s.args
}

func (s *session) close() error {
	var errs []error
	for _, stmt := range s.statements {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(append(errs, s.conn.Close())...)
}

// retryBusy repeats what another process's lock refuses until the context ends.
func retryBusy(ctx context.Context, do func() error) error {
	for {
		err := do()
		if !isBusy(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func isBusy(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_BUSY
}

// unwritable says of an error whether it is one of writing to the file: EFBIG, where a limit is reached, comes as IOERR.
func unwritable(err error) error {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return err
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w: %w", dispatch.ErrFull, err)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN:
		return fmt.Errorf("%w: %w", dispatch.ErrUnwritable, err)
	}
	return err
}
