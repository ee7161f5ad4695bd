package signature

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// request is a call as it arrives, its signature by s.
func request(t testing.TB, s Signer, c Call, body string) *http.Request {
	t.Helper()
	r := httptest.NewRequest(c.Method, strings.TrimPrefix(c.URL, receiver), strings.NewReader(body))
	r.Header.Set(Header, signed(t, s, c, body))
	return r
}

// copied is the request once more, as somebody has copied it.
func copied(r *http.Request, body string) *http.Request {
	again := httptest.NewRequest(r.Method, r.RequestURI, strings.NewReader(body))
	again.Header = r.Header.Clone()
	return again
}

func answer(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestMiddleware(t *testing.T) {
	s := newSigner(t)
	const body = `{"n":1}`
	call := Call{Task: "order-7", Attempt: 2, Generation: 9, Method: "POST", URL: receiver + "/orders?id=7"}
	for _, c := range []struct {
		name   string
		change func(*http.Request, *Middleware)
		status int
		detail string
	}{
		{"as it was sent", nil, 204, ""},
		{"not signed", func(r *http.Request, _ *Middleware) { r.Header.Del(Header) }, 401, "no signature"},
		{"not signed, and endless", func(r *http.Request, _ *Middleware) { r.Header.Del(Header); r.Body = unread{t} }, 401, "no signature"},
		{"two signatures", func(r *http.Request, _ *Middleware) { r.Header.Add(Header, r.Header.Get(Header)) }, 401, "no signature"},
		{"garbage", func(r *http.Request, _ *Middleware) { r.Header.Set(Header, "garbage") }, 401, "malformed"},
		{"another body", func(r *http.Request, _ *Middleware) { r.Body = io.NopCloser(strings.NewReader(`{"n":2}`)) }, 401, "another body"},
		{"another method", func(r *http.Request, _ *Middleware) { r.Method = "PUT" }, 401, "another method"},
		{"another URL", func(r *http.Request, _ *Middleware) { r.RequestURI = "/orders?id=8" }, 401, "another URL"},
		{"expired", func(_ *http.Request, m *Middleware) { m.Verifier.Now = func() time.Time { return noon.Add(time.Hour) } }, 401, "expired"},
		{"for another receiver", func(_ *http.Request, m *Middleware) { m.Verifier.Origin = "https://other.example.com" }, 401, "another receiver"},
		{"a body at the limit", func(_ *http.Request, m *Middleware) { m.MaxBody = int64(len(body)) }, 204, ""},
		{"a body over the limit", func(_ *http.Request, m *Middleware) { m.MaxBody = int64(len(body)) - 1 }, 413, "longer than 6 bytes"},
		{"a body that breaks off", func(r *http.Request, _ *Middleware) {
			r.Body = io.NopCloser(io.MultiReader(strings.NewReader("{"), broken{}))
		}, 400, "cannot be read"},
		{"no keys", func(_ *http.Request, m *Middleware) {
			m.Keys = func(context.Context, bool) (JWKS, error) { return JWKS{}, errors.New("secret detail") }
		}, 503, "cannot be checked"},
		{"a memory that fails", func(_ *http.Request, m *Middleware) { m.Memory = failing{} }, 503, "cannot be checked"},
		{"no verifier", func(_ *http.Request, m *Middleware) { m.Verifier.Issuer = "" }, 503, "cannot be checked"},
		{"a key that is read at once when it is named", func(_ *http.Request, m *Middleware) {
			keys := m.Verifier.Keys
			m.Verifier.Keys, m.Keys = JWKS{}, func(_ context.Context, again bool) (JWKS, error) {
				if again {
					return keys, nil
				}
				return JWKS{}, nil
			}
		}, 204, ""},
		{"a key that nobody has", func(_ *http.Request, m *Middleware) {
			m.Keys = func(context.Context, bool) (JWKS, error) { return JWKS{}, nil }
		}, 401, "unknown key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, m := request(t, s, call, body), Middleware{Verifier: verifier(s), Memory: &LocalMemory{Now: fixed}}
			if c.change != nil {
				c.change(r, &m)
			}
			handled := false
			w := answer(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				handled = true
				got, ok := CallFrom(r.Context())
				text, err := io.ReadAll(r.Body)
				if !ok || got.Task != "order-7" || got.Attempt != 2 || got.Generation != 9 || string(text) != body || err != nil {
					t.Errorf("the handler sees %+v, %v, %q, %v", got, ok, text, err)
				}
				w.WriteHeader(204)
			})), r)
			if w.Code != c.status || handled != (c.status == 204) {
				t.Fatalf("%d, handled %v, want %d: %s", w.Code, handled, c.status, w.Body)
			}
			if handled {
				return
			}
			var p struct {
				Title, Detail string
				Status        int
			}
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != c.status || p.Title == "" || !strings.Contains(p.Detail, c.detail) {
				t.Errorf("%s, want %q", w.Body, c.detail)
			}
			if strings.Contains(w.Body.String(), "secret detail") {
				t.Error("it shows why the keys are missing")
			}
			if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
				t.Error(got)
			}
			if challenged := w.Header().Get("WWW-Authenticate") != ""; challenged != (c.status == 401) {
				t.Errorf("WWW-Authenticate: %v", challenged)
			}
		})
	}
	if _, ok := CallFrom(t.Context()); ok {
		t.Error("a call where none was verified")
	}
}

