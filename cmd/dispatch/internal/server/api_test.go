package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"example.com/dispatch/cmd/dispatch/internal/server"
	"example.com/dispatch/pkg/dispatch"
)

func TestTasksAPI(t *testing.T) {
	r := start(t, nil)
	later := func(id string) string {
		return fmt.Sprintf(`{"id": %q, "uri": "https://a.example/", "delay": 3600, "headers": {"Authorization": "Bearer s3cret", "X-Plain": "shown"}}`, id)
	}
	for _, c := range []struct {
		name, method, path, body string
		header                   []string
		status                   int
		holds, lacks             string
	}{
		{"one new", "POST", "/tasks", later("a"), nil, 201, `"id":"a","state":"scheduled"`, ""},
		{"one again", "POST", "/tasks", later("a"), nil, 200, `"existing":true`, ""},
		{"one with other content", "POST", "/tasks", `{"id": "a", "uri": "https://b.example/"}`, nil, 409, `"title":"Conflict"`, ""},
		{"one without an id", "POST", "/tasks", `{"uri": "https://a.example/", "delay": 60}`, nil, 201, `"id":"0`, ""},
		{"a batch", "POST", "/tasks", `{"tasks": [` + later("b") + `,` + later("c") + `]}`, nil, 200, `"id":"c"`, ""},
		{"a batch with a conflict", "POST", "/tasks", `{"tasks": [` + later("d") + `, {"id": "b", "uri": "https://b.example/"}]}`, nil, 207, `"status":409`, ""},
		{"faults", "POST", "/tasks", `{"tasks": [{"uri": "gopher://x"}, {"id": "/", "uri": 7}]}`, nil, 400, `"pointer":"#/tasks/1/uri"`, ""},
		{"not JSON", "POST", "/tasks", `uri=x`, nil, 400, `"errors":[`, ""},
		{"nothing", "POST", "/tasks", ``, nil, 400, `"errors":[`, ""},
		{"a deep one", "POST", "/tasks", strings.Repeat("[", 100000), nil, 400, `"errors":[`, ""},
		{"bad UTF-8", "POST", "/tasks", "{\"id\": \"\xff\"}", nil, 400, `"errors":[`, ""},
		{"a name twice", "POST", "/tasks", `{"id": "x", "id": "y", "uri": "https://a.example/"}`, nil, 400, "more than once", ""},
		{"too large", "POST", "/tasks", strings.Repeat(" ", 9<<20), nil, 413, `"status":413`, ""},
		{"show", "GET", "/tasks/a", "", nil, 200, `"X-Plain":"shown"`, "s3cret"},
		{"show hides secrets", "GET", "/tasks/a", "", nil, 200, `"Authorization":"(hidden)"`, "s3cret"},
		{"show none", "GET", "/tasks/nope", "", nil, 404, `"title":"Not Found"`, ""},
		{"show what no id can be", "GET", "/tasks/%2F..%2F%00", "", nil, 404, `"title":"Not Found"`, ""},
		{"list", "GET", "/tasks?state=scheduled&limit=2", "", nil, 200, `{"tasks":[{"id":"`, "s3cret"},
		{"list of another queue", "GET", "/tasks?queue=none", "", nil, 200, `{"tasks":[]}`, ""},
		{"one of a tenant", "POST", "/tasks", `{"id": "t", "tenant": "acme", "uri": "https://a.example/", "delay": 60}`, nil, 201, `"id":"t"`, ""},
		{"list of a tenant", "GET", "/tasks?tenant=acme", "", nil, 200, `{"tasks":[{"id":"t"`, `"id":"a"`},
		{"list of another tenant", "GET", "/tasks?tenant=acm&state=scheduled", "", nil, 200, `{"tasks":[]}`, ""},
		{"list of no state", "GET", "/tasks?state=leased", "", nil, 400, "leased", ""},
		{"list of none", "GET", "/tasks?limit=0", "", nil, 400, "limit", ""},
		{"list of too many", "GET", "/tasks?limit=1001", "", nil, 400, "limit", ""},
		{"retry before the end", "POST", "/tasks/a/retry", "", nil, 409, "task a is scheduled", ""},
		{"cancel", "DELETE", "/tasks/a", "", nil, 200, `"state":"cancelled"`, "s3cret"},
		{"cancel again", "DELETE", "/tasks/a", "", nil, 409, "task a is cancelled", ""},
		{"cancel none", "DELETE", "/tasks/nope", "", nil, 404, `"status":404`, ""},
		{"retry", "POST", "/tasks/a/retry", "", nil, 200, `"run":2`, ""},
		{"retry none", "POST", "/tasks/nope/retry", "", nil, 404, `"status":404`, ""},
		{"another method", "PUT", "/tasks", "", nil, 405, `"status":405`, ""},
		{"another path", "GET", "/nope", "", nil, 404, `"status":404`, ""},
		{"another host", "GET", "/tasks", "", []string{"Host: evil.example"}, 421, `"status":421`, ""},
		{"another host with our port", "GET", "/healthz", "", []string{"Host: evil.example:8700"}, 421, `"status":421`, ""},
		{"a host that begins like ours", "GET", "/healthz", "", []string{"Host: 127.0.0.1.evil.example"}, 421, `"status":421`, ""},
		{"localhost", "GET", "/healthz", "", []string{"Host: localhost:1"}, 200, "ok", ""},
		{"another site's page", "POST", "/tasks", later("e"), []string{"Origin: https://evil.example"}, 403, `"status":403`, ""},
		{"another site's form", "POST", "/tasks", later("e"), []string{"Sec-Fetch-Site: cross-site"}, 403, `"status":403`, ""},
		{"and it stored nothing", "GET", "/tasks/e", "", nil, 404, "", ""},
		{"keys", "GET", "/.well-known/jwks.json", "", nil, 200, `"crv":"P-256"`, `"d":`},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, header, body := r.call(c.method, c.path, c.body, c.header...)
			if status != c.status || !strings.Contains(body, c.holds) || c.lacks != "" && strings.Contains(body, c.lacks) {
				t.Errorf("%d %s; want %d with %s and without %q", status, body, c.status, c.holds, c.lacks)
			}
			kind := header.Get("Content-Type")
			if status >= 400 && kind != "application/problem+json" || status < 400 && !strings.Contains(kind, "json") {
				t.Errorf("content type %q", kind)
			}
			if status >= 400 && object(t, body)["status"] != float64(status) {
				t.Errorf("the problem's status is not the answer's: %s", body)
			}
		})
	}
}

