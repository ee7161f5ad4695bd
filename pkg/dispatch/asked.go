package dispatch

import (
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// onConflict says what becomes of a task whose id is there already.
type onConflict string

const (
	keep            onConflict = "keep"            // the stored one stays
	replaceFinished onConflict = "replaceFinished" // a final one runs again, as a new run with the new content
	replace         onConflict = "replace"         // so does a final one; a pending one takes the new content and time
)

const (
	maxLabel = 128  // bytes of a group's or an identifier's name
	maxRule  = 4096 // bytes
)

// labels reads what a task is known by besides its id.
func (p *parser) labels(o object, a *asked) {
	a.group, a.doc.Identifier = o.label("group"), o.label("identifier")
	a.doc.GroupOnFailure = GroupPolicy(o.text("groupOnFailure"))
	switch {
	case a.doc.GroupOnFailure == "" && a.group != "":
		a.doc.GroupOnFailure = GoOn
	case a.doc.GroupOnFailure != "" && a.doc.GroupOnFailure != GoOn && a.doc.GroupOnFailure != Hold:
		o.fault("groupOnFailure", "must be next or hold")
	case a.doc.GroupOnFailure != "" && a.group == "":
		o.fault("groupOnFailure", "goes with group")
	}
	a.onConflict = onConflict(o.text("onConflict"))
	switch {
	case a.onConflict == "":
		a.onConflict = keep
	case !slices.Contains([]onConflict{keep, replaceFinished, replace}, a.onConflict):
		o.fault("onConflict", "must be keep, replaceFinished or replace")
	case a.onConflict != keep && !o.has("id"):
		o.fault("onConflict", "goes with id")
	}
}

// label reads a name that an index or a key is made of.
func (o object) label(name string) string {
	s := o.text(name)
	if o.has(name) && o.fields[name].Kind() == '"' && !validID(s) {
		o.fault(name, "must be 1 to %d characters of A-Z a-z 0-9 _ . : -", maxLabel)
	}
	return s
}

// rules reads whether a task is sent at all, and who is told of its end.
func (p *parser) rules(o object, d *Doc) {
	d.When = p.rule(o)
	d.NotifyAttempts = o.integer("notifyAttempts", DefaultNotify, 1, maxLimit)
	d.OnFailure, d.OnSuccess = p.callback(o, "onFailure"), p.callback(o, "onSuccess")
}

// rule reads an expression that says whether a call is made.
func (p *parser) rule(o object) string {
	rule := o.text("when")
	switch {
	case !o.has("when") || o.fields["when"].Kind() != '"':
	case len(rule) > maxRule:
		o.fault("when", "is longer than %d bytes", maxRule)
	case p.checkRule == nil:
		o.fault("when", "rules are not evaluated here")
	default:
		if err := p.checkRule(rule); err != nil {
			o.fault("when", "is not a rule: %s", strings.ReplaceAll(err.Error(), "\n", " "))
		}
	}
	return rule
}

// callback reads a target that is told of a task's end. It has no body, group or callback of its own.
func (p *parser) callback(o object, name string) *Callback {
	if !o.has(name) {
		return nil
	}
	r, ok := readObject(o.fields[name], o.pointer.AppendToken(name), o.faults)
	if !ok {
		return nil
	}
	r.only("method", "uri", "headers", "format", "redirects", "successCodes", "stopCodes", "waitCodes", "attempts", "httpTimeout", "queue", "lifetime")
	c := &Callback{Queue: p.queue(r)}
	defaults := p.settings.Queues[c.Queue].Defaults
	c.Doc.HTTPTimeout = r.integer("httpTimeout", orElse(defaults.HTTPTimeout, DefaultHTTPTimeout), 1, MaxHTTPTimeout)
	c.Lifetime = time.Duration(r.number("lifetime", defaults.Lifetime, 1, tenYears) * float64(time.Second))
	p.request(r, &c.Doc)
	if c.Doc.Method == "GET" {
		r.fault("method", "a GET carries no body, so it would tell nothing")
	}
	p.codes(r, &c.Doc)
	end := time.Time{}
	if c.Lifetime > 0 {
		end = p.now.Add(c.Lifetime)
	}
	c.Doc.Attempts = attempts(r.withDefault("attempts", defaults.Attempts), p.now, end)
	if b, err := EncodeDoc(c.Doc); err == nil && len(b) > maxDoc-leastReport {
		o.fault(name, "is too large: %d bytes, %d at most, because its body is added", len(b), maxDoc-leastReport)
	}
	return c
}

// queue reads the name of a queue that takes tasks.
func (p *parser) queue(o object) string {
	name := o.text("queue")
	if name == "" {
		name = DefaultQueue
	}
	if q, ok := p.settings.Queues[name]; !ok {
		o.fault("queue", "there is no queue %q; there are %s", name, strings.Join(p.settings.QueueNames(), ", "))
	} else if q.Retired {
		o.fault("queue", "the queue %q is retired: it takes no new tasks", name)
	}
	return name
}

// withDefault returns the object with a field where it lacks it.
func (o object) withDefault(name string, v []byte) object {
	if o.has(name) || len(v) == 0 {
		return o
	}
	fields := map[string]jsontext.Value{name: v}
	for n, f := range o.fields {
		if n != name {
			fields[n] = f
		}
	}
	o.fields = fields
	return o
}

func orElse(n, fallback int) int {
	if n == 0 {
		return fallback
	}
	return n
}
