//go:build receivers

// Package receivers runs what docs/receivers.md shows, against the libraries that it names. It needs Node with npm, and Python 3, and
// the first time the network.
package receivers

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch/signature"
	"github.com/golang-jwt/jwt/v5"
)

const (
	patience  = 2 * time.Minute
	origin    = "https://api.example.com"
	published = "https://dispatch.example.com/.well-known/jwks.json" // in the page
)

// call is one that a receiver verifies.
type call struct {
	Name    string            `json:"name"`
	Webhook bool              `json:"webhook"`
	Method  string            `json:"method"`
	URI     string            `json:"uri"`
	Headers map[string]string `json:"headers"`
	Body    []byte            `json:"body"`

	want string // what the receiver says: the task or id, "" if it must refuse
}

// service is what calls.
type service struct {
	jwks   string // where its keys are
	secret string // for this receiver, as webhooks have it
	calls  []call
	keys   signature.KeySet
}

// blocks are the page's lines of code: in a language, of a JWT (0) or of Standard Webhooks (1).
func blocks(t *testing.T, language string) []string {
	t.Helper()
	page, err := os.ReadFile("../../docs/receivers.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllSubmatch(page, -1) {
		all = append(all, string(m[1]))
	}
	if len(all) != 2 {
		t.Fatalf("%d blocks of %s in the page, want 2", len(all), language)
	}
	return all
}

func TestNode(t *testing.T) {
	need(t, "node", "npm")
	folder := installed(t, "package.json", "package-lock.json", func(folder string) *exec.Cmd {
		return exec.Command("npm", "ci", "--silent", "--prefix", folder)
	})
	s, work := newService(t), t.TempDir()
	lines := blocks(t, "js")
	put(t, work, "package.json", `{"type": "module"}`)
	put(t, work, "jwt.mjs", strings.ReplaceAll(lines[0], published, s.jwks))
	put(t, work, "webhooks.mjs", lines[1])
	put(t, work, "harness.mjs", read(t, "testdata/harness.mjs"))
	if err := os.Symlink(filepath.Join(folder, "node_modules"), filepath.Join(work, "node_modules")); err != nil {
		t.Fatal(err)
	}
	s.check(t, work, "node", "harness.mjs")
}

func TestPython(t *testing.T) {
	need(t, "python3")
	folder := installed(t, "requirements.txt", "requirements.txt", func(folder string) *exec.Cmd {
		return exec.Command("sh", "-c", `python3 -m venv "$0/venv" && "$0/venv/bin/pip" install --quiet --no-deps --require-hashes --disable-pip-version-check --requirement "$0/requirements.txt"`, folder)
	})
	s, work := newService(t), t.TempDir()
	lines := blocks(t, "python")
	put(t, work, "jwtlines.py", strings.ReplaceAll(lines[0], published, s.jwks))
	put(t, work, "webhooklines.py", lines[1])
	put(t, work, "harness.py", read(t, "testdata/harness.py"))
	s.check(t, work, filepath.Join(folder, "venv/bin/python3"), "harness.py")
}

func TestGo(t *testing.T) {
	s, work := newService(t), t.TempDir()
	lines := blocks(t, "go")
	main := strings.ReplaceAll(read(t, "testdata/harness.go.txt"), "JWTLINES", strings.ReplaceAll(lines[0], published, s.jwks))
	put(t, work, "main.go", strings.ReplaceAll(main, "WEBHOOKLINES", lines[1]))
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	there := filepath.Join(root, "internal/receivers/snippet/main.go") // where there is nothing, as the compiler sees it
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{there: filepath.Join(work, "main.go")}})
	if err != nil {
		t.Fatal(err)
	}
	put(t, work, "overlay.json", string(overlay))
	s.check(t, root, "go", "run", "-overlay", filepath.Join(work, "overlay.json"), "./internal/receivers/snippet")
}

