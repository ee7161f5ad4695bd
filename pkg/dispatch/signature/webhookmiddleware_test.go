package signature

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// What is let through, and what is refused as seen before or overtaken.
func TestWebhookMiddleware(t *testing.T) {
	secret := newWebhookSecret()
	now := noon
	memory := &LocalMemory{Now: func() time.Time { return now }}
	m := WebhookMiddleware{Verifier: WebhookVerifier{Secrets: []WebhookSecret{secret}, Now: memory.Now}, Memory: memory, MaxBody: 8}
	var handled string
	h := m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		w, ok := WebhookFrom(r.Context())
		body, err := io.ReadAll(r.Body)
		if !ok || err != nil || string(body) != "{}" {
			t.Errorf("the handler sees %v, %q, %v", ok, body, err)
		}
		handled = w.ID
	}))
	call := func(id string, at time.Duration, body string) *http.Request {
		w, err := SignWebhook([]WebhookSecret{secret}, id, noon.Add(at), []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodPost, "/x", strings.NewReader(body))
		r.Header.Set(WebhookID, w.ID)
		r.Header.Set(WebhookTimestamp, w.Timestamp())
		r.Header.Set(WebhookSignature, w.Signature)
		return r
	}
	elsewhere := call("a", 0, "{}")
	elsewhere.RequestURI, elsewhere.Method = "/y", http.MethodPut
	forged := call("a", 0, "{}")
	forged.Body = io.NopCloser(strings.NewReader("[]"))
	for _, c := range []struct {
		name   string
		r      *http.Request
		after  time.Duration // when it comes
		status int
		detail string
	}{
		{"not signed", httptest.NewRequest(http.MethodPost, "/x", unread{t}), 0, 401, "no signature"},
		{"another body is not remembered", forged, 0, 401, "does not match"},
		{"too long", call("a", 0, "too long!"), 0, 413, "longer than 8 bytes"},
		{"the first", call("a", 0, "{}"), 0, 200, ""},
		{"the same again", call("a", 0, "{}"), 0, 409, ErrReplayed.Error()},
		{"the same, to another URL", elsewhere, 0, 409, ErrReplayed.Error()},
		{"the same with another body under the same time", call("a", 0, "[]"), 0, 409, ErrReplayed.Error()},
		{"another task", call("b", 0, "{}"), 0, 200, ""},
		{"the next attempt", call("a", 2*time.Second, "{}"), 0, 200, ""},
		{"one from before", call("a", time.Second, "{}"), 0, 409, ErrStale.Error()},
		{"the first at its last moment", call("a", 0, "{}"), WebhookTolerance, 409, ErrReplayed.Error()},
		{"the first after it", call("a", 0, "{}"), WebhookTolerance + time.Nanosecond, 401, "expired"},
		{"one from before, at its last moment", call("a", time.Second, "{}"), WebhookTolerance + time.Second, 409, ErrStale.Error()},
		{"from the future", call("c", time.Hour, "{}"), 0, 401, "not valid yet"},
	} {
		now, handled = noon.Add(c.after), ""
		w := answer(h, c.r)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.detail) || (handled != "") != (c.status == 200) {
			t.Errorf("%s: %d %s, handled %q, want %d %s", c.name, w.Code, w.Body, handled, c.status, c.detail)
		}
		if challenge := w.Header().Get("WWW-Authenticate"); (challenge == WebhookSignature) != (c.status == 401) {
			t.Errorf("%s: WWW-Authenticate: %q", c.name, challenge)
		}
	}
	m.Verifier.Secrets = nil
	if w := answer(m.Handler(h), call("d", 0, "{}")); w.Code != 503 {
		t.Errorf("without secrets: %d %s", w.Code, w.Body)
	}
	if _, ok := WebhookFrom(t.Context()); ok {
		t.Error("a call where none was verified")
	}
}
