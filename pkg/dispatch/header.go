package dispatch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// HeaderValue is what a header of a call says: a text, or a secret that is looked up for each attempt and kept nowhere. Its
// JSON is the text, or {"secret": name}.
type HeaderValue struct {
	Text   string
	Secret string // the secret's name, "" for a text; see [CheckSecretName]
}

// MarshalJSON implements [json.Marshaler].
func (v HeaderValue) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // as in [EncodeDoc]
	var err error
	if v.Secret != "" {
		err = e.Encode(struct {
			Secret string `json:"secret"`
		}{v.Secret})
	} else {
		err = e.Encode(v.Text)
	}
	return bytes.TrimRight(b.Bytes(), "\n"), err
}

// UnmarshalJSON implements [json.Unmarshaler].
func (v *HeaderValue) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		*v = HeaderValue{}
		return json.Unmarshal(b, &v.Text)
	}
	var named struct {
		Secret string `json:"secret"`
	}
	if err := json.Unmarshal(b, &named); err != nil {
		return fmt.Errorf("reading a header's value: %w", err)
	}
	*v = HeaderValue{Secret: named.Secret}
	return nil
}

const maxSecretName = 256

var errSecretName = fmt.Errorf("a secret's name is 1 to %d of the characters A-Z a-z 0-9 / _ + = . @ -", maxSecretName)

// CheckSecretName says what is wrong with the name of a secret. It may have the characters of Secrets Manager's names.
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html
func CheckSecretName(name string) error {
	if !isName(name, "/_+=.@-", maxSecretName) {
		return errSecretName
	}
	return nil
}

// ErrHeaderValue is the error for a text that no header can carry.
var ErrHeaderValue = errors.New("holds a character that a header cannot carry, or begins or ends with a space")

// CheckHeaderValue says whether a header can carry a text (RFC 9110, section 5.5).
func CheckHeaderValue(text string) error {
	if !isFieldValue(text) {
		return ErrHeaderValue
	}
	return nil
}

// headers reads a task's headers: names and values as RFC 9110, section 5, has them, and none that
// belong to the connection or to dispatch.
func (p *parser) headers(o object) map[string]HeaderValue {
	h, seen := map[string]HeaderValue{}, map[string]string{}
	for _, name := range o.names {
		lower := strings.ToLower(name)
		switch why := reserved(lower); {
		case !isToken(name):
			o.fault(name, "is not a header name (RFC 9110, section 5.1)")
		case why != "":
			o.fault(name, "must not be set: %s", why)
		case seen[lower] != "" && seen[lower] != name:
			o.fault(name, "is the same header as %s", seen[lower])
		case o.fields[name].Kind() == '{':
			h[name] = HeaderValue{Secret: p.secret(o, name)}
		case o.fields[name].Kind() != '"':
			o.fault(name, `must be a string, or {"secret": name}`)
		case !isFieldValue(unquote(o.fields[name])):
			o.fault(name, "%v", ErrHeaderValue)
		default:
			h[name] = HeaderValue{Text: unquote(o.fields[name])}
		}
		seen[lower] = name
	}
	return h
}

// secret reads the name of the secret that a header's value is.
func (p *parser) secret(o object, header string) string {
	s, _ := readObject(o.fields[header], o.pointer.AppendToken(header), o.faults)
	s.only("secret")
	name := s.text("secret")
	switch {
	case !s.has("secret"):
		s.fault("secret", "is required: the name of the secret whose value is sent")
	case s.fields["secret"].Kind() != '"':
	case CheckSecretName(name) != nil:
		s.fault("secret", "%v", errSecretName)
	case p.checkSecret == nil:
		s.fault("secret", "there are no secrets for headers here")
	default:
		if err := p.checkSecret(name); err != nil {
			s.fault("secret", "%v", err)
		}
	}
	return name
}

// reserved says why a task cannot set a header, "" if it can. name is in lower case.
func reserved(name string) string {
	const connection = "it belongs to the connection"
	switch {
	case name == "host":
		return "it is what the uri says"
	case name == "content-length", name == "transfer-encoding":
		return "it is what the body makes it"
	case name == "expect":
		return "no interim answer is waited for"
	case name == "idempotency-key", strings.HasPrefix(name, "dispatch-"),
		name == "webhook-id", name == "webhook-timestamp", name == "webhook-signature":
		return "it is dispatch's own"
	case strings.HasPrefix(name, "proxy-"):
		return connection
	}
	switch name {
	case "connection", "keep-alive", "te", "trailer", "upgrade":
		return connection
	}
	return ""
}

func isToken(s string) bool { return isName(s, "!#$%&'*+-.^_`|~", len(s)) }

func isFieldValue(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return strings.Trim(s, " \t") == s
}

// SecretsUnder returns a check that lets headers have the secrets whose names begin with the prefix; nil for none, where it
// is empty.
func SecretsUnder(prefix string) func(name string) error {
	if prefix == "" {
		return nil
	}
	return func(name string) error {
		if !strings.HasPrefix(name, prefix) {
			return fmt.Errorf("a secret for a header must have a name that begins with %s", prefix)
		}
		return CheckSecretName(name)
	}
}
