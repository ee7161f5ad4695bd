package target

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/signature"
)

// arrived is a request as the receiver saw it.
type arrived struct {
	*http.Request
	body []byte
}

// receive sends a call to a receiver of its own and returns what came there.
func receive(t *testing.T, signer *signature.Signer, change func(*dispatch.Call)) (got arrived, origin string, a dispatch.Answer) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got = arrived{r, body}
	}))
	defer server.Close()
	c := callOf("POST", server.URL+"/orders?a=1&b=%20", `{"amount":12}`)
	change(&c)
	a = HTTP{Client: local(1), Signer: signer}.Send(t.Context(), c)
	return got, server.URL, a
}

func newSigner(t testing.TB) *signature.Signer {
	t.Helper()
	k, err := signature.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return &signature.Signer{Key: k, Issuer: "https://dispatch.example.com"}
}

func TestHeaders(t *testing.T) {
	own := func(name, value string) func(*dispatch.Call) {
		return func(c *dispatch.Call) { c.Doc.Headers = map[string]dispatch.HeaderValue{name: {Text: value}} }
	}
	body := func(method string, format dispatch.Format, body string) func(*dispatch.Call) {
		return func(c *dispatch.Call) { c.Doc.Method, c.Doc.Format, c.Doc.Body = method, format, []byte(body) }
	}
	const json, text = "application/json", "text/plain; charset=utf-8"
	for _, c := range []struct {
		name   string
		change func(*dispatch.Call)
		header string
		want   string
	}{
		{"envelope", body("POST", dispatch.Envelope, `"text"`), "Content-Type", json},
		{"raw JSON", body("PUT", dispatch.Raw, `{}`), "Content-Type", json},
		{"raw text", body("PATCH", dispatch.Raw, `"text"`), "Content-Type", text},
		{"raw claims", func(c *dispatch.Call) { c.Doc.Format, c.Doc.Body, c.Doc.Claims = dispatch.Raw, nil, []byte(`{}`) }, "Content-Type", "application/jwt"},
		{"claims in an envelope", func(c *dispatch.Call) { c.Doc.Body, c.Doc.Claims = nil, []byte(`{}`) }, "Content-Type", json},
		{"a GET", body("GET", dispatch.Envelope, ``), "Content-Type", ""},
		{"nothing raw", body("POST", dispatch.Raw, ``), "Content-Type", ""},
		{"the task's own type", own("content-TYPE", "application/x-www-form-urlencoded"), "Content-Type", "application/x-www-form-urlencoded"},
		{"a header of the task", own("authorization", "Bearer x"), "Authorization", "Bearer x"},
		{"its trace", own("traceparent", "00-1-2-01"), "Traceparent", "00-1-2-01"},
		{"the sender", own("A", "b"), "User-Agent", "dispatch"},
		{"the task's own sender", own("user-agent", "shop"), "User-Agent", "shop"},
		{"no compression is offered", own("A", "b"), "Accept-Encoding", ""},
		{"the attempt", own("A", "b"), "Dispatch-Attempt", "2"},
		{"the attempt is the service's", own("dispatch-attempt", "1"), "Dispatch-Attempt", "2"},
		{"without a key there is no signature", own("dispatch-signature", "forged"), "Dispatch-Signature", ""},
		{"the id", own("A", "b"), "Idempotency-Key", "order-7"},
		{"the id is the service's", own("idempotency-key", "mine"), "Idempotency-Key", "order-7"},
		{"a run by hand", func(c *dispatch.Call) { c.Task.Run = 3 }, "Idempotency-Key", "order-7/3"},
	} {
		signer := newSigner(t)
		if c.header == "Dispatch-Signature" {
			signer = nil
		}
		got, _, a := receive(t, signer, c.change)
		if a.Status != 200 {
			t.Errorf("%s: %+v", c.name, a)
			continue
		}
		if values := got.Header.Values(c.header); strings.Join(values, "|") != c.want {
			t.Errorf("%s: %s is %q, want %q", c.name, c.header, values, c.want)
		}
	}
}

