package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// shared is a document of JSON that many processes change, each over what it has read.
type shared struct {
	store Store
	name  string
	what  string // it holds, for errors
}

const (
	// sharedTime bounds a read of a shared document, or the attempts to change one that others change as well.
	sharedTime = 3 * time.Second
	// mostApart is the longest pause before a change is tried again.
	mostApart = 20 * time.Millisecond
)

// load reads the document into value, which stays as it is where there is none, and returns the document's version.
func (s shared) load(ctx context.Context, value any) (version int64, err error) {
	d, err := s.store.Load(ctx, s.name)
	if err == nil {
		err = json.Unmarshal(d.Body, value)
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return 0, fmt.Errorf("reading %s: %w", s.what, err)
	}
	return d.Version, nil
}

// changeShared reads a document, lets edit change it and writes it if edit says so, again where another was faster. edit
// gets the zero value where there is no document. chance, in [0, 1), is for the pauses between. It returns what holds now.
func changeShared[T any](ctx context.Context, s shared, chance func() float64, edit func(*T) bool) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, sharedTime)
	defer cancel()
	for {
		var value T
		version, err := s.load(ctx, &value)
		if err != nil || !edit(&value) {
			return value, err
		}
		body, err := json.Marshal(value)
		if err != nil {
			return value, fmt.Errorf("encoding %s: %w", s.what, err)
		}
		err = s.store.Save(ctx, Document{Name: s.name, Version: version + 1, Body: body})
		if err == nil {
			return value, nil
		}
		if !errors.Is(err, ErrConflict) {
			return value, fmt.Errorf("writing %s: %w", s.what, err)
		}
		select {
		case <-time.After(time.Duration(chance() * float64(mostApart))):
		case <-ctx.Done():
			return value, fmt.Errorf("writing %s: %w", s.what, ctx.Err())
		}
	}
}
