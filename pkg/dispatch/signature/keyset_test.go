package signature

import (
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const settles = 10 * time.Minute // what receivers get to read a key

func setOf(t testing.TB, algorithms ...string) (KeySet, []Key) {
	t.Helper()
	var s KeySet
	var keys []Key
	for _, a := range algorithms {
		k, err := NewKeyFor(a)
		if err == nil {
			_, err = s.Add(k, noon)
		}
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, k)
	}
	return s, keys
}

func written(t testing.TB, s KeySet) []byte {
	t.Helper()
	text, err := s.Text()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestASetIsReadAsItWasWritten(t *testing.T) {
	s, keys := setOf(t, "ES256", "EdDSA", "RS256", "HS256", "HS512")
	if _, err := s.Sign(keys[2].ID(), true, noon.Add(settles), settles); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sign(keys[1].ID(), false, noon.Add(settles), settles); err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddWebhook(receiver, noon); err != nil {
		t.Fatal(err)
	}
	text := written(t, s)
	again, err := ParseKeySet(text)
	if err != nil {
		t.Fatal(err)
	}
	if string(written(t, again)) != string(text) || !slices.Equal(again.List(), s.List()) {
		t.Errorf("read %v, want %v", again.List(), s.List())
	}
	for i, k := range keys { // what one signs, the key of the same id in the other verifies
		sum, err := again.keys[i].sign(t.Context(), "text")
		if err != nil {
			t.Fatal(err)
		}
		var verifies any = k.secret
		if k.private != nil {
			verifies = k.private.Public()
		}
		if err := k.method.Verify("text", sum, verifies); err != nil {
			t.Errorf("%s: %v", k.Algorithm(), err)
		}
	}
}

func TestKeySetsInPEM(t *testing.T) {
	p256, ed := ecKey(t, elliptic.P256()), edKey(t)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		text []byte
		want string
	}{
		{"one key, as ever", sec1(p256), "ES256 calls claims"},
		{"several", slices.Concat(pkcs8(ed), sec1(p256)), "EdDSA calls claims, ES256"},
		{"RSA signs claims", slices.Concat(pkcs8(rsaKey), pkcs8(p256)), "RS256 claims, ES256 calls"},
	} {
		s, err := ParseKeySet(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := roles(s); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func roles(s KeySet) string {
	var all []string
	for _, k := range s.List() {
		text := k.Algorithm
		if k.Calls {
			text += " calls"
		}
		if k.Claims {
			text += " claims"
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

func TestKeySetsThatAreRefused(t *testing.T) {
	s, keys := setOf(t, "ES256", "EdDSA", "RS256", "HS256")
	if _, err := s.AddWebhook(receiver, noon); err != nil {
		t.Fatal(err)
	}
	small, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	small.N.Rsh(small.N, 1)
	good := string(written(t, s))
	other := base64URL([]byte(strings.Repeat("x", 32)))
	change := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("no %s in the set", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	member := func(name, value string) string { return fmt.Sprintf(`"%s": "%s"`, name, value) }
	for _, c := range []struct{ name, says, text string }{
		{"nothing", "no private key", ""},
		{"no JSON", "not a JWK set", "{secret"},
		{"the same key twice in PEM", "already", string(pkcs8(keys[0].private)) + string(pkcs8(keys[0].private))},
		{"a private part that is another's", "public half", change(member("x", keys[1].public.X), member("x", other))},
		{"a kid that is another's", "thumbprint", change(member("kid", keys[1].ID()), member("kid", "mine"))},
		{"an alg that the key does not sign", "and not", change(member("alg", "EdDSA"), member("alg", "ES256"))},
		{"a curve that is not used", "P-384", change(member("crv", "P-256"), member("crv", "P-384"))},
		{"no base64", "are not one", change(`"d": "`, `"d": "%`)},
		{"an RSA modulus that is another's", "not one", change(member("n", keys[2].public.N), member("n", base64URL(small.N.Bytes())))},
		{"a secret under 32 bytes", "31 bytes", change(member("k", base64URL(keys[3].secret)), member("k", base64URL(keys[3].secret[:31])))},
		{"a secret of no algorithm", "HS256 or HS512", change(member("alg", "HS256"), member("alg", "HS384"))},
		{"a secret without a kid", "needs a kid", change(member("kid", keys[3].ID()), member("kid", ""))},
		{"a kid that would end its string", "needs a kid", change(member("kid", keys[3].ID()), member("kid", `\",\"alg\":\"none`))},
		{"a secret that signs calls", "none signs calls", change(member("calls", keys[0].ID()), member("calls", keys[3].ID()))},
		{"RSA that signs calls", "none signs calls", change(member("calls", keys[0].ID()), member("calls", keys[2].ID()))},
		{"claims by no key", "no such key", change(member("calls", keys[0].ID()), member("calls", keys[0].ID())+`, "claims": "x"`)},
		{"a webhook secret too short", "/webhooks/0", change(`"whsec_`, `"whsec_AAAA", "x": "`)},
		{"a webhook secret for no origin", "/webhooks/0", change(member("origin", receiver), member("origin", receiver+"/path"))},
	} {
		_, err := ParseKeySet([]byte(c.text))
		if !errors.Is(err, ErrKey) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want ErrKey and %q", c.name, err, c.says)
		}
	}
}

func TestHSNeedsLongSecrets(t *testing.T) {
	for _, c := range []struct {
		algorithm string
		bytes     int
		ok        bool
	}{{"HS256", 31, false}, {"HS256", 32, true}, {"HS512", 63, false}, {"HS512", 64, true}, {"HS384", 64, false}} {
		if _, err := newSecretKey("k", c.algorithm, make([]byte, c.bytes)); (err == nil) != c.ok {
			t.Errorf("%s, %d bytes: %v", c.algorithm, c.bytes, err)
		}
	}
}

func TestRSAOf1024Bits(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0")
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newKey(short); !errors.Is(err, ErrKey) || !strings.Contains(err.Error(), "1024") {
		t.Errorf("%v", err)
	}
}

// Secrets and RSA sign claims, and never calls; and no verifier of calls takes what they signed.
func TestKeysForClaimsAlone(t *testing.T) {
	for _, algorithm := range []string{"RS256", "HS256", "HS512"} {
		s, keys := setOf(t, "ES256", algorithm)
		if _, err := s.Sign(keys[1].ID(), false, noon.Add(settles), settles); err != nil {
			t.Fatal(err)
		}
		if got, want := roles(s), "ES256 calls, "+algorithm+" claims"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		signer, err := s.Signer("me", JWT)
		if err != nil {
			t.Fatal(err)
		}
		token, err := signer.SignClaims([]byte(`{"n":1}`), noon, timeout)
		if err != nil {
			t.Fatal(err)
		}
		var verifies any = keys[1].secret
		if keys[1].private != nil {
			verifies = keys[1].private.Public()
		}
		parsed, err := jwt.Parse(token, func(*jwt.Token) (any, error) { return verifies, nil },
			jwt.WithValidMethods([]string{algorithm}), jwt.WithTimeFunc(func() time.Time { return noon.Add(-time.Second) }))
		if err != nil || parsed.Header["kid"] != keys[1].ID() {
			t.Errorf("%s: %v", algorithm, err)
		}
		if _, err := (Signer{Key: keys[1], Issuer: "me"}).SignCall(Call{URL: receiver}, nil, timeout); !errors.Is(err, ErrKey) {
			t.Errorf("%s signs a call: %v", algorithm, err)
		}
		// As if it had signed one all the same, with its key published.
		call, err := sign(t.Context(), &keys[1], CallType, callClaims{Issuer: "me", Audience: receiver, ExpiresAt: noon.Add(timeout).Unix(), URL: receiver + "/", SHA256: digest(nil)})
		if err != nil {
			t.Fatal(err)
		}
		v := Verifier{Keys: JWKS{[]JWK{keys[1].Public()}}, Issuer: "me", Origin: receiver, Now: fixed}
		if _, err := v.Verify(Received{Signature: call, URI: "/"}); !errors.Is(err, ErrAlgorithm) {
			t.Errorf("%s is accepted: %v", algorithm, err)
		}
	}
}

func TestSecretsAreNotPublished(t *testing.T) {
	s, keys := setOf(t, "ES256", "RS256", "HS256", "EdDSA", "HS512")
	if _, err := s.AddWebhook(receiver, noon); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, k := range s.Public().Keys {
		ids = append(ids, k.KeyID)
	}
	if want := []string{keys[0].ID(), keys[1].ID(), keys[3].ID()}; !slices.Equal(ids, want) {
		t.Errorf("publishes %v, want %v", ids, want)
	}
	signer, err := s.Signer("me", Both)
	if err != nil {
		t.Fatal(err)
	}
	published, err := json.Marshal(map[string]any{"public": s.Public(), "list": s.List(), "set": s, "signer.Claims": signer.Claims, "webhooks": signer.Webhooks})
	if err != nil {
		t.Fatal(err)
	}
	var f keySetFile
	if err := json.Unmarshal(written(t, s), &f); err != nil {
		t.Fatal(err)
	}
	shown := string(published) + fmt.Sprintf("%v %+v %#v %v %+v %#v", s, s, s, *signer, *signer, *signer) + fmt.Sprint(signer.Webhooks)
	for _, k := range f.Keys {
		for _, secret := range []string{k.D, k.K, k.P} {
			if secret != "" && strings.Contains(shown, secret) {
				t.Errorf("shows a part of the %s key", k.Algorithm)
			}
		}
	}
	if secret := f.Webhooks[0].Secret; strings.Contains(shown, secret) || strings.Contains(shown, fmt.Sprint(signer.Webhooks[receiver][0].secret)) {
		t.Error("shows the webhook secret")
	}
}

// A key takes over: published, signing, retired. A receiver that reads the published set every ten minutes verifies each call.
func TestRotationWithoutAGap(t *testing.T) {
	s, keys := setOf(t, "ES256", "ES256")
	former, next := keys[0].ID(), keys[1].ID()
	old := s.Public()
	for _, c := range []struct {
		after time.Duration
		do    func(now time.Time) error
		want  error
		signs string
		keys  int
	}{
		{0, func(now time.Time) error { _, err := s.Sign("", false, now, settles); return err }, ErrTooEarly, former, 2},
		{settles - 1, func(now time.Time) error { _, err := s.Sign(next, false, now, settles); return err }, ErrTooEarly, former, 2},
		{settles, func(now time.Time) error { return s.Retire(former, now, settles) }, ErrInUse, former, 2},
		{settles, func(now time.Time) error { _, err := s.Sign("", false, now, settles); return err }, nil, next, 2},
		{settles, func(now time.Time) error { return s.Retire(former, now, settles) }, ErrTooEarly, next, 2},
		{2*settles - 1, func(now time.Time) error { return s.Retire(former, now, settles) }, ErrTooEarly, next, 2},
		{2 * settles, func(now time.Time) error { return s.Retire("other", now, settles) }, ErrNoKey, next, 2},
		{2 * settles, func(now time.Time) error { return s.Retire(former, now, settles) }, nil, next, 1},
		{2 * settles, func(now time.Time) error { _, err := s.Sign("", false, now, settles); return err }, ErrNoKey, next, 1},
		{2 * settles, func(now time.Time) error { return s.Retire(next, now, settles) }, ErrInUse, next, 1},
	} {
		if err := c.do(noon.Add(c.after)); !errors.Is(err, c.want) {
			t.Fatalf("after %v: %v, want %v", c.after, err, c.want)
		}
		again, err := ParseKeySet(written(t, s)) // as each command of the command line has it
		if err != nil {
			t.Fatal(err)
		}
		s = again
		signer, err := s.Signer("https://dispatch.example.com", JWT)
		if err != nil {
			t.Fatal(err)
		}
		if signer.Key.ID() != c.signs || len(s.Public().Keys) != c.keys {
			t.Fatalf("after %v: %s signs, of %d keys; want %s of %d", c.after, signer.Key.ID(), len(s.Public().Keys), c.signs, c.keys)
		}
		signer.Now = fixed
		call := signed(t, *signer, Call{Method: "GET", URL: receiver}, "")
		v := Verifier{Keys: old, Issuer: signer.Issuer, Origin: receiver, Now: fixed}
		if _, err := v.Verify(Received{call, "GET", "/", nil}); err != nil {
			t.Errorf("after %v: %v", c.after, err)
		}
	}
}

// FuzzParseKeySet: a text is a set that is read again as it was written, or ErrKey.
func FuzzParseKeySet(f *testing.F) {
	s, keys := setOf(f, "ES256", "EdDSA", "HS256")
	if _, err := s.AddWebhook(receiver, noon); err != nil {
		f.Fatal(err)
	}
	f.Add(written(f, s))
	f.Add(pkcs8(keys[0].private))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"","e":"AQAB","d":"","p":"","q":""}]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","d":""}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := ParseKeySet(text)
		if err != nil {
			if !errors.Is(err, ErrKey) {
				t.Errorf("%v is no ErrKey", err)
			}
			return
		}
		again, err := ParseKeySet(written(t, s))
		if err != nil || string(written(t, again)) != string(written(t, s)) {
			t.Errorf("read again: %v", err)
		}
		if _, err := s.Signer("me", JWT); err != nil {
			t.Error(err)
		}
	})
}
