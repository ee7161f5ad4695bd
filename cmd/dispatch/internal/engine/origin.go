package engine

import (
	"net/url"
	"strings"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/signature"
)

func originOf(uri string) string {
	if dispatch.IsARN(uri) {
		return uri // each is a receiver of its own
	}
	u, err := url.Parse(uri)
	if err != nil {
		return ""
	}
	return signature.Origin(u)
}

// authority returns a URI up to its path, query or fragment: those that have it in common have one origin.
func authority(uri string) string {
	scheme, rest, _ := strings.Cut(uri, "://")
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		return uri[:len(scheme)+len("://")+end]
	}
	return uri
}

// meet returns the origin of a URI.
func (a *admission) meet(uri string) *origin {
	name, ok := a.names[authority(uri)]
	if !ok {
		if len(a.names) >= memory {
			clear(a.names)
		}
		name = originOf(uri)
		a.names[strings.Clone(authority(uri))] = name
	}
	o, ok := a.origins[name]
	if !ok {
		o = &origin{name: name, moved: a.now(), index: -1}
		a.origins[name] = o
	}
	return o
}

// forget forgets an origin that nothing goes to, or waits for.
func (a *admission) forget(o *origin) {
	if o.calls == 0 && o.index < 0 {
		delete(a.origins, o.name)
	}
}
