package dispatch

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	maxTasks     = 1000
	maxID        = 128
	maxLimit     = 1000000
	maxIntervals = 100
	tenYears     = 10 * 365 * 24 * 3600 // seconds
	// maxDoc leaves room in a row for everything that is not the document.
	maxDoc = MaxRow - 8<<10
)

// asked is one task of an input: what the row needs that the document does not hold.
type asked struct {
	id, queue, tenant, group string
	onConflict               onConflict
	pointer                  string
	doc                      Doc
	hash                     []byte
}

// parser reads the input of enqueue.
type parser struct {
	faults    faults
	now       time.Time
	settings  Settings
	allowHTTP bool               // besides https
	canSign   bool               // there is a key for claims
	checkRule func(string) error // nil: there are no rules
	checkARN  func(ARN) error    // nil: there are no targets but URLs
	checkURL  func(*url.URL) error

	checkSecret func(name string) error // nil: there are no secrets for headers

	of      string // the tenant whose task is read, "" for none, or where the settings have none
	allowed Hosts  // and where its calls may go
}

// parse reads one task, or {"tasks": […]}: then batch is true. The error is an *InvalidInput with every fault.
func (p *parser) parse(input []byte) (tasks []asked, batch bool, err error) {
	if checkSyntax(input, &p.faults); len(p.faults.list) > 0 {
		return nil, false, p.faults.err()
	}
	o, ok := readObject(jsontext.Value(input), "", &p.faults)
	if !ok {
		return nil, false, p.faults.err()
	}
	if _, batch = o.fields["tasks"]; !batch {
		tasks = []asked{p.task(o)}
		return tasks, false, p.faults.err()
	}
	o.only("tasks")
	if o.fields["tasks"].Kind() != '[' {
		o.fault("tasks", "must be a list of tasks")
		return nil, true, p.faults.err()
	}
	items := readArray(o.fields["tasks"])
	if len(items) == 0 || len(items) > maxTasks {
		o.fault("tasks", "must hold 1 to %d tasks, not %d", maxTasks, len(items))
		return nil, true, p.faults.err()
	}
	for i, item := range items {
		pointer := jsontext.Pointer(fmt.Sprintf("/tasks/%d", i))
		if one, ok := readObject(item, pointer, &p.faults); ok {
			tasks = append(tasks, p.task(one))
		}
		if len(p.faults.list) >= maxFaults {
			break
		}
	}
	return tasks, true, p.faults.err()
}

func (p *parser) task(o object) asked {
	o.only("id", "type", "method", "uri", "headers", "body", "claims", "format", "redirects", "expireAt", "lifetime", "dueAt", "delay",
		"successCodes", "successCode", "stopCodes", "waitCodes", "attempts", "httpTimeout", "queue", "tenant",
		"group", "groupOnFailure", "identifier", "onConflict", "when", "notifyAttempts", "onFailure", "onSuccess")
	a := asked{id: o.text("id"), queue: p.queue(o), tenant: p.tenant(o), pointer: string(o.pointer), hash: hashOf(o)}
	if o.has("id") && o.fields["id"].Kind() == '"' && !validID(a.id) {
		o.fault("id", "must be 1 to %d characters of A-Z a-z 0-9 _ . : -", maxID)
	}
	defaults := p.settings.Queues[a.queue].Defaults
	a.doc = Doc{CreatedAt: roundUp(p.now)}
	if o.has("type") {
		p.content(o, &a.doc)
		p.times(o, &a.doc, defaults.Lifetime)
		p.typed(o, &a, defaults)
	} else {
		a.doc.HTTPTimeout = o.integer("httpTimeout", orElse(defaults.HTTPTimeout, DefaultHTTPTimeout), 1, MaxHTTPTimeout)
		p.content(o, &a.doc)
		p.request(o, &a.doc)
		p.codes(o, &a.doc)
		p.times(o, &a.doc, defaults.Lifetime)
		a.doc.Attempts = attempts(o.withDefault("attempts", defaults.Attempts), a.doc.FirstDueAt, a.doc.ExpireAt)
	}
	p.labels(o, &a)
	p.rules(o, &a.doc)
	return a
}

