package dispatch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	maxDepth  = 64
	maxFaults = 100 // of one call: enough to mend an input, small enough for every answer
)

// checkSyntax reports what is wrong with JSON whatever it means: one syntax error, or all duplicate names
// and every place that is nested too deep.
func checkSyntax(input []byte, f *faults) {
	if bytes.HasPrefix(input, []byte("\xef\xbb\xbf")) {
		f.add("", "begins with a byte order mark; send plain UTF-8")
		return
	}
	d := jsontext.NewDecoder(bytes.NewReader(input), jsontext.AllowDuplicateNames(true))
	var names []map[string]bool // one per open object or array
	for {
		t, err := d.ReadToken()
		if err == io.EOF {
			f.add("", "is empty: must be a JSON object")
			return
		}
		if err != nil && d.StackDepth() > maxDepth && len(f.list) > 0 {
			return // too deep, as was said: its pointer would be as long as it is deep
		}
		if err != nil {
			f.add(pointerOf(err), "not valid JSON: %v", syntaxMessage(err))
			return
		}
		depth := d.StackDepth()
		switch {
		case t.Kind() == '{' || t.Kind() == '[':
			names = append(names, map[string]bool{})
			if depth == maxDepth+1 {
				f.add(string(d.StackPointer()), "nested deeper than %d levels", maxDepth)
			}
		case t.Kind() == '}' || t.Kind() == ']':
			names = names[:len(names)-1]
		case t.Kind() == '"' && depth > 0:
			if kind, n := d.StackIndex(depth); kind == '{' && n%2 == 1 { // a name
				if names[depth-1][t.String()] {
					f.add(string(d.StackPointer()), "given more than once")
				}
				names[depth-1][t.String()] = true
			}
		}
		if depth == 0 {
			if rest := bytes.TrimLeft(input[d.InputOffset():], " \t\r\n"); len(rest) > 0 {
				f.add("", "data after the end of the JSON value")
			}
			return
		}
		if len(f.list) >= maxFaults {
			return
		}
	}
}

func pointerOf(err error) string {
	if s, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return string(s.JSONPointer)
	}
	return ""
}

func syntaxMessage(err error) string {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return "it ends too early"
	}
	if s, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return fmt.Sprintf("%v at byte %d", s.Err, s.ByteOffset)
	}
	return err.Error()
}

// object reads the fields of a JSON object, collecting faults: every reader returns the zero value for a
// field that is absent or wrong. Syntax has been checked before.
type object struct {
	pointer jsontext.Pointer
	names   []string
	fields  map[string]jsontext.Value
	faults  *faults
}

func readObject(v jsontext.Value, pointer jsontext.Pointer, f *faults) (object, bool) {
	o := object{pointer: pointer, fields: map[string]jsontext.Value{}, faults: f}
	if v.Kind() != '{' {
		f.add(string(pointer), "must be an object")
		return o, false
	}
	d := jsontext.NewDecoder(bytes.NewReader(v), jsontext.AllowDuplicateNames(true))
	if _, err := d.ReadToken(); err != nil {
		return o, false
	}
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			return o, false
		}
		key := name.String()
		value, err := d.ReadValue()
		if err != nil {
			return o, false
		}
		o.names = append(o.names, key)
		o.fields[key] = value.Clone()
	}
	return o, true
}

func readArray(v jsontext.Value) []jsontext.Value {
	d := jsontext.NewDecoder(bytes.NewReader(v), jsontext.AllowDuplicateNames(true))
	if _, err := d.ReadToken(); err != nil {
		return nil
	}
	var items []jsontext.Value
	for d.PeekKind() != ']' {
		item, err := d.ReadValue()
		if err != nil {
			return nil
		}
		items = append(items, item.Clone())
	}
	return items
}

// fault says what is wrong with the field.
func (o object) fault(name, format string, args ...any) {
	o.faults.add(string(o.pointer.AppendToken(name)), format, args...)
}

// has reports whether the field is there; null counts as absent.
func (o object) has(name string) bool { v, ok := o.fields[name]; return ok && v.Kind() != 'n' }

// only makes every field that is not one of names a fault.
func (o object) only(names ...string) {
	for _, name := range o.names {
		if !slices.Contains(names, name) {
			o.fault(name, "unknown field; known are %s", strings.Join(names, ", "))
		}
	}
}

