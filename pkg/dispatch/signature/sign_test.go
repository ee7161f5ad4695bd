package signature

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func fixed() time.Time { return noon }

func newSigner(t testing.TB) Signer {
	t.Helper()
	k, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return Signer{Key: k, Issuer: "https://dispatch.example.com", Now: fixed}
}

// part returns a token's header (0) or claims (1), numbers as they are written.
func part(t *testing.T, token string, n int) map[string]json.RawMessage {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[n])
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestWhatACallsSignatureSays(t *testing.T) {
	s := newSigner(t)
	c := Call{Task: "order-7", Attempt: 3, Generation: 1772366400001, Method: "POST",
		URL: "https://user:secret@API.example.com:443/orders?a=1&b=%20#part"}
	token, err := s.SignCall(c, []byte("abc"), 30*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	header, claims := part(t, token, 0), part(t, token, 1)
	for _, want := range []struct {
		in          map[string]json.RawMessage
		name, value string
	}{
		{header, "alg", `"ES256"`},
		{header, "typ", `"dispatch-call+jwt"`},
		{header, "kid", `"` + s.Key.ID() + `"`},
		{claims, "iss", `"https://dispatch.example.com"`},
		{claims, "sub", `"order-7"`},
		{claims, "aud", `"https://api.example.com"`},
		{claims, "iat", "1772366400"},
		{claims, "exp", "1772366490"}, // the timeout of 30 s and the margin
		{claims, "method", `"POST"`},
		{claims, "url", `"https://api.example.com/orders?a=1&b=%20"`},
		{claims, "attempt", "3"},
		{claims, "generation", "1772366400001"},
		{claims, "sha256", `"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"`}, // FIPS 180, of "abc"
	} {
		if got := string(want.in[want.name]); got != want.value {
			t.Errorf("%s is %s, want %s", want.name, got, want.value)
		}
	}
	if len(header) != 3 || len(claims) != 11 {
		t.Errorf("%d and %d members, want 3 and 11: %v %v", len(header), len(claims), header, claims)
	}
	again, err := s.SignCall(c, []byte("abc"), 30*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if string(part(t, again, 1)["jti"]) == string(claims["jti"]) {
		t.Error("two attempts have the same jti")
	}
}

func TestOrigin(t *testing.T) {
	for _, c := range []struct{ url, want string }{
		{"https://example.com", "https://example.com"},
		{"HTTPS://Example.COM/Path", "https://example.com"},
		{"https://example.com:443/", "https://example.com"},
		{"http://example.com:80/", "http://example.com"},
		{"http://example.com:443/", "http://example.com:443"},
		{"https://example.com:8443/", "https://example.com:8443"},
		{"https://user:pass@example.com/", "https://example.com"},
		{"https://[2001:DB8::1]:443/", "https://[2001:db8::1]"},
		{"https://[2001:db8::1]:8443/", "https://[2001:db8::1]:8443"},
		{"/path", ""},
		{"mailto:a@example.com", ""},
		{"https:///path", ""},
	} {
		u, err := url.Parse(c.url)
		if err != nil {
			t.Fatal(err)
		}
		if got := Origin(u); got != c.want {
			t.Errorf("%s: %q, want %q", c.url, got, c.want)
		}
	}
}

func TestClaims(t *testing.T) {
	at := func(d time.Duration) time.Time { return noon.Add(d) }
	for _, c := range []struct {
		name, claims, claim, want string
		expireAt                  time.Time
	}{
		{"numbers keep their digits", `{"n":12345678901234567890123}`, "n", "12345678901234567890123", at(time.Hour)},
		{"deep ones too", `{"o":{"a":[1.10,9007199254740993]}}`, "o", `{"a":[1.10,9007199254740993]}`, at(time.Hour)},
		{"text keeps its characters", `{"t":"<a&b>é"}`, "t", `"<a&b>é"`, at(time.Hour)},
		{"the service is the issuer", `{}`, "iss", `"https://dispatch.example.com"`, at(time.Hour)},
		{"unless the caller says another", `{"iss":"me"}`, "iss", `"me"`, at(time.Hour)},
		{"issued now", `{}`, "iat", "1772366400", at(time.Hour)},
		{"unless the caller says when", `{"iat":7}`, "iat", "7", at(time.Hour)},
		{"the caller's jti stays", `{"jti":"j"}`, "jti", `"j"`, at(time.Hour)},
		{"expires with the task", `{}`, "exp", "1772370000", at(time.Hour)},
		{"never after it", `{"exp":1772370001}`, "exp", "1772370000", at(time.Hour)},
		{"before it if the caller says so", `{"exp":1772369999}`, "exp", "1772369999", at(time.Hour)},
		{"a fraction of a second is not after it", `{"exp":1772369999.5}`, "exp", "1772369999.5", at(time.Hour)},
		{"an exp that is no number is none", `{"exp":"2026-03-01"}`, "exp", "1772370000", at(time.Hour)},
		{"null is none", `{"exp":null}`, "exp", "1772370000", at(time.Hour)},
		{"an exp beyond all numbers is none", `{"exp":1e999}`, "exp", "1772370000", at(time.Hour)},
		{"a task without end: with the attempt", `{}`, "exp", "1772366490", time.Time{}},
		{"a task without end: the caller's", `{"exp":1999999999}`, "exp", "1999999999", time.Time{}},
		{"a task without end: no number", `{"exp":[]}`, "exp", "1772366490", time.Time{}},
	} {
		token, err := newSigner(t).SignClaims([]byte(c.claims), c.expireAt, 30*time.Second)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := string(part(t, token, 1)[c.claim]); got != c.want {
			t.Errorf("%s: %s is %s, want %s", c.name, c.claim, got, c.want)
		}
		if got := string(part(t, token, 0)["typ"]); got != `"JWT"` {
			t.Errorf("%s: typ is %s", c.name, got)
		}
	}
}

func TestNothingToSign(t *testing.T) {
	for _, c := range []struct {
		name string
		sign func(Signer) (string, error)
		key  Key
		want error
	}{
		{"no key, a call", func(s Signer) (string, error) {
			return s.SignCall(Call{URL: "https://example.com"}, nil, 0)
		}, Key{}, ErrKey},
		{"no key, claims", func(s Signer) (string, error) { return s.SignClaims([]byte(`{}`), noon, 0) }, Key{}, ErrKey},
		{"no URL", func(s Signer) (string, error) { return s.SignCall(Call{URL: "/path"}, nil, 0) }, newSigner(t).Key, ErrURL},
		{"a bad URL", func(s Signer) (string, error) { return s.SignCall(Call{URL: "https://%zz"}, nil, 0) }, newSigner(t).Key, ErrURL},
		{"claims that are none", func(s Signer) (string, error) { return s.SignClaims([]byte(`[]`), noon, 0) }, newSigner(t).Key, ErrMalformed},
		{"claims that are null", func(s Signer) (string, error) { return s.SignClaims([]byte(`null`), noon, 0) }, newSigner(t).Key, ErrMalformed},
	} {
		if token, err := c.sign(Signer{Key: c.key, Now: fixed}); !errors.Is(err, c.want) || token != "" {
			t.Errorf("%s: %q, %v, want %v", c.name, token, err, c.want)
		}
	}
}