// content reads the body, or the claims that become one.
func (p *parser) content(o object, d *Doc) {
	if o.has("body") {
		d.Body = compact(o.fields["body"])
	}
	if !o.has("claims") {
		return
	}
	d.Claims = compact(o.fields["claims"])
	switch {
	case o.fields["claims"].Kind() != '{':
		o.fault("claims", "must be an object: it becomes a JWT")
	case o.has("body"):
		o.fault("claims", "give body or claims, not both")
	case !p.canSign:
		o.fault("claims", "there is no signing key to make a JWT with")
	default:
		c, _ := readObject(o.fields["claims"], o.pointer.AppendToken("claims"), o.faults)
		if c.has("exp") && c.fields["exp"].Kind() != '0' {
			c.fault("exp", "must be a number: Unix seconds (RFC 7519, section 4.1.4)")
		}
		p.issuer(c)
	}
}

// request reads how it is sent, and where to.
func (p *parser) request(o object, d *Doc) {
	d.Method, d.URI, d.Format = o.text("method"), o.text("uri"), Format(o.text("format"))
	if d.Method == "" {
		d.Method = "POST"
	}
	if !slices.Contains([]string{"GET", "POST", "PUT", "PATCH", "DELETE"}, d.Method) {
		o.fault("method", "must be GET, POST, PUT, PATCH or DELETE")
	}
	if !o.has("uri") {
		o.fault("uri", "is required: where the call goes")
	} else if o.fields["uri"].Kind() == '"' && !IsARN(d.URI) {
		err := checkURI(d.URI, p.allowHTTP, p.checkURL)
		if err == nil {
			err = p.allowed.Check(d.URI)
		}
		if err != nil {
			o.fault("uri", "%v", err)
		}
	}
	if d.Format == "" {
		d.Format = Envelope
	}
	if d.Format != Envelope && d.Format != Raw {
		o.fault("format", "must be envelope or raw")
	}
	d.Redirects = o.integer("redirects", 0, 0, MaxRedirects)
	if d.Method == "GET" && (o.has("body") || o.has("claims")) {
		o.fault("method", "a GET carries no body; use POST, or put it into the uri")
	}
	if o.has("headers") {
		if h, ok := readObject(o.fields["headers"], o.pointer.AppendToken("headers"), o.faults); ok {
			d.Headers = p.headers(h)
		}
	}
	if IsARN(d.URI) {
		p.arn(o, d)
	}
}

// codes reads which answers mean what.
func (p *parser) codes(o object, d *Doc) {
	name := "successCodes"
	if o.has("successCode") {
		if name = "successCode"; o.has("successCodes") {
			o.fault(name, "is the older name of successCodes: give one of them")
		}
	}
	d.SuccessCodes = o.codes(name, Codes{{200, 299}})
	d.StopCodes = o.codes("stopCodes", nil)
	d.WaitCodes = o.codes("waitCodes", Codes{{tooEarly, tooEarly}})
}

// codes reads a code, a class, a range or a list of them.
func (o object) codes(name string, fallback Codes) Codes {
	if !o.has(name) {
		return fallback
	}
	items, v := []jsontext.Value{o.fields[name]}, o.fields[name]
	if v.Kind() == '[' {
		items = readArray(v)
	}
	codes := Codes{}
	for i, item := range items {
		text := string(item)
		if item.Kind() == '"' {
			text = unquote(item)
		}
		r, err := ParseCodeRange(text)
		if err != nil {
			pointer := o.pointer.AppendToken(name)
			if v.Kind() == '[' {
				pointer = pointer.AppendToken(fmt.Sprint(i))
			}
			o.faults.add(string(pointer), "%v", err)
			continue
		}
		codes = append(codes, r)
	}
	if len(items) == 0 && name != "stopCodes" && name != "waitCodes" {
		o.fault(name, "must not be empty: nothing could ever be delivered")
	}
	return codes
}

