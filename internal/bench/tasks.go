package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/sqlite"
	"github.com/oklog/ulid/v2"
)

// bodySize is that of a task's body, in bytes of JSON.
const bodySize = 300

// body returns a JSON object of bodySize bytes.
func body() json.RawMessage {
	const around = `{"order":""}`
	return json.RawMessage(`{"order":"` + strings.Repeat("x", bodySize-len(around)) + `"}`)
}

// asked is a task as a caller writes it.
type asked struct {
	URI   string          `json:"uri"`
	Body  json.RawMessage `json:"body"`
	Delay float64         `json:"delay,omitempty"` // seconds

	DueAt  string `json:"dueAt,omitempty"`
	Tenant string `json:"tenant,omitempty"`
	Format string `json:"format,omitempty"`
	Queue  string `json:"queue,omitempty"`
	Group  string `json:"group,omitempty"`
}

func encoded(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // the types above always encode
	}
	return b
}

// verb returns enqueue in this process, as the server has it.
func verb(store dispatch.Store) *dispatch.Enqueue {
	return &dispatch.Enqueue{
		Store: store, Settings: dispatch.CachedSettings(store, time.Now, time.Second),
		Retention: dispatch.DefaultRetention, AllowHTTP: true, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	}
}

func newID(int) string { return ulid.Make().String() }

// with opens the store in a file for do.
func with(ctx context.Context, path string, do func(*sqlite.Store) error) (err error) {
	store, err := sqlite.Open(ctx, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return do(store)
}

// fill puts n tasks that are due now into a new file.
func (b *bench) fill(ctx context.Context, name, uri string, n int) (path string, err error) {
	return b.fillWith(ctx, name, asked{URI: uri, Body: body()}, n)
}

// fillWith puts n times the same task into a file.
func (b *bench) fillWith(ctx context.Context, name string, task asked, n int) (path string, err error) {
	path = filepath.Join(b.folder, name+".db")
	return path, with(ctx, path, func(store *sqlite.Store) error {
		return putAll(ctx, store, n, func(int) asked { return task })
	})
}

// putAll enqueues n tasks, in batches, one batch after another.
func putAll(ctx context.Context, store dispatch.Store, n int, task func(int) asked) error {
	const together = 1000
	enqueue := verb(store)
	for from := 0; from < n; from += together {
		batch := make([]asked, min(n-from, together))
		for i := range batch {
			batch[i] = task(from + i)
		}
		if _, err := enqueue.Run(ctx, encoded(map[string]any{"tasks": batch}), newID); err != nil {
			return fmt.Errorf("filling a store: %w", err)
		}
	}
	return nil
}

// nothingLeft fails if any task of the file is still to be sent, or failed.
func nothingLeft(ctx context.Context, path string) error {
	return with(ctx, path, func(store *sqlite.Store) error {
		lanes := append(dispatch.Lanes(dispatch.DefaultQueue, 1), dispatch.HistoryLanes(dispatch.DefaultQueue, 1)...)
		for t, err := range store.List(ctx, dispatch.Filter{Lanes: lanes}) {
			if err != nil {
				return err
			}
			return fmt.Errorf("task %s was not delivered: it is %s, %s", t.ID, t.State, t.Reason)
		}
		return nil
	})
}
