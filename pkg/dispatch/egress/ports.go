package egress

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ErrPort is the error for a port of a public address that may not be called.
var ErrPort = errors.New("port not allowed")

// Ports are those from First to Last.
type Ports struct{ First, Last uint16 }

// ParsePorts reads ports and ranges of them with commas between: "443,8000-8999". Nothing is nil.
func ParsePorts(text string) ([]Ports, error) {
	var list []Ports
	for one := range strings.SplitSeq(text, ",") {
		if one = strings.TrimSpace(one); one == "" {
			continue
		}
		var p Ports
		if err := p.UnmarshalText([]byte(one)); err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

// UnmarshalText reads a port or a range of them.
func (p *Ports) UnmarshalText(text []byte) error {
	first, last, ranged := strings.Cut(string(text), "-")
	if !ranged {
		last = first
	}
	a, err := strconv.ParseUint(first, 10, 16)
	b, errLast := strconv.ParseUint(last, 10, 16)
	if err != nil || errLast != nil || a == 0 || a > b {
		return fmt.Errorf("%q is no port from 1 to 65535, and no range of them such as 8000-8999", text)
	}
	*p = Ports{uint16(a), uint16(b)}
	return nil
}

// otherServices are ports from 1024 on where something else than HTTP usually listens that obeys what an HTTP request
// can be made to carry, or that nobody means to open to HTTP. Below 1024 nothing but 80 and 443 is for HTTP.
// https://fetch.spec.whatwg.org/#port-blocking, and the usual ports of databases, brokers and caches.
var otherServices = []uint16{
	1433, 1434, 1521, 1719, 1720, 1723, 1883, 2049, 2181, 2375, 2376, 2379, 2380, 3306, 3389, 3659, 4045, 4190, 4222, 5060, 5061,
	5432, 5671, 5672, 5900, 6000, 6379, 6380, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 8883, 9042, 9092, 9300, 10080, 11211,
	27017, 27018, 27019, 61613, 61616,
}

// portAllowed reports whether a public address may be called at a port: one of those the operator lists, or, where none
// are listed, 80, 443 and those from 1024 on that belong to no other service.
func portAllowed(listed []Ports, port uint16) bool {
	if len(listed) > 0 {
		return slices.ContainsFunc(listed, func(p Ports) bool { return p.First <= port && port <= p.Last })
	}
	return port == 80 || port == 443 || port >= 1024 && !slices.Contains(otherServices, port)
}