// What a secret holds is sent, and an attempt without its secret fails without a call and without telling any value.
func TestHeadersThatAreSecrets(t *testing.T) {
	const canary = "s3cret-canary"
	for _, c := range []struct {
		name   string
		holds  string
		err    error
		want   string // what the receiver gets
		failed string // or why there is no call
	}{
		{"a token", "Bearer " + canary, nil, "Bearer " + canary, ""},
		{"nothing", "", nil, "", ""},
		{"no such", "", errors.New("there is no such secret"), "", "header X-Partner: secret shop/token: there is no such secret"},
		{"a line break", canary + "\r\nX-Admin: true", nil, "", "header X-Partner: secret shop/token: holds a character that a header cannot carry, or begins or ends with a space"},
		{"a NUL", canary + "\x00", nil, "", "header X-Partner: secret shop/token: holds a character that a header cannot carry, or begins or ends with a space"},
		{"a line break at its end", canary + "\n", nil, "", "header X-Partner: secret shop/token: holds a character that a header cannot carry, or begins or ends with a space"},
	} {
		calls, got := 0, ""
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			calls++
			got = r.Header.Get("X-Partner")
		}))
		call := callOf("POST", server.URL, `{}`)
		call.Doc.Headers = map[string]dispatch.HeaderValue{"X-Partner": {Secret: "shop/token"}}
		a := HTTP{Client: local(1), Secret: func(_ context.Context, name string) (string, error) {
			if name != "shop/token" {
				t.Errorf("%s: asked for %s", c.name, name)
			}
			return c.holds, c.err
		}}.Send(t.Context(), call)
		server.Close()
		if got != c.want || a.Error != c.failed || (calls == 0) != (c.failed != "") || a.Unsent != (c.failed != "") {
			t.Errorf("%s: the receiver got %q in %d calls, answer %+v", c.name, got, calls, a)
		}
		if strings.Contains(a.Error, canary) {
			t.Errorf("%s: the error shows the value: %s", c.name, a.Error)
		}
	}
	call := callOf("POST", "http://127.0.0.1:1/", `{}`)
	call.Doc.Headers = map[string]dispatch.HeaderValue{"X-Partner": {Secret: "shop/token"}}
	if a := (HTTP{Client: local(1)}).Send(t.Context(), call); a.Error != "header X-Partner: secret shop/token: there are no secrets for headers here" || !a.Unsent {
		t.Errorf("where there are none: %+v", a)
	}
}

func TestReceiversCanVerify(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*dispatch.Call)
	}{
		{"an envelope", func(*dispatch.Call) {}},
		{"a text", func(c *dispatch.Call) { c.Doc.Format, c.Doc.Body = dispatch.Raw, []byte(`"text"`) }},
		{"claims", func(c *dispatch.Call) { c.Doc.Body, c.Doc.Claims = nil, []byte(`{}`) }},
		{"a GET", func(c *dispatch.Call) { c.Doc.Method, c.Doc.Body = "GET", nil }},
		{"a DELETE", func(c *dispatch.Call) { c.Doc.Method, c.Doc.Body = "DELETE", nil }},
		{"no path", func(c *dispatch.Call) { c.Doc.URI = strings.TrimSuffix(c.Doc.URI, "/orders?a=1&b=%20") }},
		{"a fragment", func(c *dispatch.Call) { c.Doc.URI += "#part" }},
	} {
		s := newSigner(t)
		got, origin, a := receive(t, s, c.change)
		if a.Status != 200 {
			t.Errorf("%s: %+v", c.name, a)
			continue
		}
		v := signature.Verifier{Keys: signature.JWKS{Keys: []signature.JWK{s.Key.Public()}}, Issuer: s.Issuer, Origin: origin}
		call, err := v.VerifyRequest(got.Request, got.body)
		if err != nil || call.Task != "order-7" || call.Attempt != 2 || call.Generation != 9 {
			t.Errorf("%s: %+v, %v", c.name, call, err)
		}
	}
}

