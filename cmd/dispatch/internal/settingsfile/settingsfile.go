// Package settingsfile is the form in which settings go out to people and come back: with the version that
// they were made from, so that nobody overwrites what another has changed meanwhile.
package settingsfile

import (
	"context"
	"errors"
	"strconv"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/rule"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// File is settings with their version.
type File struct {
	Version int64                             `json:"version"` // 0: none were ever saved
	Queues  map[string]dispatch.QueueSettings `json:"queues"`
	Routes  map[string]dispatch.Route         `json:"routes,omitempty"`
	Redact  []string                          `json:"redact,omitempty"`
	Circuit *dispatch.CircuitSettings         `json:"circuit,omitempty"`

	Tenants map[string]dispatch.TenantSettings `json:"tenants,omitempty"`
}

// AnyVersion is the version of settings that overwrite whatever there is.
const AnyVersion = -1

// Load reads the settings from the store.
func Load(ctx context.Context, store dispatch.Store) (File, error) {
	s, version, err := dispatch.LoadSettings(ctx, store)
	return File{version, s.Queues, s.Routes, s.Redact, s.Circuit, s.Tenants}, err
}

// Parse reads settings as a person writes them, with a version or without: AnyVersion then. The error is an
// *InvalidInput with every fault.
func Parse(text []byte) (File, error) {
	version, rest, faults := cutVersion(text)
	s, err := dispatch.ParseSettings(rest, rule.Check)
	if invalid, ok := errors.AsType[*dispatch.InvalidInput](err); ok {
		faults = append(faults, invalid.Faults...)
	} else if err != nil {
		return File{}, err
	}
	if len(faults) > 0 {
		return File{}, &dispatch.InvalidInput{Faults: faults}
	}
	return File{version, s.Queues, s.Routes, s.Redact, s.Circuit, s.Tenants}, nil
}

// cutVersion takes the version out of an object. What is no object is returned as it is.
func cutVersion(text []byte) (version int64, rest []byte, faults []dispatch.Fault) {
	var fields map[string]jsontext.Value
	if err := json.Unmarshal(text, &fields); err != nil || len(fields["version"]) == 0 {
		return AnyVersion, text, nil
	}
	version, err := strconv.ParseInt(string(fields["version"]), 10, 64)
	if err != nil || version < 0 {
		faults = append(faults, dispatch.Fault{Detail: "must be a whole number, the version that settings get has shown", Pointer: "#/version"})
	}
	delete(fields, "version")
	if rest, err = json.Marshal(fields); err != nil {
		return version, text, faults
	}
	return version, rest, faults
}

// Save writes the settings over the version they were made from, and returns the new one.
func (f File) Save(ctx context.Context, store dispatch.Store) (File, error) {
	s := dispatch.Settings{Queues: f.Queues, Routes: f.Routes, Redact: f.Redact, Circuit: f.Circuit, Tenants: f.Tenants}
	var err error
	if f.Version == AnyVersion {
		f.Version, err = dispatch.SaveSettings(ctx, store, s)
	} else {
		f.Version, err = dispatch.SaveSettingsOver(ctx, store, s, f.Version)
	}
	return f, err
}
