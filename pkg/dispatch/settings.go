package dispatch

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Settings are what an operator changes while the system runs. Their JSON is the document [SettingsName].
type Settings struct {
	Queues map[string]QueueSettings `json:"queues"`           // by name: 1–64 characters of a-z 0-9 _ -
	Routes map[string]Route         `json:"routes,omitempty"` // by type; "invoice.*" is for all that begin with "invoice."
	Redact []string                 `json:"redact,omitempty"` // headers whose values nobody is shown, besides those whose names say so

	Circuit *CircuitSettings `json:"circuit,omitempty"` // when calls to a receiver that fails are held back; nil: as by default

	Tenants map[string]TenantSettings `json:"tenants,omitempty"` // by name, as queues are named, or AnyTenant; none: any name will do
}

// QueueSettings are one queue's.
type QueueSettings struct {
	Lanes      int      `json:"lanes"`                // shards of its due index, 1–100; only ever raised
	Priority   int      `json:"priority,omitempty"`   // queues are swept in this order, lower first
	SweepLimit int      `json:"sweepLimit,omitempty"` // tasks that one sweep hands over at most; 0: no limit of its own
	Rate       float64  `json:"rate,omitempty"`       // calls a second at most; 0: no limit
	InFlight   int      `json:"inFlight,omitempty"`   // calls under way at most; 0: no limit
	Paused     bool     `json:"paused,omitempty"`     // nothing is called; what expires ends all the same
	Retired    bool     `json:"retired,omitempty"`    // takes no new tasks
	Defaults   Defaults `json:"defaults,omitzero"`    // for tasks that do not say
}

// Defaults are what a queue gives to tasks that do not say themselves.
type Defaults struct {
	Attempts    json.RawMessage `json:"attempts,omitempty"`    // as in a task
	HTTPTimeout int             `json:"httpTimeout,omitempty"` // seconds, 1–600
	Lifetime    float64         `json:"lifetime,omitempty"`    // seconds
}

// SettingsName is the document that holds the settings.
const SettingsName = "settings"

// QueueNames returns the names of all queues, in order.
func (s Settings) QueueNames() []string { return slices.Sorted(maps.Keys(s.Queues)) }

// ByPriority returns the names of all queues in the order in which they are swept.
func (s Settings) ByPriority() []string {
	return slices.SortedStableFunc(slices.Values(s.QueueNames()), func(a, b string) int {
		return cmp.Compare(s.Queues[a].Priority, s.Queues[b].Priority)
	})
}

// Lanes returns the number of lanes of a queue, at least 1.
func (s Settings) Lanes(queue string) int { return max(1, s.Queues[queue].Lanes) }

// ParseSettings reads settings as an operator writes them. The default queue exists in any case. checkRule
// says what is wrong with a rule; nil: targets may have none. The error is an *InvalidInput with every fault.
func ParseSettings(input []byte, checkRule func(rule string) error) (Settings, error) {
	// Whether plain http and ARNs may be called, and which secrets there are, is known where tasks are enqueued.
	p := parser{allowHTTP: true, checkRule: checkRule, checkARN: func(ARN) error { return nil }, checkSecret: func(string) error { return nil }}
	s := Settings{Queues: map[string]QueueSettings{}}
	if checkSyntax(input, &p.faults); len(p.faults.list) > 0 {
		return s, p.faults.err()
	}
	o, ok := readObject(jsontext.Value(input), "", &p.faults)
	if !ok {
		return s.withDefaults(), p.faults.err()
	}
	o.only("queues", "routes", "redact", "circuit", "tenants")
	s.Redact, s.Circuit = redact(o), circuitSettings(o)
	if o.has("routes") {
		s.Routes = p.routes(o)
	}
	if o.has("queues") {
		queues, _ := readObject(o.fields["queues"], "/queues", &p.faults)
		for _, name := range queues.names {
			if !validQueue(name) {
				queues.fault(name, "a queue's name is 1 to 64 characters of a-z 0-9 _ -")
			}
			if q, ok := readObject(queues.fields[name], queues.pointer.AppendToken(name), &p.faults); ok {
				s.Queues[name] = queueSettings(q)
			}
		}
	}
	s = s.withDefaults()
	if o.has("tenants") {
		s.Tenants = s.tenants(o)
	}
	return s, p.faults.err()
}

const maxRedact = 100 // headers

// redact reads the names of headers whose values are hidden.
func redact(o object) []string {
	if !o.has("redact") {
		return nil
	}
	if o.fields["redact"].Kind() != '[' {
		o.fault("redact", "must be a list of names of headers")
		return nil
	}
	items := readArray(o.fields["redact"])
	if len(items) > maxRedact {
		o.fault("redact", "must hold %d names at most, not %d", maxRedact, len(items))
	}
	var names []string
	for i, item := range items[:min(len(items), maxRedact)] {
		if item.Kind() != '"' || !isToken(unquote(item)) {
			o.faults.add(string(o.pointer.AppendToken("redact").AppendToken(strconv.Itoa(i))), "is not a header name (RFC 9110, section 5.1)")
			continue
		}
		names = append(names, unquote(item))
	}
	return names
}