// A target's sender is the issuer of what is signed for it, and nothing else of the signer changes.
func TestSenderIsTheIssuer(t *testing.T) {
	s := newSigner(t)
	for _, change := range []func(*dispatch.Call){
		func(c *dispatch.Call) { c.Doc.Sender = "billing" },
		func(c *dispatch.Call) {
			c.Doc.Sender, c.Doc.Body, c.Doc.Claims, c.Doc.Format = "billing", nil, []byte(`{}`), dispatch.Raw
		},
	} {
		got, origin, a := receive(t, s, change)
		if a.Status != 200 {
			t.Fatalf("%+v", a)
		}
		v := signature.Verifier{Keys: signature.JWKS{Keys: []signature.JWK{s.Key.Public()}}, Issuer: "billing", Origin: origin}
		if _, err := v.VerifyRequest(got.Request, got.body); err != nil {
			t.Error(err)
		}
		if v.Issuer = s.Issuer; s.Issuer == "billing" {
			t.Error("the signer has changed")
		}
		if _, err := v.VerifyRequest(got.Request, got.body); err == nil {
			t.Error("it is the service's own")
		}
		if token := string(got.body); !strings.HasPrefix(token, "{") {
			claims := jwt.MapClaims{}
			if _, _, err := jwt.NewParser().ParseUnverified(token, claims); err != nil || claims["iss"] != "billing" {
				t.Errorf("%v, %v", claims, err)
			}
		}
	}
}

// Every digit, escape and order of a body comes to the receiver as it was stored.
func TestBodyIsSentAsItIs(t *testing.T) {
	for _, body := range []string{`12345678901234567890`, `1e400`, `-0`, `{"b":1.50,"a":1E+2,"":{}}`, `{"\u0061":"\u0041\/<&>"}`, `[false,null]`} {
		for format, want := range map[dispatch.Format]string{dispatch.Raw: body, dispatch.Envelope: `{"request":` + body + `,"__task":`} {
			got, _, a := receive(t, nil, func(c *dispatch.Call) { c.Doc.Format, c.Doc.Body = format, []byte(body) })
			if text := string(got.body); a.Status != 200 || format == dispatch.Raw && text != want || !strings.HasPrefix(text, want) {
				t.Errorf("%s of %s: the receiver got %s, %+v", format, body, text, a)
			}
		}
	}
}

func TestEnvelopeHasTheType(t *testing.T) {
	for kind, want := range map[string]string{"": "", "invoice.created": "invoice.created"} {
		got, _, _ := receive(t, nil, func(c *dispatch.Call) { c.Doc.Type = kind })
		var e struct {
			Task struct{ Type string } `json:"__task"`
		}
		if err := json.Unmarshal(got.body, &e); err != nil || e.Task.Type != want || kind == "" && strings.Contains(string(got.body), "type") {
			t.Errorf("%s, %v", got.body, err)
		}
	}
}

func TestClaimsAreSent(t *testing.T) {
	s, expireAt := newSigner(t), time.Now().Add(time.Hour).Truncate(time.Second)
	for _, format := range []dispatch.Format{dispatch.Envelope, dispatch.Raw} {
		got, _, a := receive(t, s, func(c *dispatch.Call) {
			c.Doc.Body, c.Doc.Claims, c.Doc.Format = nil, []byte(`{"order":12345678901234567890}`), format
			c.Task.ExpireAt = expireAt
		})
		if a.Status != 200 {
			t.Fatalf("%+v", a)
		}
		token := string(got.body)
		if format == dispatch.Envelope {
			var e struct {
				Request string
				Task    struct{ ID string } `json:"__task"`
			}
			if err := json.Unmarshal(got.body, &e); err != nil || e.Task.ID != "order-7" {
				t.Fatalf("%v: %s", err, got.body)
			}
			token = e.Request
		}
		claims := jwt.MapClaims{}
		if _, _, err := jwt.NewParser(jwt.WithJSONNumber()).ParseUnverified(token, claims); err != nil {
			t.Fatal(err)
		}
		if claims["order"] != json.Number("12345678901234567890") {
			t.Errorf("%s: order is %v", format, claims["order"])
		}
		if exp, err := claims.GetExpirationTime(); err != nil || !exp.Equal(expireAt) {
			t.Errorf("%s: exp is %v, %v, want %v", format, exp, err, expireAt)
		}
	}
	_, _, a := receive(t, nil, func(c *dispatch.Call) { c.Doc.Body, c.Doc.Claims = nil, []byte(`{}`) })
	if want := (dispatch.Answer{Error: "no key to sign the claims with", Unsent: true}); a != want {
		t.Errorf("without a key: %+v, want %+v", a, want)
	}
}