// check has a program verify the calls.
func (s *service) check(t *testing.T, folder string, program ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	input, err := json.Marshal(s.calls)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(ctx, program[0], program[1:]...)
	c.Dir = folder
	c.Env = append(os.Environ(), "WEBHOOK_SECRET="+s.secret, "NO_PROXY=127.0.0.1")
	var out, errs bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(input), &out, &errs
	if err := c.Run(); err != nil {
		t.Fatalf("%v: %v\n%s", program, err, &errs)
	}
	var answers []string
	if err := json.Unmarshal(out.Bytes(), &answers); err != nil || len(answers) != len(s.calls) {
		t.Fatalf("%v: %d answers: %s", err, len(answers), &out)
	}
	for i, c := range s.calls {
		if answers[i] != c.want {
			t.Errorf("%s: %q, want %q", c.Name, answers[i], c.want)
		}
	}
	t.Logf("%d calls, refused for:\n%s", len(answers), &errs)
}

// newService makes calls of all kinds, good ones and hostile ones.
func newService(t *testing.T) *service {
	t.Helper()
	s := &service{}
	now := time.Now()
	for _, algorithm := range []string{"ES256", "EdDSA", "RS256", "HS256"} {
		key, err := signature.NewKeyFor(algorithm)
		if err == nil {
			_, err = s.keys.Add(key, now)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // one of them is the receiver's; the other comes or goes
		if _, err := s.keys.AddWebhook(origin, now); err != nil {
			t.Fatal(err)
		}
	}
	text, err := s.keys.Text()
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Webhooks []struct{ Secret string } }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	s.secret = file.Webhooks[0].Secret
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/jwk-set+json")
		if err := json.NewEncoder(w).Encode(s.keys.Public()); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	s.jwks = server.URL + "/.well-known/jwks.json"
	s.tokens(t)
	s.webhooks(t)
	return s
}

func (s *service) signer(t *testing.T) signature.Signer {
	t.Helper()
	signer, err := s.keys.Signer("dispatch", signature.Both)
	if err != nil {
		t.Fatal(err)
	}
	return *signer
}

const body = `{"request":{"n":1,"text":"é"},"__task":{"id":"order-7"}}`

