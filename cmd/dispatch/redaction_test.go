package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// TestNothingShowsSecrets runs tasks of all fates whose headers hold values that nobody may see, and looks for these in
// whatever comes out: the log, every answer of the API, every command, callbacks, and for secrets the database as well.
func TestNothingShowsSecrets(t *testing.T) {
	const (
		written = "canary-written" // in tasks: such values are stored, and shown nowhere
		secret  = "canary-secret"  // in files: such values are not stored either
	)
	var mu sync.Mutex
	seen, callbacks := map[string]string{}, ""
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Path == "/told" {
			callbacks += string(body)
			return
		}
		seen[r.Header.Get("Idempotency-Key")] = fmt.Sprint(r.Header["Authorization"], r.Header["Cookie"], r.Header["X-Customer"], r.Header["X-Partner"])
		if r.URL.Path == "/bad" {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer receiver.Close()

	folder := t.TempDir()
	secrets := filepath.Join(folder, "secrets")
	if err := os.Mkdir(secrets, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"good": secret, "broken": secret + "\r\nX-Admin: true"} {
		if err := os.WriteFile(filepath.Join(secrets, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server := launch(t, folder, "serve", "--listen", "127.0.0.1:0", "--log-level", "debug", "--secrets", secrets)
	out := map[string]string{}
	run := func(args ...string) string {
		r := dispatchIn(t, folder, "", args...)
		out[strings.Join(args, " ")] = r.out + r.err
		return r.out
	}
	ask := func(method, path, body string) string {
		request, err := http.NewRequestWithContext(t.Context(), method, server.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		key := method + " " + path + " " + fmt.Sprint(len(out))
		out[key] = fmt.Sprint(answer.Header) + string(text)
		return string(text)
	}
	// Operators see what they have set themselves, so this answer is not among the outputs.
	request, err := http.NewRequestWithContext(t.Context(), "PUT", server.url+"/settings", strings.NewReader(`{"version":0,"redact":["x-customer"],"routes":{"sale":{"targets":[{"name":"one","uri":"`+
		receiver.URL+`/bad","attempts":{"limit":1},"headers":{"X-Customer":"`+written+`","X-Partner":{"secret":"good"}}},{"name":"two","uri":"`+receiver.URL+`/ok"}]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := http.DefaultClient.Do(request); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("applying the settings: %+v, %v", answer, err)
	}

	headers := `"headers":{"Authorization":"Bearer ` + written + `","cookie":"a=` + written + `","X-Customer":"` + written + `","X-Partner":{"secret":"%s"}}`
	task := func(id, path, secret string) string {
		return `{"id":"` + id + `","uri":"` + receiver.URL + path + `","attempts":{"limit":1},` + fmt.Sprintf(headers, secret) +
			`,"onFailure":{"uri":"` + receiver.URL + `/told",` + fmt.Sprintf(headers, "good") + `}}`
	}
	ends := map[string]string{"delivered": "delivered", "failed": "exhausted", "sale": "exhausted"}
	ask("POST", "/tasks", task("delivered", "/ok", "good"))
	ask("POST", "/tasks", `{"tasks":[`+task("failed", "/bad", "good")+`,`+task("missing", "/ok", "none")+`,`+task("broken", "/ok", "broken")+`]}`)
	ask("POST", "/tasks", `{"id":"sale","type":"sale"}`)
	ask("POST", "/tasks", strings.Replace(task("later", "/ok", "good"), `{`, `{"delay":3600,`, 1))
	ask("POST", "/tasks", task("delivered", "/ok", "none")) // a conflict
	// What is refused is not repeated in the fault.
	for _, bad := range []string{
		`{"X-Customer":"` + written + `\n"}`, `{"Authorization":"` + written + `","authorization":"` + written + `"}`, `{"Host":"` + written + `"}`, `{"X":["` + written + `"]}`, `{"X":{"secret":"` + written + ` "}}`,
		`{"X":"` + written + `",}`, `"` + written + `"`,
	} {
		if answer := ask("POST", "/tasks", `{"uri":"`+receiver.URL+`","headers":`+bad+`}`); !strings.Contains(answer, "Invalid input") {
			t.Errorf("%s: %s", bad, answer)
		}
	}
	for id, state := range ends {
		until(t, id+" is "+state, func() bool { return strings.Contains(ask("GET", "/tasks/"+id, ""), `"state":"`+state+`"`) })
	}
	for _, id := range []string{"missing", "broken"} {
		until(t, id+" waits", func() bool { return strings.Contains(ask("GET", "/tasks/"+id, ""), "header X-Partner: secret ") })
	}
	until(t, "the callbacks have come", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return strings.Count(callbacks, `"state":"exhausted"`) >= 1
	})
	for _, id := range []string{"delivered", "failed", "missing", "broken", "sale", "later"} {
		run("show", id)
		run("show", "--json", id)
	}
	ask("GET", "/tasks", "")
	ask("POST", "/tasks/later/reschedule", `{"delay":7200}`)
	ask("POST", "/tasks/failed/retry", "")
	ask("DELETE", "/tasks/later", "")
	run("list")
	run("list", "--json")
	until(t, "the retry is over", func() bool {
		shown := ask("GET", "/tasks/failed", "")
		return strings.Contains(shown, `"state":"exhausted"`) && strings.Contains(shown, `"run":2`)
	})
	run("retry", "--json", "failed")
	if err := server.end(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	out["the log"], out["callbacks"] = server.out.String(), callbacks

	if want := "[Bearer " + written + "] [a=" + written + "] [" + written + "] [" + secret + "]"; seen["delivered"] != want {
		t.Errorf("the receiver got %s, want %s", seen["delivered"], want)
	}
	if got := out["show broken"]; !strings.Contains(got, "secret broken") {
		t.Errorf("show says nothing of why: %s", got)
	}
	if len(out["the log"]) < 500 || len(callbacks) < 500 || !strings.Contains(out["show delivered"], "(secret good)") {
		t.Errorf("too little was looked at: %d bytes of log, %d of callbacks", len(out["the log"]), len(callbacks))
	}
	bytes := 0
	for where, text := range out {
		bytes += len(text)
		for _, canary := range []string{written, secret} {
			if at := strings.Index(text, canary); at >= 0 {
				t.Errorf("%s shows %s: …%s…", where, canary, text[max(0, at-80):min(len(text), at+80)])
			}
		}
	}
	files, err := filepath.Glob(filepath.Join(folder, "dispatch.db*"))
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), secret) {
			t.Errorf("%s holds %s", name, secret)
		}
	}
	t.Logf("hostile: %d outputs of %d bytes and %d files looked through for two values", len(out), bytes, len(files))
}