// What is refused as seen before or overtaken, and what must not be: a retry whose former answer was lost.
func TestReplaysAndOvertakenCalls(t *testing.T) {
	s := newSigner(t)
	call := func(task string, attempt int, generation int64, path string) *http.Request {
		return request(t, s, Call{Task: task, Attempt: attempt, Generation: generation, Method: "POST", URL: receiver + path}, "x")
	}
	now := noon
	memory := &LocalMemory{Now: func() time.Time { return now }}
	v := verifier(s)
	v.Now = memory.Now
	h := Middleware{Verifier: v, Memory: memory}.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	refused := 0
	first, late := call("a", 1, 5, "/x"), call("a", 1, 4, "/x")
	forged := copied(first, "x")
	forged.Header.Set(Header, strings.Replace(forged.Header.Get(Header), ".", ".e30", 1))
	for _, c := range []struct {
		name   string
		r      *http.Request
		after  time.Duration
		status int
		detail string
	}{
		{"a forged one is not remembered", forged, 0, 401, ""},
		{"the first", first, 0, 200, ""},
		{"the same again", copied(first, "x"), 0, 409, ErrReplayed.Error()},
		{"and again", copied(first, "x"), time.Second, 409, ErrReplayed.Error()},
		{"the same attempt signed anew, after a lost answer", call("a", 1, 6, "/x"), 0, 200, ""},
		{"the same attempt in the same claim", call("a", 1, 6, "/x"), 0, 200, ""},
		{"one from before", call("a", 1, 5, "/x"), 0, 409, ErrStale.Error()},
		{"the first again, though overtaken", copied(first, "x"), 0, 409, ErrReplayed.Error()},
		{"the task's other target", call("a", 1, 5, "/y"), 0, 200, ""},
		{"another task", call("b", 1, 1, "/x"), 0, 200, ""},
		{"the next attempt", call("a", 2, 7, "/x"), 0, 200, ""},
		{"one from long before, at its last second", late, timeout + Margin - time.Second, 409, ErrStale.Error()},
		{"the first, at its last second", copied(first, "x"), timeout + Margin - time.Second, 409, ErrReplayed.Error()},
		{"the first, after it", copied(first, "x"), timeout + Margin, 401, ErrExpired.Error()},
	} {
		now = noon.Add(c.after)
		w := answer(h, c.r)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.detail) {
			t.Errorf("%s: %d %s, want %d %s", c.name, w.Code, w.Body, c.status, c.detail)
		}
		if said := w.Header().Get("Dispatch-Outcome"); strings.HasPrefix(said, `retry;reason="call `) != (c.status == 409) {
			t.Errorf("%s: says %q: a task may count 409 as success", c.name, said)
		}
		if c.status == 409 {
			refused++
		}
	}
	t.Logf("hostile: %d calls seen before or overtaken tried, all refused by the middleware", refused)
}