func queueSettings(q object) QueueSettings {
	q.only("lanes", "priority", "sweepLimit", "rate", "inFlight", "paused", "retired", "defaults")
	s := QueueSettings{
		Lanes:      q.integer("lanes", 1, 1, 100),
		Priority:   q.integer("priority", 0, -1000, 1000),
		SweepLimit: q.integer("sweepLimit", 0, 1, 1000000),
		Rate:       q.number("rate", 0, 0.01, 100000),
		InFlight:   q.integer("inFlight", 0, 1, 1000),
		Paused:     q.boolean("paused"),
		Retired:    q.boolean("retired"),
	}
	if !q.has("defaults") {
		return s
	}
	if d, ok := readObject(q.fields["defaults"], q.pointer.AppendToken("defaults"), q.faults); ok {
		d.only("attempts", "httpTimeout", "lifetime")
		s.Defaults = Defaults{HTTPTimeout: d.integer("httpTimeout", 0, 1, MaxHTTPTimeout), Lifetime: d.number("lifetime", 0, 1, tenYears)}
		if d.has("attempts") {
			attempts(d, time.Time{}, time.Time{})
			s.Defaults.Attempts = compact(d.fields["attempts"])
		}
	}
	return s
}

// circuitSettings reads when calls to a receiver that fails are held back.
func circuitSettings(o object) *CircuitSettings {
	if !o.has("circuit") {
		return nil
	}
	c, ok := readObject(o.fields["circuit"], o.pointer.AppendToken("circuit"), o.faults)
	if !ok {
		return nil
	}
	c.only("failures", "interval")
	usual := defaultCircuit()
	return &CircuitSettings{Failures: c.integer("failures", usual.Failures, 0, 1000), Interval: c.integer("interval", usual.Interval, 5, 3600)}
}

// circuit returns when calls to a receiver that fails are held back.
func (s Settings) circuit() CircuitSettings {
	if s.Circuit == nil {
		return defaultCircuit()
	}
	return *s.Circuit
}

func (s Settings) withDefaults() Settings {
	if s.Queues == nil {
		s.Queues = map[string]QueueSettings{}
	}
	if _, ok := s.Queues[DefaultQueue]; !ok {
		s.Queues[DefaultQueue] = QueueSettings{Lanes: 1}
	}
	circuit := s.circuit()
	s.Circuit = &circuit
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
// remove a queue or a tenant or to lower its lanes, because tasks may still be there; ErrConflict if somebody else
// saved meanwhile.
func SaveSettings(ctx context.Context, store Store, s Settings) (int64, error) {
	old, version, err := LoadSettings(ctx, store)
	if err != nil {
		return 0, err
	}
	return replaceSettings(ctx, store, s, old, version)
}

// SaveSettingsOver is SaveSettings for settings that were made from those of a version: ErrConflict if that
// is no longer the stored one.
func SaveSettingsOver(ctx context.Context, store Store, s Settings, version int64) (int64, error) {
	old, stored, err := LoadSettings(ctx, store)
	if err != nil {
		return 0, err
	}
	if stored != version {
		return 0, fmt.Errorf("saving the settings: version %d is stored, not %d: %w", stored, version, ErrConflict)
	}
	return replaceSettings(ctx, store, s, old, version)
}

func replaceSettings(ctx context.Context, store Store, s, old Settings, version int64) (int64, error) {
	var f faults
	for _, name := range old.QueueNames() {
		pointer := string(jsontext.Pointer("/queues").AppendToken(name))
		if _, ok := s.Queues[name]; !ok {
			f.add(pointer, "the queue exists and may hold tasks: it cannot be removed")
		} else if s.Lanes(name) < old.Lanes(name) {
			f.add(pointer+"/lanes", "is %d now and can only be raised: tasks may be in the others", old.Lanes(name))
		}
	}
	s.keepsTenants(old, &f)
	if err := f.err(); err != nil {
		return 0, err
	}
	body, err := json.Marshal(s)
	if err != nil {
		return 0, fmt.Errorf("encoding the settings: %w", err)
	}
	if err := keepVersion(ctx, store, old, version); err != nil {
		return 0, err
	}
	if err := store.Save(ctx, Document{Name: SettingsName, Version: version + 1, Body: body}); err != nil {
		return 0, fmt.Errorf("saving the settings: %w", err)
	}
	return version + 1, nil
}

// keepVersion keeps the settings that are about to be replaced, under a name that has their version. What a
// version holds never changes: one that is kept already is the same.
func keepVersion(ctx context.Context, store Store, s Settings, version int64) error {
	if version == 0 {
		return nil
	}
	body, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encoding the settings: %w", err)
	}
	err = store.Save(ctx, Document{Name: SettingsVersion(version), Version: 1, Body: body})
	if err != nil && !errors.Is(err, ErrConflict) {
		return fmt.Errorf("keeping version %d of the settings: %w", version, err)
	}
	return nil
}

// SettingsVersion names the document that keeps an older version of the settings.
func SettingsVersion(version int64) string {
	return SettingsName + ".v" + strconv.FormatInt(version, 10)
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
