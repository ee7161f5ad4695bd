package dispatch

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// TenantSettings are one tenant's: somebody on whose behalf tasks are. One that the settings name has lanes of its own in
// every queue, so that its tasks and the others' are found side by side, however many are due. It is never removed,
// because tasks may be in these lanes.
type TenantSettings struct {
	Lanes        int                    `json:"lanes,omitempty"` // in each queue, 1–100; only ever raised
	Queues       map[string]TenantQueue `json:"queues,omitempty"`
	Rate         float64                `json:"rate,omitempty"`         // calls a second at most, of all queues together; 0: no limit
	InFlight     int                    `json:"inFlight,omitempty"`     // calls under way at most, of all queues together; 0: no limit
	Issuer       string                 `json:"issuer,omitempty"`       // of the signatures of its calls; "": the service's own
	AllowedHosts Hosts                  `json:"allowedHosts,omitempty"` // where its calls may go; none: wherever others' may
	Retired      bool                   `json:"retired,omitempty"`      // takes no new tasks
}

// TenantQueue is what a tenant may use of a queue, besides what the queue itself allows.
type TenantQueue struct {
	Rate     float64 `json:"rate,omitempty"`     // calls a second at most; 0: no limit
	InFlight int     `json:"inFlight,omitempty"` // calls under way at most; 0: no limit
}

const (
	// AnyTenant stands for each tenant that the settings do not name. They share the lanes of tasks without a tenant.
	AnyTenant = "*"
	// maxTenants bounds what a sweep looks into: each tenant's lanes in every queue.
	maxTenants = 100
)

// TenantNames returns the tenants that the settings name, in order.
func (s Settings) TenantNames() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(s.Tenants)), func(name string) bool { return name == AnyTenant })
}

// Tenant returns a tenant's settings: its own, or those for any other.
func (s Settings) Tenant(name string) TenantSettings {
	if name == "" {
		return TenantSettings{}
	}
	if t, ok := s.Tenants[name]; ok {
		return t
	}
	return s.Tenants[AnyTenant]
}

// named reports whether the tenant has lanes of its own.
func (s Settings) named(tenant string) bool {
	_, ok := s.Tenants[tenant]
	return ok && tenant != AnyTenant
}

// Lane names the lane of a task.
func (s Settings) Lane(queue, tenant, id string) string {
	if s.named(tenant) {
		return Lane(own(queue, tenant), id, s.Tenants[tenant].Lanes)
	}
	return Lane(queue, id, s.Lanes(queue))
}

// lanesOf names the lanes in a queue that a tenant has for itself; of "" those that all others share.
func (s Settings) lanesOf(queue, tenant string) []string {
	if tenant == "" {
		return Lanes(queue, s.Lanes(queue))
	}
	return Lanes(own(queue, tenant), s.lanesIn(queue, tenant))
}

// lanesIn returns how many those are, at least 1.
func (s Settings) lanesIn(queue, tenant string) int {
	if tenant == "" {
		return s.Lanes(queue)
	}
	return max(1, s.Tenants[tenant].Lanes)
}

// inQueue names the lanes of a queue, live or of its history, where tasks of a tenant can be; of "" where any can be.
func (s Settings) inQueue(queue, tenant string, lanes func(string, int) []string) []string {
	all := lanes(queue, s.Lanes(queue)) // also of a named one, if it was not always named
	for _, name := range s.TenantNames() {
		if tenant == "" || name == tenant {
			all = append(all, lanes(own(queue, name), max(1, s.Tenants[name].Lanes))...)
		}
	}
	return all
}

// LaneKept returns the lane of a task that comes from elsewhere: the one it had, if tasks of its queue and tenant are looked for
// there, else that of a new one.
func (s Settings) LaneKept(t Task) string {
	all, lane := Lanes, s.Lane(t.Queue, t.Tenant, t.ID)
	if t.State.Final() {
		all, lane = HistoryLanes, historyOf(lane)
	}
	if t.Lane == "" || slices.Contains(s.inQueue(t.Queue, t.Tenant, all), t.Lane) {
		return t.Lane
	}
	return lane
}

// tenants reads the tenants of the settings, whose queues are known.
func (s Settings) tenants(o object) map[string]TenantSettings {
	all, _ := readObject(o.fields["tenants"], o.pointer.AppendToken("tenants"), o.faults)
	tenants := map[string]TenantSettings{}
	for _, name := range all.names {
		if name != AnyTenant && !validQueue(name) {
			all.fault(name, "a tenant's name is 1 to 64 characters of a-z 0-9 _ -, or * for all that are not named")
		}
		if t, ok := readObject(all.fields[name], all.pointer.AppendToken(name), o.faults); ok {
			tenants[name] = s.tenant(t, name)
		}
	}
	if n := len(all.names); n > maxTenants {
		o.fault("tenants", "must hold %d tenants at most, not %d: a sweep looks into lanes of each; * is for all others", maxTenants, n)
	}
	return tenants
}

