package dispatch

import (
	"fmt"
	"strconv"
	"strings"
)

// Codes is a set of HTTP status codes, as the ranges it was given as. In JSON it is a text, such as
// "2xx,404,425-429".
type Codes []CodeRange

// CodeRange is a range of HTTP status codes, 100–599, both ends included.
type CodeRange struct{ From, To int }

// Has reports whether the set contains the code.
func (c Codes) Has(code int) bool {
	for _, r := range c {
		if r.From <= code && code <= r.To {
			return true
		}
	}
	return false
}

// String writes the set as it could be given, ranges joined by commas.
func (c Codes) String() string {
	parts := make([]string, len(c))
	for i, r := range c {
		parts[i] = r.String()
	}
	return strings.Join(parts, ",")
}

// String writes the range in its shortest form.
func (r CodeRange) String() string {
	switch {
	case r.From == r.To:
		return strconv.Itoa(r.From)
	case r.From%100 == 0 && r.To == r.From+99:
		return strconv.Itoa(r.From/100) + "xx"
	default:
		return strconv.Itoa(r.From) + "-" + strconv.Itoa(r.To)
	}
}

// ParseCodeRange reads "204", "2xx" or "200-204".
func ParseCodeRange(s string) (CodeRange, error) {
	r, ok := CodeRange{}, false
	if class, isClass := strings.CutSuffix(strings.ToLower(s), "xx"); isClass {
		n, err := strconv.Atoi(class)
		r, ok = CodeRange{n * 100, n*100 + 99}, err == nil && len(class) == 1
	} else if from, to, isRange := strings.Cut(s, "-"); isRange {
		a, okA := parseCode(from)
		b, okB := parseCode(to)
		r, ok = CodeRange{a, b}, okA && okB
	} else {
		r.From, ok = parseCode(s)
		r.To = r.From
	}
	if !ok || r.From < 100 || r.To > 599 || r.From > r.To {
		return CodeRange{}, fmt.Errorf(`%q is not a status code (100-599), a class such as "2xx" or a range such as "200-204"`, s)
	}
	return r, nil
}

func parseCode(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && len(s) == 3
}

// MarshalText writes the set as String does.
func (c Codes) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (c *Codes) UnmarshalText(b []byte) error {
	*c = Codes{}
	for s := range strings.SplitSeq(string(b), ",") {
		if s == "" {
			continue
		}
		r, err := ParseCodeRange(s)
		if err != nil {
			return err
		}
		*c = append(*c, r)
	}
	return nil
}