func TestCancelAndRetryWhileInFlight(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	url := target(t, func(w http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		<-release
		w.WriteHeader(410)
	})
	r := start(t, nil)
	r.call("POST", "/tasks", `{"id": "a", "uri": "`+url+`", "stopCodes": 410}`)
	<-arrived
	if status, _, body := r.call("DELETE", "/tasks/a", ""); status != 409 || !strings.Contains(body, "in flight") {
		t.Errorf("cancelling a task in flight: %d %s", status, body)
	}
	if _, _, body := r.call("GET", "/tasks/a", ""); !strings.Contains(body, `"leasedUntil"`) {
		t.Errorf("a task in flight says nothing of its lease: %s", body)
	}
	release <- struct{}{}
	r.await("a", dispatch.Stopped)
	if status, _, body := r.call("POST", "/tasks/a/retry", ""); status != 200 {
		t.Errorf("retry: %d %s", status, body)
	}
	<-arrived // at once, or with the next look
	release <- struct{}{}
	if got := r.await("a", dispatch.Stopped); got.Run != 2 {
		t.Errorf("run %d, want 2", got.Run)
	}
}

func TestToken(t *testing.T) {
	r := start(t, func(o *server.Options) { o.Token = "s3cret" })
	for _, c := range []struct {
		name, path string
		header     []string
		status     int
	}{
		{"none", "/tasks", nil, 401},
		{"wrong", "/tasks", []string{"Authorization: Bearer wrong"}, 401},
		{"begins like it", "/tasks", []string{"Authorization: Bearer s3cret2"}, 401},
		{"another scheme", "/tasks", []string{"Authorization: Basic s3cret"}, 401},
		{"right", "/tasks", []string{"Authorization: Bearer s3cret"}, 200},
		{"health needs none", "/healthz", nil, 200},
		{"keys need none", "/.well-known/jwks.json", nil, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			if status, _, body := r.call("GET", c.path, "", c.header...); status != c.status {
				t.Errorf("%d %s, want %d", status, body, c.status)
			}
		})
	}
	if status, _, _ := r.call("POST", "/2015-03-31/functions/EnqueueFunction/invocations", "{}"); status != 401 {
		t.Errorf("invoking without a token: %d, want 401", status)
	}
}
