package transfer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// Imported says what became of an import's tasks.
type Imported struct {
	Tasks    int `json:"tasks"`
	New      int `json:"new"`
	Same     int `json:"same"`    // were there already, as they are in the file
	Refused  int `json:"refused"` // see Refuse
	Settings int `json:"settings"`
}

// Why a task was not imported.
var (
	ErrOther   = errors.New("the id is there with other content, or has gone on since")
	ErrNoQueue = errors.New("the settings there have no such queue: nothing would ever look for it")
)

// ErrSettings says that the store has settings of its own.
var ErrSettings = errors.New("the store has other settings")

// Import puts what a file has into a store.
type Import struct {
	Store        dispatch.Store
	KeepSettings bool // leave the store's settings as they are, if it has any
	Now          func() time.Time
	Did          func(tasks int)              // is told how many tasks more were looked at
	Refuse       func(id string, cause error) // is told why a task was left out: [ErrOther], [ErrNoQueue], dispatch.ErrTooLarge

	settings dispatch.Settings
	versions map[int64][]byte // the former settings
	waiting  []dispatch.Task
	bytes    int
	done     Imported
}

const maxBytes = 8 << 20 // of docs that wait

// Run imports a file. Tasks that are there are left as they are, so that it can be repeated until it has come to the end. The error is
// [ErrTruncated] where the file breaks off; what it has up to there was imported.
func (i *Import) Run(ctx context.Context, in io.Reader) (Imported, error) {
	i.versions = map[int64][]byte{}
	loaded := false
	for l, err := range read(in) {
		if err == nil && l.Document != nil {
			err = i.document(ctx, *l.Document)
		}
		if err == nil && l.Task != nil {
			if !loaded {
				i.settings, _, err = dispatch.LoadSettings(ctx, i.Store)
				loaded = err == nil
			}
			if err == nil {
				err = i.task(ctx, *l.Task)
			}
		}
		if err != nil {
			err = errors.Join(err, i.flush(ctx))
			return i.done, err
		}
	}
	err := i.flush(ctx)
	return i.done, err
}

// document saves settings as often as they were: their versions stay.
func (i *Import) document(ctx context.Context, d document) error {
	if d.Name != dispatch.SettingsName {
		version, err := strconv.ParseInt(strings.TrimPrefix(d.Name, dispatch.SettingsName+".v"), 10, 64)
		if err != nil || dispatch.SettingsVersion(version) != d.Name {
			return fmt.Errorf("%w: a document %q", ErrChanged, d.Name)
		}
		i.versions[version] = d.Body
		return nil
	}
	there, err := i.Store.Load(ctx, d.Name)
	if err != nil && !errors.Is(err, dispatch.ErrNotFound) {
		return err
	}
	i.versions[d.Version] = d.Body
	if i.KeepSettings && there.Version > 0 {
		return nil
	}
	if before, ok := i.versions[there.Version]; there.Version > 0 && (!ok || !bytes.Equal(before, there.Body)) {
		return fmt.Errorf("%w: version %d; the file has version %d", ErrSettings, there.Version, d.Version)
	}
	for version := there.Version + 1; version <= d.Version; version++ {
		body, ok := i.versions[version]
		if !ok {
			body = d.Body // it was never kept
		} else if version < d.Version {
			if err := i.Store.Save(ctx, dispatch.Document{Name: dispatch.SettingsVersion(version), Version: 1, Body: body}); err != nil {
				return err
			}
		}
		if err := i.Store.Save(ctx, dispatch.Document{Name: d.Name, Version: version, Body: body}); err != nil {
			return err
		}
		i.done.Settings++
	}
	return nil
}

func (i *Import) task(ctx context.Context, r row) error {
	t, err := r.task()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrChanged, err)
	}
	if t.ID == "" || t.ID[0] == '/' || t.Timeout <= 0 {
		return fmt.Errorf("%w: no store has a task %q with a timeout of %s", ErrChanged, t.ID, t.Timeout) // ids of a store's own rows begin so
	}
	if t.Version > dispatch.FormatVersion {
		return fmt.Errorf("importing task %q: %w: version %d", t.ID, ErrNewer, t.Version)
	}
	i.done.Tasks++
	if _, ok := i.settings.Queues[t.Queue]; !ok && !t.State.Final() {
		i.refuse(t.ID, fmt.Errorf("%w: %s", ErrNoQueue, t.Queue))
		return nil
	}
	t.Lane = i.settings.LaneKept(t)
	i.waiting = append(i.waiting, t)
	if i.bytes += len(t.Doc); len(i.waiting) < batch && i.bytes < maxBytes {
		return nil
	}
	return i.flush(ctx)
}

// flush puts what waits.
func (i *Import) flush(ctx context.Context) error {
	tasks := i.waiting
	i.waiting, i.bytes = nil, 0
	if len(tasks) == 0 {
		return nil
	}
	ids := make([]string, len(tasks))
	for n, t := range tasks {
		ids[n] = t.ID
	}
	var absent, put []dispatch.Task
	now := i.Now()
	for n, r := range i.Store.Get(ctx, ids) {
		switch t := tasks[n]; {
		case errors.Is(r.Err, dispatch.ErrNotFound), r.Err == nil && !r.Task.TTL.IsZero() && !r.Task.TTL.After(now):
			absent = append(absent, t)
			if t.State == dispatch.Blocked { // the store makes it so again, unless nobody is before it any more
				t.State = dispatch.Scheduled
			}
			put = append(put, t)
		case r.Err != nil:
			return r.Err
		default:
			i.compare(tasks[n], r.Task)
		}
	}
	for n, r := range i.Store.Put(ctx, now, put) {
		switch t := absent[n]; {
		case errors.Is(r.Err, dispatch.ErrTooLarge):
			i.refuse(t.ID, r.Err)
		case r.Err != nil:
			return r.Err
		case r.Existing:
			i.compare(t, r.Task)
		default:
			i.done.New++
			i.Did(1)
		}
	}
	return nil
}

func (i *Import) refuse(id string, cause error) {
	i.done.Refused++
	i.Did(1)
	i.Refuse(id, cause)
}

// compare counts a task that is there already.
func (i *Import) compare(want, there dispatch.Task) {
	if !same(want, there) {
		i.refuse(want.ID, ErrOther)
		return
	}
	i.done.Same++
	i.Did(1)
}

// same reports whether two rows are of one task at one moment. Its lane, and its place in its group, are the store's.
func same(a, b dispatch.Task) bool {
	var texts [2][]byte
	for n, t := range []dispatch.Task{a, b} {
		t.Lane, t.Prev, t.Next = "", "", ""
		r, err := rowOf(t)
		if err == nil {
			texts[n], err = json.Marshal(r)
		}
		if err != nil {
			return false
		}
	}
	return bytes.Equal(texts[0], texts[1])
}