// Of a call that comes many times at once, one is handled.
func TestReplaysAtOnce(t *testing.T) {
	s := newSigner(t)
	var handled atomic.Int64
	h := Middleware{Verifier: verifier(s), Memory: &LocalMemory{Now: fixed}}.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { handled.Add(1) }))
	first := request(t, s, Call{Method: "POST", URL: receiver + "/"}, "x")
	var all sync.WaitGroup
	for range 50 {
		r := copied(first, "x")
		all.Go(func() { answer(h, r) })
	}
	all.Wait()
	if n := handled.Load(); n != 1 {
		t.Errorf("handled %d times", n)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	now := noon
	m := &LocalMemory{Max: 2, Now: func() time.Time { return now }}
	for _, c := range []struct {
		after, life time.Duration
		call        Call
		want        error
		kept        int
	}{
		{0, time.Minute, Call{ID: "1", Task: "a", Generation: 1}, nil, 1},
		{0, 2 * time.Minute, Call{ID: "2", Task: "a", Generation: 2}, nil, 2},
		{0, time.Minute, Call{ID: "3", Task: "b"}, ErrFull, 2},
		{0, time.Minute, Call{ID: "2", Task: "a", Generation: 2}, ErrReplayed, 2},
		{time.Minute - 1, time.Minute, Call{ID: "3", Task: "b"}, ErrFull, 2},
		{time.Minute, time.Minute, Call{ID: "3", Task: "b"}, nil, 2},
		{time.Minute, time.Minute, Call{ID: "4", Task: "a", Generation: 1}, ErrStale, 2}, // 2 is still known
		{2 * time.Minute, time.Minute, Call{ID: "4", Task: "a", Generation: 1}, nil, 1},
		{3 * time.Minute, time.Minute, Call{ID: "5", Task: "c"}, nil, 1},
	} {
		now = noon.Add(c.after)
		err := m.Remember(t.Context(), c.call, now.Add(c.life))
		if !errors.Is(err, c.want) || len(m.kept) != c.kept || len(m.ids) != c.kept || len(m.generations) > c.kept {
			t.Errorf("after %v, %s: %v, %d kept, %d ids, %d generations, want %v, %d", c.after, c.call.ID, err, len(m.kept), len(m.ids), len(m.generations), c.want, c.kept)
		}
	}
}

func TestPublishedKeys(t *testing.T) {
	s, other := newSigner(t), newSigner(t)
	set := func(keys ...JWK) []byte {
		text, err := json.Marshal(JWKS{keys})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	one, both := set(s.Key.Public()), set(s.Key.Public(), other.Key.Public())
	now, fetches := noon, 0
	var text []byte
	p := PublishedKeys{Now: func() time.Time { return now }, Fetch: func(context.Context) ([]byte, error) {
		if fetches++; text == nil {
			return nil, errors.New("out of reach")
		}
		return text, nil
	}}
	for i, c := range []struct {
		after   time.Duration
		text    []byte
		again   bool
		keys    int // 0: an error
		fetches int
	}{
		{0, nil, false, 0, 1},
		{publishedPause - 1, one, false, 0, 1},
		{publishedPause, one, false, 1, 2},
		{publishedPause + 1, both, false, 1, 2},
		{publishedPause + 1, both, true, 1, 2}, // whatever unknown keys calls name
		{2 * publishedPause, both, true, 2, 3},
		{2*publishedPause + publishedAge - 1, one, false, 2, 3},
		{2*publishedPause + publishedAge, nil, false, 2, 4},
		{3*publishedPause + publishedAge, []byte("no JSON"), true, 2, 5},
		{4*publishedPause + publishedAge, one, false, 1, 6},
	} {
		now, text = noon.Add(c.after), c.text
		keys, err := p.Keys(t.Context(), c.again)
		if len(keys.Keys) != c.keys || (err != nil) != (c.keys == 0) || fetches != c.fetches {
			t.Errorf("step %d: %d keys, %v, %d fetches, want %d and %d", i, len(keys.Keys), err, fetches, c.keys, c.fetches)
		}
	}
}

func TestFetchFrom(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/keys" {
			w.WriteHeader(404)
		}
		fmt.Fprint(w, "text")
	}))
	defer server.Close()
	if text, err := FetchFrom(server.URL+"/keys", nil)(t.Context()); err != nil || string(text) != "text" {
		t.Errorf("%s, %v", text, err)
	}
	for _, url := range []string{server.URL + "/none", "http://127.0.0.1:1/", ":"} {
		if text, err := FetchFrom(url, nil)(t.Context()); err == nil {
			t.Errorf("%s: %s", url, text)
		}
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("broken off") }

// unread is a body that nobody may read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body is read")
	return 0, io.EOF
}
func (unread) Close() error { return nil }

type failing struct{}

func (failing) Remember(context.Context, Call, time.Time) error { return errors.New("out of reach") }
