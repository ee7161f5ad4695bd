package signature

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

func webhookSecret(t testing.TB, text string) WebhookSecret {
	t.Helper()
	s, err := ParseWebhookSecret(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The example of the reference libraries' own tests.
func TestWebhookExample(t *testing.T) {
	secret := webhookSecret(t, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	w, err := SignWebhook([]WebhookSecret{secret}, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; err != nil || w.Signature != want || w.Timestamp() != "1614265330" {
		t.Errorf("%v, %v, want %s", w, err, want)
	}
}

func TestVerifyWebhook(t *testing.T) {
	former, next, stranger := newWebhookSecret(), newWebhookSecret(), newWebhookSecret()
	const body = `{"a":1}`
	sign := func(secrets ...WebhookSecret) string {
		w, err := SignWebhook(secrets, "order-7", noon, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		return w.Signature
	}
	good := sign(former)
	set := func(name, value string) func(http.Header) { return func(h http.Header) { h.Set(name, value) } }
	hostile := 0
	for _, c := range []struct {
		name   string
		change func(http.Header)
		body   string
		at     time.Duration // when it is verified
		want   error
	}{
		{name: "as it was sent"},
		{name: "by two secrets while they change", change: set(WebhookSignature, sign(next, former))},
		{name: "beside versions that are not known", change: set(WebhookSignature, "v1a,xx v2,yy "+good)},
		{name: "at the last moment", at: WebhookTolerance},
		{name: "by a clock that is behind", at: -WebhookTolerance},

		{name: "too old", at: WebhookTolerance + time.Second, want: ErrExpired},
		{name: "from the future", at: -WebhookTolerance - time.Second, want: ErrNotYetValid},
		{name: "no id", change: func(h http.Header) { h.Del(WebhookID) }, want: ErrMissing},
		{name: "no timestamp", change: func(h http.Header) { h.Del(WebhookTimestamp) }, want: ErrMissing},
		{name: "no signature", change: func(h http.Header) { h.Del(WebhookSignature) }, want: ErrMissing},
		{name: "two signature headers", change: func(h http.Header) { h.Add(WebhookSignature, good) }, want: ErrMissing},
		{name: "another id", change: set(WebhookID, "order-8"), want: ErrSignature},
		{name: "another time", change: set(WebhookTimestamp, "1772366401"), want: ErrSignature},
		{name: "no time", change: set(WebhookTimestamp, "noon"), want: ErrMalformed},
		{name: "a time written otherwise", change: set(WebhookTimestamp, "+1772366400"), want: ErrMalformed},
		{name: "an id with a full stop", change: set(WebhookID, "order-7.1772366400"), want: ErrMalformed},
		{name: "a byte of the body changed", body: `{"a":2}`, want: ErrSignature},
		{name: "a byte more", body: body + " ", want: ErrSignature},
		{name: "a stranger's secret", change: set(WebhookSignature, sign(stranger)), want: ErrSignature},
		{name: "another version", change: set(WebhookSignature, strings.Replace(good, "v1,", "v2,", 1)), want: ErrSignature},
		{name: "no version", change: set(WebhookSignature, strings.TrimPrefix(good, "v1,")), want: ErrSignature},
		{name: "an empty signature", change: set(WebhookSignature, "v1,"), want: ErrSignature},
		{name: "after too many others", change: set(WebhookSignature, strings.Repeat("v1,AA== ", maxWebhookSum)+good), want: ErrSignature},
		{name: "garbage", change: set(WebhookSignature, "garbage"), want: ErrSignature},
	} {
		if c.want != nil {
			hostile++
		}
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/", nil)
			r.Header.Set(WebhookID, "order-7")
			r.Header.Set(WebhookTimestamp, "1772366400")
			r.Header.Set(WebhookSignature, good)
			if c.change != nil {
				c.change(r.Header)
			}
			if c.body == "" {
				c.body = body
			}
			v := WebhookVerifier{Secrets: []WebhookSecret{next, former}, Now: func() time.Time { return noon.Add(c.at) }}
			w, err := v.VerifyRequest(r, []byte(c.body))
			if !errors.Is(err, c.want) || err == nil && (w.ID != "order-7" || !w.At.Equal(noon)) || err != nil && w != (Webhook{}) {
				t.Errorf("%v, %v, want %v", w, err, c.want)
			}
		})
	}
	if _, err := (WebhookVerifier{Now: fixed}).VerifyRequest(&http.Request{Header: http.Header{
		WebhookID: {"a"}, WebhookTimestamp: {"1772366400"}, WebhookSignature: {good}}}, nil); !errors.Is(err, ErrNoSecret) {
		t.Errorf("without secrets: %v", err)
	}
	t.Logf("hostile: %d webhooks tried, each refused with its own reason", hostile)
}

func TestWebhookSecretsThatAreRefused(t *testing.T) {
	for _, text := range []string{"", "whsec_", "whsec_%", "secret", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + strings.Repeat("A", 28), "whsec_" + strings.Repeat("A", 88)} {
		if _, err := ParseWebhookSecret(text); !errors.Is(err, ErrKey) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Each origin has secrets of its own; how a call is signed follows from the mode.
func TestModes(t *testing.T) {
	s, _ := setOf(t, "ES256")
	for range 2 {
		if _, err := s.AddWebhook(receiver, noon); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		mode       Mode
		url        string
		jwt        bool
		signatures int
		want       error
	}{
		{"", receiver, true, 0, nil},
		{JWT, receiver, true, 0, nil},
		{Webhooks, receiver + "/path", false, 2, nil},
		{Webhooks, "https://API.example.com:443/", false, 2, nil},
		{Webhooks, "https://other.example.com", false, 0, ErrNoSecret},
		{Both, receiver, true, 2, nil},
		{Both, "https://other.example.com", true, 0, nil},
	} {
		signer, err := s.Signer("me", c.mode)
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(c.url)
		if err != nil {
			t.Fatal(err)
		}
		w, ok, err := signer.SignWebhookTo(u, "a.b/2", []byte("x"))
		if n := strings.Count(w.Signature, "v1,"); n != c.signatures || ok != (n > 0) || signer.SignsJWT() != c.jwt || !errors.Is(err, c.want) {
			t.Errorf("%s to %s: %d signatures, a JWT %v, %v", c.mode, c.url, n, signer.SignsJWT(), err)
		}
		if ok && w.ID != "a%2Eb/2" {
			t.Errorf("id %s", w.ID)
		}
	}
	bare, _ := setOf(t, "ES256")
	for _, mode := range []Mode{Webhooks, Both} {
		if _, err := bare.Signer("me", mode); !errors.Is(err, ErrKey) {
			t.Errorf("%s without secrets: %v", mode, err)
		}
	}
	if _, err := ParseMode("none"); err == nil {
		t.Error("a mode that is none was taken")
	}
}

// FuzzVerifyWebhook: only what was signed is accepted, in one reading only.
func FuzzVerifyWebhook(f *testing.F) {
	secret := webhookSecret(f, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw") // the same in all processes of a fuzzer
	good, err := SignWebhook([]WebhookSecret{secret}, "a", noon, []byte("1772366400.x"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add("a", good.Timestamp(), good.Signature, []byte("1772366400.x"))
	f.Add("a.1772366400", good.Timestamp(), good.Signature, []byte("x"))
	f.Fuzz(func(t *testing.T, id, timestamp, signatures string, body []byte) {
		v := WebhookVerifier{Secrets: []WebhookSecret{secret}, Now: fixed}
		_, err := v.verify(http.Header{WebhookID: {id}, WebhookTimestamp: {timestamp}, WebhookSignature: {signatures}}, body)
		own := id == "a" && timestamp == good.Timestamp() && strings.Contains(" "+signatures+" ", " "+good.Signature+" ") && string(body) == "1772366400.x"
		if err == nil && !own {
			t.Errorf("accepted %q %q %q %q", id, timestamp, signatures, body)
		}
	})
}