func (s Settings) tenant(o object, name string) TenantSettings {
	o.only("lanes", "queues", "rate", "inFlight", "issuer", "allowedHosts", "retired")
	t := TenantSettings{
		Lanes:        o.integer("lanes", 1, 1, 100),
		Rate:         o.number("rate", 0, 0.01, 100000),
		InFlight:     o.integer("inFlight", 0, 1, 1000),
		Issuer:       o.label("issuer"),
		AllowedHosts: hosts(o),
		Retired:      o.boolean("retired"),
	}
	if name == AnyTenant {
		t.Lanes = 0
		for _, field := range []string{"lanes", "retired"} {
			if o.has(field) {
				o.fault(field, "does not go with *, whose tenants share the lanes of all others")
			}
		}
	}
	if !o.has("queues") {
		return t
	}
	queues, _ := readObject(o.fields["queues"], o.pointer.AppendToken("queues"), o.faults)
	for _, name := range queues.names {
		if _, ok := s.Queues[name]; !ok {
			queues.fault(name, "there is no queue %q in these settings; there are %s", name, strings.Join(s.QueueNames(), ", "))
		}
		if q, ok := readObject(queues.fields[name], queues.pointer.AppendToken(name), o.faults); ok {
			q.only("rate", "inFlight")
			if t.Queues == nil {
				t.Queues = map[string]TenantQueue{}
			}
			t.Queues[name] = TenantQueue{Rate: q.number("rate", 0, 0.01, 100000), InFlight: q.integer("inFlight", 0, 1, 1000)}
		}
	}
	return t
}

// keepsTenants says which tenants of the old settings the new ones must not change so.
func (s Settings) keepsTenants(old Settings, f *faults) {
	for _, name := range old.TenantNames() {
		pointer := string(jsontext.Pointer("/tenants").AppendToken(name))
		if !s.named(name) {
			f.add(pointer, "the tenant exists and may hold tasks: it cannot be removed; retire it")
		} else if was := max(1, old.Tenants[name].Lanes); s.Tenants[name].Lanes < was {
			f.add(pointer+"/lanes", "is %d now and can only be raised: tasks may be in the others", was)
		}
	}
}

// tenant reads on whose behalf a task is, and where its calls may go.
func (p *parser) tenant(o object) string {
	p.of, p.allowed = "", nil
	name := o.text("tenant")
	switch {
	case !o.has("tenant") || o.fields["tenant"].Kind() != '"':
		return ""
	case !validQueue(name):
		o.fault("tenant", "must be 1 to 64 characters of a-z 0-9 _ -")
		return name
	case len(p.settings.Tenants) == 0:
		return name
	}
	if _, any := p.settings.Tenants[AnyTenant]; !any && !p.settings.named(name) {
		o.fault("tenant", "there is no tenant %q; there are %s", name, strings.Join(p.settings.TenantNames(), ", "))
		return name
	}
	t := p.settings.Tenant(name)
	if t.Retired {
		o.fault("tenant", "the tenant %q is retired: it takes no new tasks", name)
	}
	p.of, p.allowed = name, t.AllowedHosts
	return name
}

// issuer refuses claims that would be another tenant's word: an issuer other than the task's tenant's, or another's
// where that has none.
func (p *parser) issuer(claims object) {
	if p.of == "" || !claims.has("iss") {
		return
	}
	said := ""
	if claims.fields["iss"].Kind() == '"' {
		said = unquote(claims.fields["iss"])
	}
	own := p.settings.Tenant(p.of).Issuer
	if own != "" && said != own {
		claims.fault("iss", "must be %s, the issuer of its tenant; leave it out", own)
		return
	}
	for _, other := range p.settings.Tenants {
		if own == "" && other.Issuer != "" && other.Issuer == said {
			claims.fault("iss", "is the issuer of another tenant; leave it out")
			return
		}
	}
}

// Limit bounds the calls of a queue, of a tenant, or of a tenant's tasks in a queue.
type Limit struct {
	Queue, Tenant string  // whose: one of them, or both
	Rate          float64 // calls a second; 0: no limit
	InFlight      int     // calls under way; 0: no limit
}

// String names whom the limit is of.
func (l Limit) String() string {
	switch {
	case l.Tenant == "":
		return "queue " + l.Queue
	case l.Queue == "":
		return "tenant " + l.Tenant
	default:
		return fmt.Sprintf("tenant %s in queue %s", l.Tenant, l.Queue)
	}
}

// usage names the document that counts the calls.
func (l Limit) usage() string {
	name := "limits." + l.Queue
	if l.Tenant != "" {
		name += tenantMark + l.Tenant
	}
	return name
}

// Limits returns what the calls of a tenant's tasks in a queue are counted against, the narrowest first; nil if nothing.
func (s Settings) Limits(queue, tenant string) []Limit {
	var all []Limit
	add := func(l Limit) {
		if l.Rate > 0 || l.InFlight > 0 {
			all = append(all, l)
		}
	}
	if t := s.Tenant(tenant); tenant != "" {
		add(Limit{queue, tenant, t.Queues[queue].Rate, t.Queues[queue].InFlight})
		add(Limit{"", tenant, t.Rate, t.InFlight})
	}
	q := s.Queues[queue]
	add(Limit{queue, "", q.Rate, q.InFlight})
	return all
}

// plain reports whether nothing is to be asked before a claim.
func (s Settings) plain(queue, tenant string) bool {
	return !s.Queues[queue].Paused && len(s.Limits(queue, tenant)) == 0
}
