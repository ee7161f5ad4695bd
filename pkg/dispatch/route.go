package dispatch

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Route says where the tasks of a type go.
type Route struct {
	Targets []json.RawMessage `json:"targets"` // 1–10, as the operator wrote them; a task gets them when it is enqueued
}

const (
	maxTargets = 10
	// targetRoom is what a row needs for what becomes of one target, in bytes.
	targetRoom = 1600
	// anyType ends a route's name that stands for all types that begin as it does.
	anyType = ".*"
)

// RouteNames returns the types that have a route, in order; one that ends in ".*" stands for all that begin so.
func (s Settings) RouteNames() []string { return slices.Sorted(maps.Keys(s.Routes)) }

// route returns the route of a type: its own, else that of the longest name that it begins with.
func (s Settings) route(kind string) (Route, bool) {
	if r, ok := s.Routes[kind]; ok {
		return r, true
	}
	for end := len(kind); end > 0; {
		if end = strings.LastIndexByte(kind[:end], '.'); end > 0 {
			if r, ok := s.Routes[kind[:end]+anyType]; ok {
				return r, true
			}
		}
	}
	return Route{}, false
}

// routes reads the routes of the settings.
func (p *parser) routes(o object) map[string]Route {
	all, _ := readObject(o.fields["routes"], o.pointer.AppendToken("routes"), o.faults)
	routes := map[string]Route{}
	for _, name := range all.names {
		if !validID(strings.TrimSuffix(name, anyType)) {
			all.fault(name, "a type is 1 to %d characters of A-Z a-z 0-9 _ . : -; with .* at its end all types that begin so", maxLabel)
		}
		r, ok := readObject(all.fields[name], all.pointer.AppendToken(name), o.faults)
		if !ok {
			continue
		}
		r.only("targets")
		if !r.has("targets") || r.fields["targets"].Kind() != '[' {
			r.fault("targets", "is required: a list of 1 to %d targets", maxTargets)
			continue
		}
		raw := readArray(r.fields["targets"])
		p.targets(raw, r.pointer.AppendToken("targets"), asked{}, Defaults{})
		route := Route{}
		for _, one := range raw {
			route.Targets = append(route.Targets, compact(one))
		}
		routes[name] = route
	}
	return routes
}

// typed reads a task that has a type instead of a uri: its targets are those of the type's route.
func (p *parser) typed(o object, a *asked, defaults Defaults) {
	for _, name := range []string{"uri", "method", "headers", "format", "redirects", "successCodes", "successCode", "stopCodes", "waitCodes", "attempts", "httpTimeout"} {
		if o.has(name) {
			o.fault(name, "does not go with type: the targets of its route have their own")
		}
	}
	a.doc.Type = o.label("type")
	if !validID(a.doc.Type) {
		return
	}
	route, ok := p.settings.route(a.doc.Type)
	if !ok {
		known := "there are none"
		if names := p.settings.RouteNames(); len(names) > 0 {
			known = "known are " + strings.Join(names, ", ")
		}
		o.fault("type", "there is no route for %q; %s", a.doc.Type, known)
		return
	}
	var raw []jsontext.Value
	for _, one := range route.Targets {
		raw = append(raw, jsontext.Value(one))
	}
	here := *p
	here.faults = faults{}
	a.doc.Targets = here.targets(raw, "", *a, defaults)
	for _, f := range here.faults.list { // what was applied elsewhere may not do here
		o.fault("type", "its route cannot be used here: target %s %s", strings.TrimPrefix(f.Pointer, "#/"), f.Detail)
	}
	a.doc.HTTPTimeout = 0
	for _, t := range a.doc.Targets {
		a.doc.HTTPTimeout = max(a.doc.HTTPTimeout, t.HTTPTimeout)
	}
}

// targets reads a route's, with what the task's queue gives to those that do not say.
func (p *parser) targets(raw []jsontext.Value, pointer jsontext.Pointer, a asked, defaults Defaults) []Target {
	if len(raw) == 0 || len(raw) > maxTargets {
		p.faults.add(string(pointer), "must hold 1 to %d targets, not %d", maxTargets, len(raw))
	}
	var targets []Target
	seen := map[string]bool{}
	for i, one := range raw[:min(len(raw), maxTargets)] {
		o, ok := readObject(one, pointer.AppendToken(strconv.Itoa(i)), &p.faults)
		if !ok {
			continue
		}
		t := p.target(o, a, defaults)
		if seen[t.Name] {
			o.fault("name", "is the name of another target of this route")
		}
		seen[t.Name] = true
		targets = append(targets, t)
	}
	return targets
}

func (p *parser) target(o object, a asked, defaults Defaults) Target {
	o.only("name", "method", "uri", "headers", "format", "redirects", "sender", "when", "successCodes", "stopCodes", "waitCodes", "attempts", "httpTimeout")
	t := Target{Name: o.text("name"), Sender: o.label("sender"), When: p.rule(o)}
	if !o.has("name") {
		o.fault("name", "is required: what becomes of the target is kept under it")
	} else if o.fields["name"].Kind() == '"' && !(validQueue(t.Name) && 'a' <= t.Name[0] && t.Name[0] <= 'z') {
		o.fault("name", "a target's name is 1 to 64 characters of a-z 0-9 _ - and begins with a letter")
	}
	d := Doc{Body: a.doc.Body, Claims: a.doc.Claims} // which may be too large for it
	p.request(o, &d)
	p.codes(o, &d)
	t.Method, t.URI, t.Headers, t.Format, t.Redirects = d.Method, d.URI, d.Headers, d.Format, d.Redirects
	t.SuccessCodes, t.StopCodes, t.WaitCodes = d.SuccessCodes, d.StopCodes, d.WaitCodes
	t.HTTPTimeout = o.integer("httpTimeout", orElse(defaults.HTTPTimeout, DefaultHTTPTimeout), 1, MaxHTTPTimeout)
	t.Attempts = attempts(o.withDefault("attempts", defaults.Attempts), a.doc.FirstDueAt, a.doc.ExpireAt)
	return t
}
