package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"example.com/dispatch/pkg/dispatch/signature"
)

// privates are the parts of a key file that nobody may see.
func privates(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var f struct {
		Keys     []struct{ D, P, Q, K string }
		Webhooks []struct{ Secret string }
	}
	if err := json.Unmarshal(text, &f); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, k := range f.Keys {
		all = append(all, k.D, k.P, k.Q, k.K)
	}
	for _, w := range f.Webhooks {
		all = append(all, w.Secret)
	}
	return all
}

func TestKeys(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "keys.json")
	ids := map[string]string{} // by what the lines below call them
	for _, c := range []struct {
		args     string
		code     int
		out, err string
	}{
		{"list", 1, "", "keys.json"},
		{"rotate", 1, "", "keys.json"},
		{"new", 0, "signs calls and claims", ""},
		{"new --alg EdDSA", 0, "published, does not sign", ""},
		{"new --alg RS256", 0, "published, does not sign", ""},
		{"new --alg HS512", 0, "does not sign; dispatch keys rotate", ""},
		{"new --alg HS1", 2, "", "--alg"},
		{"new --webhook https://a.example/path", 2, "", "--webhook"},
		{"new --webhook https://a.example", 0, "webhooks of https://a.example", ""},
		{"rotate", 1, "", "too early"},
		{"retire -- ES256", 1, "", "in use"},
		{"retire -- nope", 1, "", "no such key"},
		{"rotate --claims", 2, "", "--claims"},
		{"rotate -- HS512", 0, "signs claims", ""},
		{"rotate --wait 0s -- EdDSA", 0, "signs calls", ""},
		{"retire -- ES256", 1, "", "too early"},
		{"retire --wait 0s -- ES256", 0, "retired", ""},
		{"rotate", 2, "", "dispatch keys new"},
		{"list", 0, "a.example", ""},
		{"list --json", 0, `"alg": "whsec"`, ""},
		{"jwks", 0, `"crv": "Ed25519"`, ""},
	} {
		var args []string
		for _, a := range strings.Fields(c.args) {
			if id, ok := ids[a]; ok && !strings.Contains(c.args, "--alg "+a) {
				a = id
			}
			args = append(args, a)
		}
		args = append([]string{"keys", args[0], "--file", "keys.json"}, args[1:]...)
		got := dispatchIn(t, folder, "", args...)
		if got.code != c.code || !strings.Contains(got.out, c.out) || c.out == "" && got.out != "" || !strings.Contains(got.err, c.err) {
			t.Fatalf("%v: exit %d\nout: %s\nerr: %s\nwant exit %d with %q and %q", args, got.code, got.out, got.err, c.code, c.out, c.err)
		}
		if args[1] == "new" && got.code == 0 {
			algorithm := "ES256"
			if len(args) > 5 {
				algorithm = args[5]
			}
			ids[algorithm], _, _ = strings.Cut(got.out, "  ")
		}
		if len(ids) == 0 {
			continue
		}
		for _, secret := range privates(t, path) {
			if secret != "" && strings.Contains(got.out+got.err, secret) {
				t.Errorf("%v shows a secret: %s", args, got.out)
			}
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v: %v, %v", args, info.Mode(), err)
		}
	}
	published := dispatchIn(t, folder, "", "keys", "jwks", "--file", "keys.json")
	keys, err := signature.ParseJWKS([]byte(published.out))
	if err != nil || len(keys.Keys) != 2 || keys.Keys[0].KeyID != ids["EdDSA"] || keys.Keys[1].KeyID != ids["RS256"] {
		t.Errorf("publishes %v, %v", keys, err)
	}
	write(t, folder, "keys.json.new", "")
	if got := dispatchIn(t, folder, "", "keys", "new", "--file", "keys.json"); got.code != 1 || !strings.Contains(got.err, "keys.json.new") {
		t.Errorf("while another changes the keys: exit %d: %s", got.code, got.err)
	}
}

