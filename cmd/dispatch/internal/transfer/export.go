package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// Exported says what an export holds.
type Exported struct {
	Tasks     int `json:"tasks"`
	Documents int `json:"documents"`
	Leased    int `json:"leased"` // of the tasks: somebody may be sending them, from where they were
	Gone      int `json:"gone"`   // past their retention, and left out
}

// batch is how many rows are read or put at once.
const batch = 500

// exporting is an export under way.
type exporting struct {
	store dispatch.Store
	file  *writer
	now   time.Time
	did   func(tasks int)
	done  Exported
	// next is, of each group, who is behind whom of its live members: they are written last, in their order.
	next map[string]map[string]string
}

// Export writes all that the store keeps, but for usage of limits, which is of the moment; did is told how many tasks more were
// written. Of a store that is in use it is no more than what was there while it was read. In memory it keeps the ids of live members
// of groups, and little else.
func Export(ctx context.Context, store dispatch.Store, out io.Writer, now time.Time, did func(tasks int)) (Exported, error) {
	w, err := newWriter(out, now)
	if err != nil {
		return Exported{}, err
	}
	e := &exporting{store: store, file: w, now: now, did: did, next: map[string]map[string]string{}}
	if err := e.documents(ctx); err != nil {
		return e.done, err
	}
	for t, err := range store.List(ctx, dispatch.Filter{}) {
		if err != nil {
			return e.done, err
		}
		if t.Group != "" && !t.State.Final() {
			if e.next[t.Group] == nil {
				e.next[t.Group] = map[string]string{}
			}
			e.next[t.Group][t.ID] = t.Next
			continue
		}
		if err := e.task(t); err != nil {
			return e.done, err
		}
	}
	for _, group := range slices.Sorted(maps.Keys(e.next)) {
		if err := e.members(ctx, inOrder(e.next[group])); err != nil {
			return e.done, err
		}
	}
	e.done.Tasks, e.done.Documents = w.end.Tasks, w.end.Documents
	return e.done, w.close()
}

// documents writes the settings, former versions first.
func (e *exporting) documents(ctx context.Context) error {
	settings, err := e.store.Load(ctx, dispatch.SettingsName)
	if errors.Is(err, dispatch.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	for version := int64(1); version < settings.Version; version++ {
		d, err := e.store.Load(ctx, dispatch.SettingsVersion(version))
		if errors.Is(err, dispatch.ErrNotFound) {
			continue
		}
		if err == nil {
			err = e.file.write(line{Document: &document{d.Name, d.Version, d.Body}})
		}
		if err != nil {
			return err
		}
	}
	return e.file.write(line{Document: &document{settings.Name, settings.Version, settings.Body}})
}

func (e *exporting) task(t dispatch.Task) error {
	switch {
	case !t.TTL.IsZero() && !t.TTL.After(e.now):
		e.done.Gone++
		return nil
	case t.Version > dispatch.FormatVersion:
		return fmt.Errorf("exporting task %q: %w: version %d", t.ID, ErrNewer, t.Version)
	case t.Lease != "":
		e.done.Leased++
	}
	r, err := rowOf(t)
	if err != nil {
		return fmt.Errorf("exporting task %q: %w", t.ID, err)
	}
	e.did(1)
	return e.file.write(line{Task: &r})
}

// members writes live members of a group. One that is gone since it was listed has ended and was deleted.
func (e *exporting) members(ctx context.Context, ids []string) error {
	for part := range slices.Chunk(ids, batch) {
		for _, r := range e.store.Get(ctx, part) {
			if errors.Is(r.Err, dispatch.ErrNotFound) {
				continue
			}
			if r.Err != nil {
				return r.Err
			}
			if err := e.task(r.Task); err != nil {
				return err
			}
		}
	}
	return nil
}

// inOrder returns the members of a group from the head on. Where a group was changed meanwhile there may be several heads.
func inOrder(next map[string]string) []string {
	behind := map[string]bool{}
	for _, id := range next {
		behind[id] = true
	}
	var ids []string
	written := map[string]bool{}
	follow := func(id string) {
		for there := true; there && !written[id]; id, there = next[id], next[id] != "" {
			if _, live := next[id]; !live {
				return
			}
			written[id] = true
			ids = append(ids, id)
		}
	}
	all := slices.Sorted(maps.Keys(next))
	for _, id := range all {
		if !behind[id] {
			follow(id)
		}
	}
	for _, id := range all { // none, unless they were changed
		follow(id)
	}
	return ids
}
