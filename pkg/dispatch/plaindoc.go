package dispatch

import (
	"bytes"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// plainDoc decodes a document as EncodeDoc writes nearly all, several times as fast as encoding/json, because each
// attempt decodes one. Whatever it does not know, a field or a way of writing it, makes it return false, and is
// encoding/json's: what it does decode, encoding/json would decode to the same. So a new field needs no line here.
func plainDoc(b []byte) (d Doc, ok bool) {
	p := plainReader{rest: b}
	p.object(func(name []byte) {
		switch string(name) {
		case "createdAt":
			p.text(d.CreatedAt.UnmarshalText)
		case "method":
			d.Method = p.word()
		case "uri":
			d.URI = string(p.quoted())
		case "headers":
			p.strange = d.Headers != nil // given twice
			d.Headers = map[string]HeaderValue{}
			p.object(func(name []byte) { d.Headers[string(name)] = HeaderValue{Text: string(p.quoted())} })
		case "body":
			d.Body = bytes.Clone(p.value())
		case "format":
			d.Format = Format(p.word())
		case "successCodes":
			p.text(d.SuccessCodes.UnmarshalText)
		case "stopCodes":
			p.text(d.StopCodes.UnmarshalText)
		case "waitCodes":
			p.text(d.WaitCodes.UnmarshalText)
		case "attempts":
			p.object(func(name []byte) { p.attempts(name, &d.Attempts) })
		case "httpTimeout":
			d.HTTPTimeout = p.integer()
		case "dueAt":
			p.text(d.FirstDueAt.UnmarshalText)
		case "expireAt":
			p.text(d.ExpireAt.UnmarshalText)
		case "identifier":
			d.Identifier = string(p.quoted())
		case "groupOnFailure":
			d.GroupOnFailure = GroupPolicy(p.word())
		case "notifyAttempts":
			d.NotifyAttempts = p.integer()
		default:
			p.strange = true
		}
	})
	return d, !p.strange && len(p.rest) == 0
}

func (p *plainReader) attempts(name []byte, a *Attempts) {
	switch string(name) {
	case "limit":
		a.Limit = p.integer()
	case "interval":
		a.Interval = p.integer()
	case "backoff":
		a.Backoff = float64(p.integer()) // a fraction is strange
	default:
		p.strange = true
	}
}

// plainReader reads JSON that has no space between its tokens.
type plainReader struct {
	rest    []byte
	strange bool // something was not plain: what is read from then on is nothing
}

func (p *plainReader) take(c byte) bool {
	if p.strange || len(p.rest) == 0 || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// object reads an object; field reads the value of the one that it names.
func (p *plainReader) object(field func(name []byte)) {
	p.strange = !p.take('{')
	for first := true; !p.strange; first = false {
		if !first && p.take('}') {
			return
		}
		if !first && !p.take(',') {
			break
		}
		name := p.quoted()
		if !p.take(':') {
			break
		}
		field(name)
	}
	p.strange = true
}

// quoted reads a string of printable ASCII that escapes nothing, and returns what is between its quotes.
func (p *plainReader) quoted() []byte {
	if p.take('"') {
		for i, c := range p.rest {
			if c == '"' {
				s := p.rest[:i]
				p.rest = p.rest[i+1:]
				return s
			}
			if c < ' ' || c > '~' || c == '\\' {
				break
			}
		}
	}
	p.strange = true
	return nil
}

func (p *plainReader) text(read func([]byte) error) {
	s := p.quoted()
	p.strange = p.strange || read(s) != nil
}

// word reads a string that mostly is one of a few, which take no memory.
func (p *plainReader) word() string {
	switch s := p.quoted(); string(s) {
	case "POST":
		return "POST"
	case string(Envelope):
		return string(Envelope)
	case string(GoOn):
		return string(GoOn)
	default:
		return string(s)
	}
}

// integer reads a whole number from 0 to 999,999,999.
func (p *plainReader) integer() int {
	n := 0
	for n < len(p.rest) && '0' <= p.rest[n] && p.rest[n] <= '9' {
		n++
	}
	if p.strange || n == 0 || n > 9 || n > 1 && p.rest[0] == '0' {
		p.strange = true
		return 0
	}
	i, err := strconv.Atoi(string(p.rest[:n]))
	p.rest, p.strange = p.rest[n:], err != nil
	return i
}

// value reads an object, an array or a string, whatever is in it.
func (p *plainReader) value() []byte {
	depth := 0
	for i := 0; i < len(p.rest) && !p.strange; i++ {
		switch p.rest[i] {
		case '"':
			i += 1 + stringEnd(p.rest[i+1:])
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		if depth <= 0 && i < len(p.rest) {
			v := p.rest[:i+1]
			p.rest = p.rest[i+1:]
			p.strange = !jsontext.Value(v).IsValid(jsontext.AllowDuplicateNames(true))
			return v
		}
	}
	p.strange = true
	return nil
}

// stringEnd returns where the quote is that ends the string of which b is the rest; len(b) if none does.
func stringEnd(b []byte) int {
	for from := 0; ; {
		quote := bytes.IndexByte(b[from:], '"')
		if quote < 0 {
			return len(b)
		}
		quote += from
		escapes := quote
		for escapes > from && b[escapes-1] == '\\' {
			escapes--
		}
		if (quote-escapes)%2 == 0 {
			return quote
		}
		from = quote + 1
	}
}