// A running server takes a new key over, and each call on the way verifies with the set that is published.
func TestRotationWhileServing(t *testing.T) {
	folder := t.TempDir()
	server := launch(t, folder, "serve", "--listen", "127.0.0.1:0")
	receiver := launch(t, folder, "receive", "--listen", "127.0.0.1:0", "--jwks", server.url+"/.well-known/jwks.json")
	calls := 0
	call := func() {
		t.Helper()
		calls++
		if status, answer := post(server.url, fmt.Sprintf(`{"id": "n%d", "uri": "%s"}`, calls, receiver.url)); status != 201 {
			t.Fatalf("%d %s", status, answer)
		}
		until(t, "the call arrives", func() bool { return strings.Contains(receiver.out.String(), fmt.Sprintf("  n%d  signature", calls)) })
	}
	keys := func(args ...string) string {
		t.Helper()
		got := dispatchIn(t, folder, "", append([]string{"keys"}, args...)...)
		if got.code != 0 {
			t.Fatalf("%v: %s", args, got.err)
		}
		id, _, _ := strings.Cut(got.out, "  ")
		return id
	}
	published := func() string {
		answer, err := http.Get(server.url + "/.well-known/jwks.json")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil || answer.Header.Get("Cache-Control") == "" {
			t.Fatal(err, answer.Header)
		}
		return string(text)
	}
	former, err := signature.ParseJWKS([]byte(published()))
	if err != nil {
		t.Fatal(err)
	}
	call()
	next := keys("new", "--alg", "EdDSA") // the key that the server made as PEM stays
	until(t, "the server publishes the new key", func() bool { return strings.Contains(published(), next) })
	call()
	keys("rotate", "--wait", "0s")
	call()
	keys("retire", "--wait", "0s", "--", former.Keys[0].KeyID)
	until(t, "the server publishes the former key no more", func() bool { return !strings.Contains(published(), former.Keys[0].KeyID) })
	call()
	if n := strings.Count(receiver.out.String(), "signature ok"); n != calls {
		t.Errorf("%d of %d calls verify:\n%s", n, calls, receiver.out)
	}
	write(t, folder, "dispatch.db-key.pem", "no keys")
	until(t, "the server complains of the file", func() bool { return strings.Contains(server.out.String(), "cannot be used") })
	call()
	if n := strings.Count(receiver.out.String(), "signature ok"); n != calls {
		t.Errorf("with a broken file, %d of %d calls verify:\n%s", n, calls, receiver.out)
	}
}

func TestSigningByStandardWebhooks(t *testing.T) {
	folder := t.TempDir()
	type arrived struct {
		header http.Header
		body   []byte
	}
	came := make(chan arrived, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		came <- arrived{r.Header, body}
	}))
	defer receiver.Close()
	if got := dispatchIn(t, folder, "", "serve", "--listen", "127.0.0.1:0", "--signing", "webhooks"); got.code != 1 || !strings.Contains(got.err, "no webhook secrets") {
		t.Fatalf("without a secret: exit %d: %s", got.code, got.err)
	}
	if got := dispatchIn(t, folder, "", "keys", "new", "--webhook", receiver.URL); got.code != 0 {
		t.Fatal(got.err)
	}
	text, err := os.ReadFile(filepath.Join(folder, "dispatch.db-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	var f struct{ Webhooks []struct{ Secret string } }
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&f); err != nil {
		t.Fatal(err)
	}
	secret, err := signature.ParseWebhookSecret(f.Webhooks[0].Secret)
	if err != nil {
		t.Fatal(err)
	}
	for mode, wantJWT := range map[string]bool{"webhooks": false, "both": true} {
		server := launch(t, folder, "serve", "--listen", "127.0.0.1:0", "--signing", mode)
		if status, answer := post(server.url, fmt.Sprintf(`{"id": %q, "uri": "%s/x", "body": {"n": 1}}`, "order."+mode, receiver.URL)); status != 201 {
			t.Fatalf("%d %s", status, answer)
		}
		got := <-came
		w, err := signature.WebhookVerifier{Secrets: []signature.WebhookSecret{secret}}.VerifyRequest(&http.Request{Header: got.header}, got.body)
		if err != nil || w.ID != "order%2E"+mode {
			t.Errorf("%s: %v, %v", mode, w, err)
		}
		if signed := got.header.Get(signature.Header) != ""; signed != wantJWT {
			t.Errorf("%s: Dispatch-Signature %v", mode, signed)
		}
		if err := server.end(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
	}
}