// times reads when a task is due and when it expires; lifetime, in seconds, is for one that does not say.
func (p *parser) times(o object, d *Doc, lifetime float64) {
	d.FirstDueAt = d.CreatedAt
	if o.has("dueAt") && o.has("delay") {
		o.fault("delay", "give dueAt or delay, not both")
	}
	if due := o.instant("dueAt"); due.After(d.CreatedAt) {
		d.FirstDueAt = due
	}
	if delay := o.number("delay", 0, 0, tenYears); delay > 0 {
		d.FirstDueAt = roundUp(d.CreatedAt.Add(time.Duration(delay * float64(time.Second))))
	}
	if o.has("expireAt") && o.has("lifetime") {
		o.fault("lifetime", "give expireAt or lifetime, not both")
	}
	d.ExpireAt = o.instant("expireAt")
	if o.has("expireAt") {
		lifetime = 0
	}
	if life := o.number("lifetime", lifetime, 1, tenYears); life > 0 {
		d.ExpireAt = roundUp(d.CreatedAt.Add(time.Duration(life * float64(time.Second))))
	}
	if d.ExpireAt.IsZero() {
		return
	}
	switch {
	case !d.ExpireAt.After(p.now):
		o.fault("expireAt", "is in the past: it is %s now", p.now.UTC().Format(time.RFC3339))
	case !d.ExpireAt.After(d.FirstDueAt):
		o.fault("expireAt", "comes before the task is due: it would never be sent")
	}
}

// attempts reads the retry policy of a task that lives from first to expireAt.
func attempts(o object, first, expireAt time.Time) Attempts {
	pointer, v := o.pointer.AppendToken("attempts"), o.fields["attempts"]
	if !o.has("attempts") {
		v = jsontext.Value("{}")
	}
	r, _ := readObject(v, pointer, o.faults)
	r.only("limit", "interval", "backoff", "maxInterval", "jitter", "intervals")
	if r.has("intervals") {
		return intervals(r)
	}
	a := Attempts{
		Interval:    r.integer("interval", DefaultInterval, 1, MaxInterval),
		Backoff:     r.number("backoff", DefaultBackoff, 1, 100),
		MaxInterval: r.integer("maxInterval", 0, 1, MaxInterval),
		Jitter:      r.number("jitter", 0, 0, 1),
	}
	if a.MaxInterval > 0 && a.MaxInterval < a.Interval {
		r.fault("maxInterval", "is less than interval")
	}
	a.Limit = r.integer("limit", defaultLimit(a.Interval, first, expireAt), 1, maxLimit)
	return a
}

// intervals reads a policy whose intervals are listed: one attempt more than there are, unless it has a limit.
func intervals(r object) Attempts {
	a := Attempts{Jitter: r.number("jitter", 0, 0, 1)}
	for _, name := range []string{"interval", "backoff", "maxInterval"} {
		if r.has(name) {
			r.fault(name, "does not go with intervals, which list them all")
		}
	}
	var items []jsontext.Value
	if r.fields["intervals"].Kind() == '[' {
		items = readArray(r.fields["intervals"])
	}
	if len(items) == 0 || len(items) > maxIntervals {
		r.fault("intervals", "must be a list of 1 to %d numbers of seconds", maxIntervals)
	}
	list := object{pointer: r.pointer.AppendToken("intervals"), fields: map[string]jsontext.Value{}, faults: r.faults}
	for i, item := range items[:min(len(items), maxIntervals)] {
		name := strconv.Itoa(i)
		list.fields[name] = item
		if !list.has(name) {
			list.fault(name, "must be a number of seconds")
		}
		a.Intervals = append(a.Intervals, list.integer(name, 1, 1, MaxInterval))
	}
	a.Limit = r.integer("limit", len(a.Intervals)+1, 1, maxLimit)
	return a
}

// hashOf identifies the content of a task: its fields but the id and onConflict, however they were ordered and spaced.
func hashOf(o object) []byte {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(o.fields)) {
		if name == "id" || name == "onConflict" {
			continue
		}
		v := o.fields[name].Clone()
		if err := v.Format(jsontext.ReorderRawObjects(true), jsontext.AllowDuplicateNames(true), jsontext.CanonicalizeRawInts(false), jsontext.CanonicalizeRawFloats(false)); err != nil {
			continue // syntax was checked: this cannot be
		}
		fmt.Fprintf(h, "%q:%s,", name, v)
	}
	return h.Sum(nil)
}

func compact(v jsontext.Value) []byte {
	c := v.Clone()
	if err := c.Compact(jsontext.AllowDuplicateNames(true)); err != nil {
		return v
	}
	return c
}

func validID(id string) bool {
	if id == "" || len(id) > maxID {
		return false
	}
	for _, c := range []byte(id) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("_.:-", c) >= 0:
		default:
			return false
		}
	}
	return true
}
