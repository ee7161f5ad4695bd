// Package location opens the store that a command names: sqlite:FILE or dynamodb:TABLE.
package location

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"example.com/dispatch/cmd/dispatch/internal/ownfile"
	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/dynamo"
	"example.com/dispatch/pkg/dispatch/sqlite"
	"github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// Location says where a store is.
type Location struct {
	file, table string // one of them
}

// requestTime bounds one request to DynamoDB: the store repeats what was not answered.
const requestTime = 10 * time.Second

// ErrLocation is the error for a location that is neither sqlite:FILE nor dynamodb:TABLE.
var ErrLocation = errors.New("a store is sqlite:FILE or dynamodb:TABLE")

// UnmarshalText reads "sqlite:FILE" or "dynamodb:TABLE".
func (l *Location) UnmarshalText(text []byte) error {
	kind, name, _ := strings.Cut(string(text), ":")
	switch {
	case name == "":
	case kind == "sqlite":
		*l = Location{file: name}
		return nil
	case kind == "dynamodb":
		*l = Location{table: name}
		return nil
	}
	return fmt.Errorf("%w, not %q", ErrLocation, text)
}

// Local reports whether the store is a file on this machine.
func (l Location) Local() bool { return l.file != "" }

// Served reports whether a server runs on the file.
func (l Location) Served() (bool, error) {
	if l.file == "" {
		return false, nil
	}
	lock, err := sqlite.TryLock(l.file)
	if errors.Is(err, sqlite.ErrLocked) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return false, lock.Unlock()
}

// Store is an open store.
type Store struct {
	dispatch.Store
	Close func() error
}

// Create opens the store; a file that is absent is created.
func (l Location) Create(ctx context.Context) (Store, error) {
	if l.table != "" {
		return l.openTable(ctx)
	}
	if _, err := os.Stat(l.file); errors.Is(err, fs.ErrNotExist) {
		if err := ownfile.CheckFolder(l.file); err != nil {
			return Store{}, fmt.Errorf("making the database: %w", err)
		}
	}
	s, err := sqlite.Open(ctx, l.file)
	if err != nil {
		return Store{}, err
	}
	return Store{s, s.Close}, nil
}

// Open opens the store; a file that is absent is an error.
func (l Location) Open(ctx context.Context) (Store, error) {
	if l.file != "" {
		if _, err := os.Stat(l.file); errors.Is(err, fs.ErrNotExist) {
			return Store{}, fmt.Errorf("there is no database %s; dispatch serve makes one, and --store names another", l.file)
		}
	}
	return l.Create(ctx)
}

func (l Location) openTable(ctx context.Context) (Store, error) {
	client := http.NewBuildableClient().WithTimeout(requestTime)
	c, err := config.LoadDefaultConfig(ctx, config.WithHTTPClient(client))
	if err != nil {
		return Store{}, fmt.Errorf("loading the AWS configuration: %w", err)
	}
	return Store{dynamo.Store{Client: dynamodb.NewFromConfig(c), Table: l.table}, func() error { return nil }}, nil
}
