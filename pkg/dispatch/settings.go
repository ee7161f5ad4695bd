package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Settings are what an operator changes while the system runs. Their JSON is the document [SettingsName].
type Settings struct {
	Queues map[string]QueueSettings `json:"queues"` // by name: 1–64 characters of a-z 0-9 _ -
}

// QueueSettings are one queue's.
type QueueSettings struct {
	Lanes int `json:"lanes"` // shards of its due index, 1–100; only ever raised
}

// SettingsName is the document that holds the settings.
const SettingsName = "settings"

// QueueNames returns the names of all queues, in order.
func (s Settings) QueueNames() []string { return slices.Sorted(maps.Keys(s.Queues)) }

// Lanes returns the number of lanes of a queue, at least 1.
func (s Settings) Lanes(queue string) int { return max(1, s.Queues[queue].Lanes) }

// ParseSettings reads settings as an operator writes them. The default queue exists in any case. The error
// is an *InvalidInput with every fault.
func ParseSettings(input []byte) (Settings, error) {
	var f faults
	s := Settings{Queues: map[string]QueueSettings{}}
	if checkSyntax(input, &f); len(f.list) > 0 {
		return s, f.err()
	}
	if o, ok := readObject(jsontext.Value(input), "", &f); ok {
		o.only("queues")
		if o.has("queues") {
			queues, _ := readObject(o.fields["queues"], "/queues", &f)
			for _, name := range queues.names {
				if !validQueue(name) {
					queues.fault(name, "a queue's name is 1 to 64 characters of a-z 0-9 _ -")
				}
				if q, ok := readObject(queues.fields[name], queues.pointer.AppendToken(name), &f); ok {
					q.only("lanes")
					s.Queues[name] = QueueSettings{Lanes: q.integer("lanes", 1, 1, 100)}
				}
			}
		}
	}
	return s.withDefaults(), f.err()
}

func (s Settings) withDefaults() Settings {
	if s.Queues == nil {
		s.Queues = map[string]QueueSettings{}
	}
	if _, ok := s.Queues[DefaultQueue]; !ok {
		s.Queues[DefaultQueue] = QueueSettings{Lanes: 1}
	}
	return s
}

// LoadSettings reads the settings, and the version of their document: 0 where none were ever saved.
func LoadSettings(ctx context.Context, store Store) (Settings, int64, error) {
	d, err := store.Load(ctx, SettingsName)
	if errors.Is(err, ErrNotFound) {
		return Settings{}.withDefaults(), 0, nil
	}
	if err != nil {
		return Settings{}, 0, fmt.Errorf("loading the settings: %w", err)
	}
	var s Settings
	if err := json.Unmarshal(d.Body, &s); err != nil {
		return Settings{}, 0, fmt.Errorf("reading the settings: %w", err)
	}
	return s.withDefaults(), d.Version, nil
}

// SaveSettings replaces the settings and returns their new version. It refuses, with an *InvalidInput, to
// remove a queue or to lower its lanes, because tasks may still be there; ErrConflict if somebody else
// saved meanwhile.
func SaveSettings(ctx context.Context, store Store, s Settings) (int64, error) {
	old, version, err := LoadSettings(ctx, store)
	if err != nil {
		return 0, err
	}
	var f faults
	for _, name := range old.QueueNames() {
		pointer := string(jsontext.Pointer("/queues").AppendToken(name))
		if _, ok := s.Queues[name]; !ok {
			f.add(pointer, "the queue exists and may hold tasks: it cannot be removed")
		} else if s.Lanes(name) < old.Lanes(name) {
			f.add(pointer+"/lanes", "is %d now and can only be raised: tasks may be in the others", old.Lanes(name))
		}
	}
	if err := f.err(); err != nil {
		return 0, err
	}
	body, err := json.Marshal(s)
	if err != nil {
		return 0, fmt.Errorf("encoding the settings: %w", err)
	}
	if err := store.Save(ctx, Document{Name: SettingsName, Version: version + 1, Body: body}); err != nil {
		return 0, fmt.Errorf("saving the settings: %w", err)
	}
	return version + 1, nil
}

// CachedSettings returns a function that loads the settings at most once in age. Where loading fails it
// goes on with those it has.
func CachedSettings(store Store, now func() time.Time, age time.Duration) func(context.Context) (Settings, error) {
	var mu sync.Mutex
	var have Settings
	var at time.Time
	return func(ctx context.Context) (Settings, error) {
		mu.Lock()
		defer mu.Unlock()
		if !at.IsZero() && now().Sub(at) < age {
			return have, nil
		}
		s, _, err := LoadSettings(ctx, store)
		if err != nil && at.IsZero() {
			return Settings{}, err
		}
		if err == nil {
			have = s
		}
		at = now()
		return have, nil
	}
}

func validQueue(name string) bool {
	if name == "" || len(name) > 64 {
		return false
	}
	for _, c := range []byte(name) {
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_' || c == '-') {
			return false
		}
	}
	return true
}
