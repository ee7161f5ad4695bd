//go:build unix

package main

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"example.com/dispatch/pkg/dispatch/client"
)

const goodToken = "correct-horse-battery"

// place makes a file, or a folder if the text is "/", with a mode.
func place(t *testing.T, folder, name, text string, mode fs.FileMode) {
	t.Helper()
	path := filepath.Join(folder, name)
	var err error
	if text == "/" {
		err = os.Mkdir(path, mode)
	} else {
		err = os.WriteFile(path, []byte(text), mode)
	}
	if err := errors.Join(err, os.Chmod(path, mode)); err != nil { // whatever the umask is
		t.Fatal(err)
	}
}

// certified writes a certificate of 127.0.0.1 and its key, and returns a client that trusts it.
func certified(t *testing.T, folder string) *http.Client {
	t.Helper()
	example := httptest.NewTLSServer(nil)
	t.Cleanup(example.Close)
	key, err := x509.MarshalPKCS8PrivateKey(example.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	place(t, folder, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: example.Certificate().Raw})), 0o644)
	place(t, folder, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})), 0o600)
	return example.Client()
}

// The server does not start where others could come in, or could change what it trusts.
func TestServeRefuses(t *testing.T) {
	folder := t.TempDir()
	certified(t, folder)
	place(t, folder, "token", goodToken+"\n", 0o600)
	place(t, folder, "short", "s3cret\n", 0o600)
	place(t, folder, "empty", "\n", 0o600)
	place(t, folder, "two-lines", goodToken+"\nx\n", 0o600)
	place(t, folder, "writable", goodToken, 0o666)
	place(t, folder, "open", "/", 0o777)
	place(t, folder, "open/key.pem", "x", 0o600)
	place(t, folder, "sticky", "/", 0o777|fs.ModeSticky)
	if err := os.Symlink(filepath.Join(folder, "open", "linked.db"), filepath.Join(folder, "linked.db")); err != nil {
		t.Fatal(err)
	}
	place(t, folder, "open/linked.db", "", 0o600)
	const others = "other users of this machine could change it"
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"--listen 0.0.0.0:0", 2, "needs a token"},
		{"--listen :0", 2, "needs a token"},
		{"--listen [::]:0", 2, "needs a token"},
		{"--listen 192.0.2.1:0", 2, "needs a token"},
		{"--listen 0.0.0.0:0 --tls-cert cert.pem --tls-key key.pem", 2, "needs a token"},
		{"--listen 0.0.0.0:0 --token s3cret", 2, "at least 16 characters"},
		{"--listen 0.0.0.0:0 --token-file short", 2, "at least 16 characters"},
		{"--token-file empty", 2, "does not hold one line"},
		{"--token-file two-lines", 2, "does not hold one line"},
		{"--token-file none", 2, "no such file"},
		{"--token-file writable", 2, others},
		{"--token-file token --token x", 2, "exclude each other"},
		{"--tls-cert cert.pem", 2, "both a certificate and its key"},
		{"--tls-key key.pem", 2, "both a certificate and its key"},
		{"--tls-cert cert.pem --tls-key none.pem", 1, "no such file"},
		{"--tls-cert cert.pem --tls-key open/key.pem", 1, others},
		{"--tls-cert cert.pem --tls-key token", 1, "failed to find any PEM data"},
		{"--host https://dispatch.example", 2, "without a scheme and a port"},
		{"--host dispatch.example:8700", 2, "without a scheme and a port"},
		{"--db open/a.db", 1, others},
		{"--db sticky/a.db", 1, others},
		{"--db linked.db", 1, others},
		{"--key open/key.pem", 1, others},
		{"--secrets open", 1, others},
	} {
		got := dispatchIn(t, folder, "", append([]string{"serve", "--listen", "127.0.0.1:0"}, strings.Fields(c.args)...)...)
		if got.code != c.code || !strings.Contains(got.err, c.says) || strings.Contains(got.err, goodToken) {
			t.Errorf("serve %s: exit %d: %s; want %d with %q", c.args, got.code, got.err, c.code, c.says)
		}
	}
	for _, args := range []string{"enqueue --store sqlite:open/a.db", "keys new --file open/keys.json"} {
		if got := dispatchIn(t, folder, task, strings.Fields(args)...); got.code != 1 || !strings.Contains(got.err, others) {
			t.Errorf("%s: exit %d: %s", args, got.code, got.err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(folder, "open", "*")); err != nil || len(left) != 2 {
		t.Errorf("files were made: %v, %v", left, err)
	}
}

// On all addresses, with a token of a file and TLS, the server takes tasks of those that have both.
func TestServeOnAllAddresses(t *testing.T) {
	folder := t.TempDir()
	trusting := certified(t, folder)
	place(t, folder, "token", goodToken+"\n", 0o600)
	place(t, folder, "dispatch.db", "", 0o644)
	place(t, folder, "dispatch.db-lock", "", 0o666)
	server := launch(t, folder, "serve", "--listen", "0.0.0.0:0", "--token-file", "token", "--tls-cert", "cert.pem", "--tls-key", "key.pem")
	url := "https://127.0.0.1" + server.url[strings.LastIndexByte(server.url, ':'):]
	for _, c := range []struct {
		name, url, token string
		client           *http.Client
		ok               bool
	}{
		{"with the token, over TLS", url, goodToken, trusting, true},
		{"without the token", url, "", trusting, false},
		{"with another", url, goodToken + "x", trusting, false},
		{"that does not know the certificate", url, goodToken, http.DefaultClient, false},
		{"in the clear", strings.Replace(url, "https:", "http:", 1), goodToken, http.DefaultClient, false},
	} {
		invoke := client.Server(c.url, c.token, c.client) // once: a client repeats what was not answered
		if _, _, err := invoke(t.Context(), []byte(`{"tasks": [{"uri": "https://a.example/", "delay": 3600}]}`)); (err == nil) != c.ok {
			t.Errorf("a caller %s: %v", c.name, err)
		}
	}
	for _, name := range []string{"dispatch.db", "dispatch.db-wal", "dispatch.db-shm", "dispatch.db-lock", "dispatch.db-key.pem"} {
		if info, err := os.Stat(filepath.Join(folder, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want mode 0600", name, info, err)
		}
	}
	if err := server.end(syscall.SIGTERM); err != nil {
		t.Errorf("%v: %s", err, server.out)
	}
	if said := server.out.String(); strings.Count(said, "they no longer can") != 2 || strings.Contains(said, goodToken) {
		t.Errorf("it says %s", said)
	}
}

// Files of the server's are its owner's alone whatever the umask is.
func TestUmaskDoesNotMatter(t *testing.T) {
	folder := t.TempDir()
	old := syscall.Umask(0)
	server := launch(t, folder, "serve", "--listen", "127.0.0.1:0")
	syscall.Umask(old)
	made, err := filepath.Glob(filepath.Join(folder, "dispatch.db*"))
	if err != nil || len(made) < 5 {
		t.Fatalf("%v, %v", made, err)
	}
	for _, path := range made {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want mode 0600", path, info, err)
		}
	}
	if err := server.end(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
}