func sign(t *testing.T, signer signature.Signer, target string) string {
	t.Helper()
	token, err := signer.SignCall(signature.Call{Task: "order-7", Attempt: 1, Generation: 9, Method: "POST", URL: target}, []byte(body), 30*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// tokens makes the calls with Dispatch-Signature.
func (s *service) tokens(t *testing.T) {
	const uri = "/orders/%7B7%7D?id=7&q=%20"
	add := func(name, want, token string, change ...func(*call)) {
		c := call{Name: name, Method: "POST", URI: uri, Headers: map[string]string{"dispatch-signature": token}, Body: []byte(body), want: want}
		for _, do := range change {
			do(&c)
		}
		s.calls = append(s.calls, c)
	}
	signer := s.signer(t)
	fresh := func() string { return sign(t, signer, origin+uri) }
	add("ES256", "order-7", fresh())
	add("another method", "", fresh(), func(c *call) { c.Method = "PUT" })
	add("another URL", "", fresh(), func(c *call) { c.URI = "/orders/%7B7%7D?id=8&q=%20" })
	add("a byte of the body changed", "", fresh(), func(c *call) { c.Body = bytes.Replace(c.Body, []byte("1"), []byte("2"), 1) })
	add("a byte more", "", fresh(), func(c *call) { c.Body = append(slices.Clone(c.Body), '\n') })
	add("for another receiver", "", sign(t, signer, "https://other.example.com"+uri))
	add("cut off", "", fresh()[:100])
	add("garbage", "", "garbage")

	at := func(d time.Duration) string {
		other := signer
		other.Now = func() time.Time { return time.Now().Add(d) }
		return sign(t, other, origin+uri)
	}
	add("expired", "", at(-10*time.Minute))
	add("from the future", "", at(10*time.Minute))
	issuer := signer
	issuer.Issuer = "other"
	add("another issuer", "", sign(t, issuer, origin+uri))
	stranger, err := signature.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	add("a stranger's key", "", sign(t, signature.Signer{Key: stranger, Issuer: "dispatch"}, origin+uri))

	var claims jwt.MapClaims
	if _, _, err := jwt.NewParser().ParseUnverified(fresh(), &claims); err != nil {
		t.Fatal(err)
	}
	forge := func(method jwt.SigningMethod, key any) string {
		token := jwt.NewWithClaims(method, claims)
		token.Header["typ"], token.Header["kid"] = signature.CallType, signer.Key.ID()
		text, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	public, err := json.Marshal(signer.Key.Public())
	if err != nil {
		t.Fatal(err)
	}
	add("alg none", "", forge(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType))
	add("HS256 with the public key as secret", "", forge(jwt.SigningMethodHS256, public))
	add("HS256 with an empty secret", "", forge(jwt.SigningMethodHS256, []byte{}))
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	for i, kind := range []string{"ES256", "RS256", "HS256"} { // by the key of calls, and by those for claims
		other := s.keys
		if i > 0 {
			id := ""
			for _, k := range s.keys.List() {
				if k.Algorithm == kind {
					id = k.ID
				}
			}
			if _, err := other.Sign(id, true, time.Now(), 0); err != nil {
				t.Fatal(err)
			}
		}
		signer, err := other.Signer("dispatch", signature.JWT)
		if err != nil {
			t.Fatal(err)
		}
		token, err := signer.SignClaims(text, time.Time{}, 30*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		add("claims that look like a call, "+kind, "", token)
	}
	// Last, so that a receiver that keeps the keys has them for both.
	if _, err := s.keys.Sign("", false, time.Now(), 0); err != nil {
		t.Fatal(err)
	}
	signer = s.signer(t)
	if signer.Key.Algorithm() != "EdDSA" {
		t.Fatalf("%s signs", signer.Key.Algorithm())
	}
	add("EdDSA", "order-7", sign(t, signer, origin+uri))
}

// webhooks makes the calls of Standard Webhooks.
func (s *service) webhooks(t *testing.T) {
	target, err := url.Parse(origin + "/hook")
	if err != nil {
		t.Fatal(err)
	}
	add := func(name, want string, at time.Duration, change ...func(*call)) {
		signer := s.signer(t)
		signer.Now = func() time.Time { return time.Now().Add(at) }
		w, _, err := signer.SignWebhookTo(target, "order.7/2", []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		c := call{Name: name, Webhook: true, Method: "POST", URI: "/hook", Body: []byte(body), want: want, Headers: map[string]string{
			"webhook-id": w.ID, "webhook-timestamp": w.Timestamp(), "webhook-signature": w.Signature}}
		for _, do := range change {
			do(&c)
		}
		s.calls = append(s.calls, c)
	}
	header := func(name, value string) func(*call) { return func(c *call) { c.Headers[name] = value } }
	const id = "order%2E7/2"
	add("a webhook by two secrets", id, 0)
	add("a webhook a minute old", id, -time.Minute)
	add("a webhook six minutes old", "", -6*time.Minute)
	add("a webhook from the future", "", 6*time.Minute)
	add("a webhook with another id", "", 0, header("webhook-id", "order"))
	add("a webhook with another time", "", 0, header("webhook-timestamp", fmt.Sprint(time.Now().Unix()+1)))
	add("a webhook without a signature", "", 0, header("webhook-signature", ""))
	add("a webhook with a stranger's signature", "", 0, header("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(make([]byte, 32))))
	add("a webhook with a byte of the body changed", "", 0, func(c *call) { c.Body = bytes.Replace(c.Body, []byte("1"), []byte("2"), 1) })
}

// need skips the test where a program is missing, but not where everything must be there.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("left out: it needs %s", strings.Join(programs, " and "))
		}
	}
}

// installed returns a folder with the libraries of a list in testdata; they are installed where they are not yet.
func installed(t *testing.T, list, versions string, install func(folder string) *exec.Cmd) string {
	t.Helper()
	folder, err := filepath.Abs(filepath.Join("../../.cache/receivers", strings.TrimSuffix(list, filepath.Ext(list))))
	if err != nil {
		t.Fatal(err)
	}
	wanted, done := read(t, filepath.Join("testdata", versions)), filepath.Join(folder, "finished")
	if text, err := os.ReadFile(done); err == nil && string(text) == wanted {
		return folder
	}
	if err := errors.Join(os.RemoveAll(folder), os.MkdirAll(folder, 0o755)); err != nil {
		t.Fatal(err)
	}
	put(t, folder, list, read(t, filepath.Join("testdata", list)))
	put(t, folder, versions, wanted)
	if out, err := install(folder).CombinedOutput(); err != nil {
		if os.Getenv("CI") == "" {
			t.Skipf("left out: the libraries cannot be installed: %v\n%s", err, out)
		}
		t.Fatalf("installing: %v\n%s", err, out)
	}
	put(t, folder, "finished", wanted)
	return folder
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func put(t *testing.T, folder, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
