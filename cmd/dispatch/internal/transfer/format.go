// Package transfer copies what a store keeps into a file, and from a file into a store.
//
// The file is JSON Lines: a header, {"dispatch": {"format", "version", "at"}}; the settings, the former versions of them too, as
// {"document": …}; each task's row as {"task": …}, the live members of a group in their order; and, as its last line, how many there
// were and the SHA-256 of all lines before: {"end": {"documents", "tasks", "sha256"}}. Times are in ms since 1970, ttl is in seconds.
package transfer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"example.com/dispatch/pkg/dispatch"
)

// format is the file's; one that is newer is refused.
const format = 1

// line is one line of the file: one of its fields.
type line struct {
	Header   *header   `json:"dispatch,omitempty"`
	Document *document `json:"document,omitempty"`
	Task     *row      `json:"task,omitempty"`
	End      *end      `json:"end,omitempty"`
}

type header struct {
	Format  int       `json:"format"`
	Version int       `json:"version"` // of the rows
	At      time.Time `json:"at"`
}

type document struct {
	Name    string `json:"name"`
	Version int64  `json:"version"`
	Body    value  `json:"body"`
}

type end struct {
	Documents int    `json:"documents"`
	Tasks     int    `json:"tasks"`
	SHA256    string `json:"sha256"`
}

// row is a task without its lease.
type row struct {
	ID         string          `json:"id"`
	State      dispatch.State  `json:"state"`
	Reason     string          `json:"reason,omitempty"`
	Queue      string          `json:"queue,omitempty"`
	Tenant     string          `json:"tenant,omitempty"`
	Run        int             `json:"run,omitempty"`
	EndedAt    int64           `json:"endedAt,omitempty"`
	Doc        value           `json:"doc"`
	Hash       []byte          `json:"hash,omitempty"`
	Timeout    int64           `json:"timeout,omitempty"`
	ExpireAt   int64           `json:"expireAt,omitempty"`
	DueAt      int64           `json:"dueAt,omitempty"`
	Lane       string          `json:"lane,omitempty"`
	Generation int64           `json:"generation"`
	Progress   json.RawMessage `json:"progress,omitempty"`
	Lapses     int             `json:"lapses,omitempty"`
	Flag       bool            `json:"flag,omitempty"`
	Identifier string          `json:"identifier,omitempty"`
	Group      string          `json:"group,omitempty"`
	Prev       string          `json:"prev,omitempty"`
	Next       string          `json:"next,omitempty"`
	TTL        int64           `json:"ttl,omitempty"`
	Version    int             `json:"version"`
}

// rowOf leaves the lease out: whoever holds it, if anybody still does, holds it in the store that it was read from. As for a server
// that was killed, it counts as a lapse.
func rowOf(t dispatch.Task) (row, error) {
	progress, err := dispatch.EncodeProgress(t.Progress)
	if err != nil {
		return row{}, err
	}
	if t.Lease != "" {
		t.Lapses++
	}
	return row{
		ID: t.ID, State: t.State, Reason: t.Reason, Queue: t.Queue, Tenant: t.Tenant, Run: t.Run, EndedAt: dispatch.Millis(t.EndedAt), Doc: t.Doc, Hash: t.Hash,
		Timeout: t.Timeout.Milliseconds(), ExpireAt: dispatch.Millis(t.ExpireAt), DueAt: dispatch.Millis(t.DueAt), Lane: t.Lane,
		Generation: t.Generation, Progress: progress, Lapses: t.Lapses, Flag: t.Flag, Identifier: t.Identifier,
		Group: t.Group, Prev: t.Prev, Next: t.Next, TTL: dispatch.Millis(t.TTL) / 1000, Version: t.Version,
	}, nil
}

func (r row) task() (dispatch.Task, error) {
	progress, err := dispatch.DecodeProgress(r.Progress)
	if err != nil {
		return dispatch.Task{}, fmt.Errorf("task %q: %w", r.ID, err)
	}
	return dispatch.Task{
		ID: r.ID, State: r.State, Reason: r.Reason, Queue: r.Queue, Tenant: r.Tenant, Run: r.Run, EndedAt: dispatch.FromMillis(r.EndedAt), Doc: r.Doc, Hash: r.Hash,
		Timeout: time.Duration(r.Timeout) * time.Millisecond, ExpireAt: dispatch.FromMillis(r.ExpireAt), DueAt: dispatch.FromMillis(r.DueAt),
		Lane: r.Lane, Generation: r.Generation, Progress: progress, Lapses: r.Lapses, Flag: r.Flag, Identifier: r.Identifier,
		Group: r.Group, Prev: r.Prev, Next: r.Next, TTL: dispatch.FromMillis(r.TTL * 1000), Version: r.Version,
	}, nil
}

// value is bytes that are JSON, and kept to the byte: as they are where the file's own writing would not change them, else in base64
// as {"bytes": …}.
type value []byte

type encoded struct {
	Bytes []byte `json:"bytes"`
}

// MarshalJSON implements [json.Marshaler].
func (v value) MarshalJSON() ([]byte, error) {
	var compact bytes.Buffer
	if utf8.Valid(v) && json.Compact(&compact, v) == nil && bytes.Equal(compact.Bytes(), v) && !bytes.HasPrefix(v, []byte(`{"bytes":`)) {
		return v, nil
	}
	return json.Marshal(encoded{v})
}

// UnmarshalJSON implements [json.Unmarshaler].
func (v *value) UnmarshalJSON(b []byte) error {
	if !bytes.HasPrefix(b, []byte(`{"bytes":`)) {
		*v = bytes.Clone(b)
		return nil
	}
	var e encoded
	if err := json.Unmarshal(b, &e); err != nil {
		return fmt.Errorf("reading bytes in base64: %w", err)
	}
	*v = e.Bytes
	return nil
}
