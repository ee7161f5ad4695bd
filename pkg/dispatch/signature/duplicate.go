package signature

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"unicode"
)

// duplicate finds a name that a token's header or claims have twice (RFC 7519, section 4: either refuse it or take the
// last; two receivers that choose differently would read two calls). Names that package encoding/json takes for the same
// are. What is not a token has none: others say what is wrong with it.
func duplicate(token string) (name string, found bool) {
	header, rest, _ := strings.Cut(token, ".")
	claims, _, _ := strings.Cut(rest, ".")
	for _, part := range []string{header, claims} {
		text, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil {
			return "", false
		}
		if name, found := twice(text); found {
			return name, true
		}
	}
	return "", false
}

// twice finds a name that a JSON object has twice.
func twice(object []byte) (name string, found bool) {
	d := json.NewDecoder(bytes.NewReader(object))
	if begin, err := d.Token(); err != nil || begin != json.Delim('{') {
		return "", false
	}
	seen := map[string]bool{}
	for d.More() {
		token, err := d.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return "", false
		}
		folded := strings.Map(fold, name)
		if seen[folded] {
			return name, true
		}
		seen[folded] = true
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return "", false
		}
	}
	return "", false
}

// fold returns the smallest of the runes that differ from r in case alone.
func fold(r rune) rune {
	for {
		next := unicode.SimpleFold(r)
		if next <= r {
			return next
		}
		r = next
	}
}