func (o object) text(name string) string {
	if !o.has(name) {
		return ""
	}
	if o.fields[name].Kind() != '"' {
		o.fault(name, "must be a string")
		return ""
	}
	return unquote(o.fields[name])
}

func unquote(v jsontext.Value) string {
	b, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		return ""
	}
	return string(b)
}

// number reads a decimal number from least to most; absent is fallback.
func (o object) number(name string, fallback, least, most float64) float64 {
	if !o.has(name) {
		return fallback
	}
	n, err := o.float(name)
	switch {
	case err != nil || n < least || n > most:
		o.fault(name, "must be a number from %s to %s", plain(least), plain(most))
	case !isKept(string(o.fields[name]), n):
		o.fault(name, tooPrecise, plain(n))
	default:
		return n
	}
	return fallback
}

// integer reads a whole number from least to most; absent is fallback.
func (o object) integer(name string, fallback, least, most int) int {
	if !o.has(name) {
		return fallback
	}
	n, err := o.float(name)
	switch {
	case err != nil || n != math.Trunc(n) || n < float64(least) || n > float64(most):
		o.fault(name, "must be a whole number from %d to %d", least, most)
	case !isKept(string(o.fields[name]), n):
		o.fault(name, tooPrecise, plain(n))
	default:
		return int(n)
	}
	return fallback
}

// boolean reads true or false; absent is false.
func (o object) boolean(name string) bool {
	if !o.has(name) {
		return false
	}
	kind := o.fields[name].Kind()
	if kind != 't' && kind != 'f' {
		o.fault(name, "must be true or false")
	}
	return kind == 't'
}

const tooPrecise = "has more digits than are kept: it would count as %s"

var errNoNumber = errors.New("not a number")

// float reads a number as a float64, which is what all of a task's own numbers are kept in.
func (o object) float(name string) (float64, error) {
	if o.fields[name].Kind() != '0' {
		return 0, errNoNumber
	}
	return strconv.ParseFloat(string(o.fields[name]), 64)
}

// isKept reports whether n is the number that was written: no digit was rounded away.
func isKept(written string, n float64) bool {
	const longest = 100 // bytes; no number that is kept needs as many, and an exact reading of any number takes for ever
	switch {
	case n == 0:
		digits, _, _ := strings.Cut(strings.ToLower(written), "e")
		return strings.Trim(digits, "-0.") == ""
	case len(written) > longest:
		return false
	}
	exact, ok := new(big.Rat).SetString(written)
	kept, okKept := new(big.Rat).SetString(strconv.FormatFloat(n, 'g', -1, 64))
	return ok && okKept && exact.Cmp(kept) == 0
}

func plain(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// latest is the last second that RFC 3339 can write.
const latest = 253402300799

// instant reads Unix seconds or RFC 3339.
func (o object) instant(name string) time.Time {
	if !o.has(name) {
		return time.Time{}
	}
	v := o.fields[name]
	switch v.Kind() {
	case '"':
		text := unquote(v)
		t, err := time.Parse(time.RFC3339, text)
		lax := len(text) < len("2026-01-31T12:00:00Z") || text[13] != ':' || strings.Contains(text, ",") // what time.Parse lets through
		if err != nil || lax || t.Unix() < 0 || t.Unix() >= latest {
			o.fault(name, "must be Unix seconds or a time such as 2026-01-31T12:00:00Z (RFC 3339)")
			return time.Time{}
		}
		return roundUp(t)
	case '0':
		n, err := o.float(name)
		switch {
		case err == nil && n >= 1 && n <= latest && !isKept(string(v), n):
			o.fault(name, tooPrecise, plain(n))
		case err != nil || n < 1:
			o.fault(name, "must be Unix seconds or a time such as 2026-01-31T12:00:00Z (RFC 3339)")
		case n > latest || n > 1e11:
			o.fault(name, "is too late; Unix time is in seconds here: is this in milliseconds?")
		default:
			return FromMillis(int64(math.Ceil(n * 1000)))
		}
	default:
		o.fault(name, "must be Unix seconds or a time such as 2026-01-31T12:00:00Z (RFC 3339)")
	}
	return time.Time{}
}
