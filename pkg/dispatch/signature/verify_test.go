package signature

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const (
	receiver = "https://api.example.com"
	timeout  = 30 * time.Second
)

func signed(t testing.TB, s Signer, c Call, body string) string {
	t.Helper()
	token, err := s.SignCall(c, []byte(body), timeout)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// forged makes a token of any header and claims, signed by sign.
func forged(header, claims string, sign func(text string) []byte) string {
	text := base64URL([]byte(header)) + "." + base64URL([]byte(claims))
	return text + "." + base64URL(sign(text))
}

func verifier(s Signer) Verifier {
	return Verifier{Keys: JWKS{[]JWK{s.Key.Public()}}, Issuer: s.Issuer, Origin: receiver, Now: fixed}
}

func TestVerify(t *testing.T) {
	s, stranger := newSigner(t), newSigner(t)
	edwards, err := ParseKey(pkcs8(edKey(t)))
	if err != nil {
		t.Fatal(err)
	}
	call := Call{Task: "order-7", Attempt: 2, Generation: 9, Method: "POST", URL: receiver + "/orders?id=7"}
	const body = `{"amount":12}`
	good := signed(t, s, call, body)
	claims, err := s.SignClaims([]byte(`{"aud":"`+receiver+`","method":"POST","url":"`+call.URL+`","sha256":"`+digest([]byte(body))+`"}`),
		noon.Add(time.Hour), timeout)
	if err != nil {
		t.Fatal(err)
	}
	same := func(*Received, *Verifier) {}
	token := func(s string) func(*Received, *Verifier) { return func(r *Received, _ *Verifier) { r.Signature = s } }
	secret, err := x509.MarshalPKIXPublicKey(s.Key.private.Public())
	if err != nil {
		t.Fatal(err)
	}
	hmacOf := func(key []byte) func(string) []byte {
		return func(text string) []byte {
			mac := hmac.New(sha256.New, key)
			mac.Write([]byte(text))
			return mac.Sum(nil)
		}
	}
	by := func(s Signer) func(string) []byte {
		return func(text string) []byte {
			sum, err := s.Key.method.Sign(text, s.Key.private)
			if err != nil {
				t.Fatal(err)
			}
			return sum
		}
	}
	byService, byStranger := by(s), by(stranger)
	jwk := func(s Signer) string {
		text, err := json.Marshal(s.Key.Public())
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	payload := func(drop string) string {
		all := part(t, good, 1)
		delete(all, drop)
		text, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	kid := `","kid":"` + s.Key.ID() + `","typ":"` + CallType + `"}`
	parts := strings.Split(good, ".")

	hostile, missing := 0, map[error]bool{}
	for _, why := range untrue() {
		missing[why] = true
	}
	for _, c := range []struct {
		name   string
		change func(*Received, *Verifier)
		want   error
	}{
		{"as it was sent", same, nil},
		{"at its last second", func(_ *Received, v *Verifier) {
			v.Now = func() time.Time { return noon.Add(timeout + Margin - time.Second) }
		}, nil},
		{"one of several keys", func(_ *Received, v *Verifier) { v.Keys.Keys = append([]JWK{stranger.Key.Public()}, v.Keys.Keys...) }, nil},
		{"an origin written otherwise", func(_ *Received, v *Verifier) { v.Origin = "https://API.example.com:443/" }, nil},
		{"Ed25519", func(r *Received, v *Verifier) {
			v.Keys.Keys = []JWK{edwards.Public()}
			r.Signature = signed(t, Signer{Key: edwards, Issuer: s.Issuer, Now: fixed}, call, body)
		}, nil},

		{"no signature", token(""), ErrMissing},
		{"garbage", token("garbage"), ErrMalformed},
		{"garbage with dots", token("a.b.c"), ErrMalformed},
		{"four parts", token(good + ".x"), ErrMalformed},
		{"JSON of the wrong types", token(forged(`{"alg":"ES256`+kid, `{"exp":"soon"}`, byService)), ErrMalformed},
		{"endless", token(forged(`{"alg":"ES256`+kid, strings.Replace(payload(""), "{", `{"x":"`+strings.Repeat("x", maxToken)+`",`, 1), byService)), ErrOversized},
		{"long", token(forged(`{"alg":"ES256`+kid, strings.Replace(payload(""), "{", `{"x":"`+strings.Repeat("x", maxToken/2)+`",`, 1), byService)), nil},
		{"bits that stand for nothing", token(good[:len(good)-1] + string(good[len(good)-1]+1)), ErrMalformed},
		{"a line break in the signature", token(good[:len(good)-4] + "\n" + good[len(good)-4:]), ErrMalformed},
		{"a space before it", token(" " + good), ErrMalformed},
		{"two tokens with a comma between", token(good + ", " + good), ErrMalformed},
		{"a scheme before it", token("Bearer " + good), ErrMalformed},
		{"in JSON", token(`{"protected":"` + parts[0] + `","payload":"` + parts[1] + `","signature":"` + parts[2] + `"}`), ErrMalformed},
		{"encrypted", token(parts[0] + ".." + parts[1] + "." + parts[1] + "." + parts[2]), ErrMalformed},
		{"an array for claims", token(forged(`{"alg":"ES256`+kid, `[`+payload("")+`]`, byService)), ErrMalformed},
		{"no claims", token(forged(`{"alg":"ES256`+kid, `{}`, byService)), ErrMalformed},
		{"an end beyond numbers", token(forged(`{"alg":"ES256`+kid, strings.Replace(payload("exp"), "{", `{"exp":1e999,`, 1), byService)), ErrMalformed},
		{"padded base64", token(good + "="), ErrMalformed},

		{"alg none", token(base64URL([]byte(`{"alg":"none`+kid)) + "." + parts[1] + "."), ErrAlgorithm},
		{"alg None", token(base64URL([]byte(`{"alg":"None`+kid)) + "." + parts[1] + "."), ErrAlgorithm},
		{"no alg", token(base64URL([]byte(`{"kid":"x"}`)) + "." + parts[1] + "." + parts[2]), ErrAlgorithm},
		{"HS256 with the public key as secret", token(forged(`{"alg":"HS256`+kid, payload(""), hmacOf(secret))), ErrAlgorithm},
		{"HS256 with the coordinate as secret", token(forged(`{"alg":"HS256`+kid, payload(""), hmacOf([]byte(s.Key.Public().X)))), ErrAlgorithm},
		{"HS256 with the public key in PEM as secret", token(forged(`{"alg":"HS256`+kid, payload(""), hmacOf(block("PUBLIC KEY", secret, nil)))), ErrAlgorithm},
		{"HS256 with an empty secret", token(forged(`{"alg":"HS256`+kid, payload(""), hmacOf(nil))), ErrAlgorithm},
		{"RS256", token(forged(`{"alg":"RS256`+kid, payload(""), byService)), ErrAlgorithm},
		{"ES384", token(forged(`{"alg":"ES384`+kid, payload(""), byService)), ErrAlgorithm},
		{"another algorithm than the key's", token(forged(`{"alg":"EdDSA`+kid, payload(""), byService)), ErrUnknownKey},

		{"the same, where the published key names none", func(r *Received, v *Verifier) {
			v.Keys.Keys[0].Algorithm = ""
			r.Signature = forged(`{"alg":"EdDSA`+kid, payload(""), byService)
		}, ErrUnknownKey},
		{"a published key that names no algorithm", func(_ *Received, v *Verifier) { v.Keys.Keys[0].Algorithm = "" }, nil},

		{"a stranger's key", token(signed(t, stranger, call, body)), ErrUnknownKey},
		{"a stranger's key under the service's id", token(forged(`{"alg":"ES256`+kid, payload(""), byStranger)), ErrSignature},
		{"another key id", token(forged(`{"alg":"ES256","kid":"`+stranger.Key.ID()+`","typ":"`+CallType+`"}`, payload(""), byService)), ErrUnknownKey},
		{"the id of another of the service's keys", func(r *Received, v *Verifier) {
			v.Keys.Keys = append(v.Keys.Keys, stranger.Key.Public())
			r.Signature = forged(`{"alg":"ES256","kid":"`+stranger.Key.ID()+`","typ":"`+CallType+`"}`, payload(""), byService)
		}, ErrSignature},
		{"a path for a key id", token(forged(`{"alg":"ES256","kid":"../../dev/null","typ":"`+CallType+`"}`, payload(""), byService)), ErrUnknownKey},
		{"a number for a key id", token(forged(`{"alg":"ES256","kid":7,"typ":"`+CallType+`"}`, payload(""), byService)), ErrUnknownKey},
		{"a key of its own in the header", token(forged(`{"alg":"ES256","kid":"own","jwk":`+jwk(stranger)+`,"typ":"`+CallType+`"}`, payload(""), byStranger)), ErrUnknownKey},
		{"a place for its key in the header", token(forged(`{"alg":"ES256","kid":"own","jku":"https://evil.example.com/","typ":"`+CallType+`"}`, payload(""), byStranger)), ErrUnknownKey},
		{"a key of its own in the header, under the service's id", token(forged(`{"alg":"ES256","jwk":`+jwk(stranger)+kid[1:], payload(""), byStranger)), ErrSignature},
		{"a signature of noughts", token(forged(`{"alg":"ES256`+kid, payload(""), func(string) []byte { return make([]byte, 64) })), ErrSignature},
		{"a signature in DER", token(forged(`{"alg":"ES256`+kid, payload(""), func(text string) []byte {
			sum := sha256.Sum256([]byte(text))
			der, err := s.Key.private.Sign(rand.Reader, sum[:], crypto.SHA256)
			if err != nil {
				t.Fatal(err)
			}
			return der
		})), ErrSignature},
		{"no key id", token(forged(`{"alg":"ES256","typ":"`+CallType+`"}`, payload(""), byService)), ErrUnknownKey},
		{"no keys at all", func(_ *Received, v *Verifier) { v.Keys = JWKS{} }, ErrUnknownKey},
		{"a published key for encryption", func(_ *Received, v *Verifier) { v.Keys.Keys[0].Use = "enc" }, ErrUnknownKey},
		{"a published point off the curve", func(_ *Received, v *Verifier) { v.Keys.Keys[0].Y = v.Keys.Keys[0].X }, ErrUnknownKey},
		{"claims changed", token(parts[0] + "." + base64URL([]byte(strings.Replace(payload(""), `"attempt":2`, `"attempt":3`, 1))) + "." + parts[2]), ErrSignature},
		{"signature cut off", token(parts[0] + "." + parts[1] + "."), ErrSignature},

		{"expired", func(_ *Received, v *Verifier) { v.Now = func() time.Time { return noon.Add(timeout + Margin) } }, ErrExpired},
		{"expired, within the leeway", func(_ *Received, v *Verifier) {
			v.Now, v.Leeway = func() time.Time { return noon.Add(timeout + Margin) }, time.Second
		}, nil},
		{"without exp", token(forged(`{"alg":"ES256`+kid, payload("exp"), byService)), ErrMalformed},
		{"without aud", token(forged(`{"alg":"ES256`+kid, payload("aud"), byService)), ErrMalformed},
		{"without iss", token(forged(`{"alg":"ES256`+kid, payload("iss"), byService)), ErrMalformed},
		{"without sha256", token(forged(`{"alg":"ES256`+kid, payload("sha256"), byService)), ErrBody},
		{"another issuer", func(_ *Received, v *Verifier) { v.Issuer = "https://other.example.com" }, ErrIssuer},
		{"for another receiver", func(_ *Received, v *Verifier) { v.Origin = "https://other.example.com" }, ErrAudience},
		{"for the same host over http:", func(_ *Received, v *Verifier) { v.Origin = "http://api.example.com" }, ErrAudience},
		{"for another port", func(_ *Received, v *Verifier) { v.Origin = receiver + ":8443" }, ErrAudience},
		{"a body of claims that looks like a call", token(claims), ErrType},

		{"signed by a clock a margin ahead", func(_ *Received, v *Verifier) { v.Now = func() time.Time { return noon.Add(-Margin) } }, nil},
		{"signed in the future", func(_ *Received, v *Verifier) {
			v.Now = func() time.Time { return noon.Add(-Margin - time.Second) }
		}, ErrNotYetValid},
		{"not yet valid", token(forged(`{"alg":"ES256`+kid, strings.Replace(payload(""), "{", `{"nbf":1772366401,`, 1), byService)), ErrNotYetValid},
		{"valid from now", token(forged(`{"alg":"ES256`+kid, strings.Replace(payload(""), "{", `{"nbf":1772366400,`, 1), byService)), nil},

		{"a claim twice", token(forged(`{"alg":"ES256`+kid, strings.Replace(payload(""), "{", `{"aud":"https://other.example.com",`, 1), byService)), ErrDuplicate},
		{"a claim twice, in another case", token(forged(`{"alg":"ES256`+kid, strings.Replace(payload(""), "{", `{"EXP":99999999999,`, 1), byService)), ErrDuplicate},
		{"a claim twice, with a long s", token(forged(`{"alg":"ES256`+kid, strings.Replace(payload(""), "{", `{"iſs":"x",`, 1), byService)), ErrDuplicate},
		{"a claim twice, escaped", token(forged(`{"alg":"ES256`+kid, strings.Replace(payload(""), "{", `{"exp":99999999999,`, 1), byService)), ErrDuplicate},
		{"alg twice", token(forged(`{"alg":"none","alg":"ES256`+kid, payload(""), byService)), ErrDuplicate},
		{"kid twice", token(forged(`{"kid":"`+stranger.Key.ID()+`","alg":"ES256`+kid, payload(""), byService)), ErrDuplicate},

		{"another method", func(r *Received, _ *Verifier) { r.Method = "PUT" }, ErrMethod},
		{"another path", func(r *Received, _ *Verifier) { r.URI = "/refunds?id=7" }, ErrURL},
		{"another query", func(r *Received, _ *Verifier) { r.URI = "/orders?id=8" }, ErrURL},
		{"a host in the request line", func(r *Received, _ *Verifier) { r.URI = call.URL }, ErrURL},
		{"a byte of the body changed", func(r *Received, _ *Verifier) { r.Body[len(r.Body)-2] ^= 1 }, ErrBody},
		{"a byte more", func(r *Received, _ *Verifier) { r.Body = append(r.Body, '\n') }, ErrBody},
		{"no body", func(r *Received, _ *Verifier) { r.Body = nil }, ErrBody},

		{"no origin configured", func(_ *Received, v *Verifier) { v.Origin = "" }, ErrVerifier},
		{"no issuer configured", func(_ *Received, v *Verifier) { v.Issuer = "" }, ErrVerifier},
	} {
		if c.want != nil {
			hostile++
		}
		delete(missing, c.want)
		t.Run(c.name, func(t *testing.T) {
			v, got := verifier(s), Received{Signature: good, Method: "POST", URI: "/orders?id=7", Body: []byte(body)}
			c.change(&got, &v)
			verified, err := v.Verify(got)
			if !errors.Is(err, c.want) {
				t.Fatalf("%v, want %v", err, c.want)
			}
			want := Call{}
			if c.want == nil {
				want = call
				want.ID, want.SignedAt, want.ExpiresAt = verified.ID, noon, noon.Add(timeout+Margin)
				if verified.ID == "" {
					t.Error("no id")
				}
			}
			if verified != want {
				t.Errorf("%+v, want %+v", verified, want)
			}
		})
	}
	for why := range missing {
		t.Errorf("nothing was tried that is refused with %q", why)
	}
	t.Logf("hostile: %d tokens tried, each refused with its own reason", hostile)
}

func TestVerifyRequest(t *testing.T) {
	s := newSigner(t)
	token := signed(t, s, Call{Method: "GET", URL: receiver + "/a%2Fb?q=%41"}, "")
	for _, c := range []struct {
		name   string
		header []string
		want   error
	}{
		{"one header", []string{token}, nil},
		{"none", nil, ErrMissing},
		{"two", []string{token, token}, ErrMissing},
	} {
		r := httptest.NewRequest(http.MethodGet, "/a%2Fb?q=%41", nil)
		for _, value := range c.header {
			r.Header.Add(Header, value)
		}
		if _, err := verifier(s).VerifyRequest(r, nil); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestPublishedKeysVerify(t *testing.T) {
	s := newSigner(t)
	published, err := json.Marshal(JWKS{[]JWK{s.Key.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	// A key of a kind that is not used here must not spoil the set.
	mixed := strings.Replace(string(published), `"keys":[`, `"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"r"},`, 1)
	v := verifier(s)
	if v.Keys, err = ParseJWKS([]byte(mixed)); err != nil {
		t.Fatal(err)
	}
	c := Call{Method: "GET", URL: receiver}
	if _, err := v.Verify(Received{signed(t, s, c, ""), "GET", "/", nil}); err != nil {
		t.Error(err)
	}
	if _, err := ParseJWKS([]byte("no JSON")); err == nil {
		t.Error("a set that is no JSON was taken")
	}
}

// FuzzVerify: whatever a token is made of, only the service's own is accepted, and nothing panics.
func FuzzVerify(f *testing.F) {
	// The processes of a fuzzer must have the same key and the same token, or none knows the other's.
	key, err := ParseKey(pkcs8(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))))
	if err != nil {
		f.Fatal(err)
	}
	s := Signer{Key: key, Issuer: "https://dispatch.example.com", Now: fixed}
	good := forged(`{"alg":"EdDSA","kid":"`+key.ID()+`","typ":"`+CallType+`"}`,
		`{"iss":"`+s.Issuer+`","aud":"`+receiver+`","exp":1772366490,"method":"POST","url":"`+receiver+`/","sha256":"`+digest([]byte("body"))+`"}`,
		func(text string) []byte {
			sum, err := key.sign(f.Context(), text)
			if err != nil {
				f.Fatal(err)
			}
			return sum
		})
	f.Add(good, "POST", "/", []byte("body"))
	f.Add("", "GET", "", []byte{})
	f.Add("eyJhbGciOiJub25lIn0.e30.", "POST", "/", []byte("body"))
	f.Add("eyJhbGciOiJFUzI1NiJ9.eyJleHAiOjFlOTk5fQ.AAAA", "POST", "/", []byte("body"))
	f.Fuzz(func(t *testing.T, token, method, uri string, body []byte) {
		_, err := verifier(s).Verify(Received{token, method, uri, body})
		if own := token == good && method == "POST" && uri == "/" && string(body) == "body"; own != (err == nil) {
			t.Errorf("own %v, err %v", own, err)
		}
	})
}

// FuzzVerifySigned: whatever is signed with the service's key, only what says that it is this very call is accepted.
func FuzzVerifySigned(f *testing.F) {
	s := newSigner(f)
	good := `{"iss":"` + s.Issuer + `","aud":"` + receiver + `","exp":1772366490,"method":"POST","url":"` + receiver + `/","sha256":"` + digest(nil) + `"}`
	for _, claims := range []string{good, `{"aud":[],` + good[1:], strings.Replace(good, "1772366490", "1e10", 1), strings.Replace(good, "{", `{"nbf":-1,"iat":-1,`, 1)} {
		f.Add(CallType, claims)
		f.Add(ClaimsType, claims)
	}
	f.Fuzz(func(t *testing.T, typ, claims string) {
		header, err := json.Marshal(map[string]string{"alg": "ES256", "kid": s.Key.ID(), "typ": typ})
		if err != nil {
			t.Fatal(err)
		}
		token := forged(string(header), claims, func(text string) []byte {
			sum, err := s.Key.sign(t.Context(), text)
			if err != nil {
				t.Fatal(err)
			}
			return sum
		})
		if _, err := verifier(s).Verify(Received{token, "POST", "/", nil}); err != nil {
			return
		}
		var said map[string]any
		if err := json.Unmarshal([]byte(claims), &said); err != nil {
			t.Fatalf("accepted %s: %v", claims, err)
		}
		folded := map[string]any{} // encoding/json takes names for equal that differ in case
		for name, value := range said {
			folded[strings.ToLower(strings.Map(fold, name))] = value
		}
		exp, _ := folded["exp"].(float64)
		if typ != CallType || folded["aud"] != receiver || folded["iss"] != s.Issuer || folded["method"] != "POST" || folded["url"] != receiver+"/" ||
			folded["sha256"] != digest(nil) || exp <= float64(noon.Unix()) {
			t.Errorf("accepted as %q: %s", typ, claims)
		}
	})
}

// FuzzParseKey: a text is a key or ErrKey, and a key signs.
func FuzzParseKey(f *testing.F) {
	s := newSigner(f)
	text, err := s.Key.PEM()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(sec1(s.Key.private.(*ecdsa.PrivateKey)))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----"))
	f.Fuzz(func(t *testing.T, text []byte) {
		k, err := ParseKey(text)
		if err != nil {
			if !errors.Is(err, ErrKey) {
				t.Errorf("%v is no ErrKey", err)
			}
			return
		}
		if _, err := (Signer{Key: k, Issuer: "i"}).SignCall(Call{URL: receiver}, nil, 0); err != nil {
			t.Error(err)
		}
	})
}
