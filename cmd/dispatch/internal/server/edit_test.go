package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

func TestEditAPI(t *testing.T) {
	r := start(t, nil)
	r.call("POST", "/tasks", `{"tasks": [
		{"id": "g0", "group": "g", "uri": "https://a.example/", "delay": 3600, "lifetime": 86400},
		{"id": "g1", "group": "g", "uri": "https://a.example/", "delay": 3600, "identifier": "seven"},
		{"id": "x", "uri": "https://a.example/", "delay": 3600, "identifier": "eight"}]}`)
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		holds, lacks             string
	}{
		{"why", "GET", "/tasks/g1", "", 200, `"waits":"blocked behind g0, which is scheduled: not due until`, ""},
		{"group", "GET", "/tasks/g1", "", 200, `"group":"g","prev":"g0"`, ""},
		{"by identifier", "GET", "/tasks?identifier=seven", "", 200, `"id":"g1"`, `"id":"x"`},
		{"by two", "GET", "/tasks?identifier=seven&identifier=eight", "", 200, `"id":"x"`, `"id":"g0"`},
		{"by any", "GET", "/tasks?identified=true", "", 200, `"id":"x"`, `"id":"g0"`},
		{"by none", "GET", "/tasks?identified=false", "", 200, `"id":"g0"`, ""},
		{"by what is no answer", "GET", "/tasks?identified=maybe", "", 400, "identified", ""},
		{"by a new state", "GET", "/tasks?state=blocked", "", 200, `"id":"g1"`, `"id":"g0"`},
		{"reschedule by seconds", "POST", "/tasks/g0/reschedule", `{"delay": 7200.5}`, 200, `"id":"g0"`, ""},
		{"reschedule to a time", "POST", "/tasks/x/reschedule", `{"dueAt": "2100-01-01T00:00:00Z"}`, 200, `"dueAt":"2100-01-01T00:00:00Z"`, ""},
		{"reschedule to Unix seconds", "POST", "/tasks/x/reschedule", `{"dueAt": 4102444801}`, 200, `"dueAt":"2100-01-01T00:00:01Z"`, ""},
		{"reschedule past the expiry", "POST", "/tasks/g0/reschedule", `{"delay": 100000}`, 400, `"pointer":"#/dueAt"`, ""},
		{"reschedule to nothing", "POST", "/tasks/g0/reschedule", `{}`, 400, `"pointer":"#"`, ""},
		{"reschedule to both", "POST", "/tasks/g0/reschedule", `{"delay": 1, "dueAt": 4102444801}`, 400, `"pointer":"#"`, ""},
		{"reschedule to a list", "POST", "/tasks/g0/reschedule", `[1]`, 400, `"pointer":"#"`, ""},
		{"reschedule to null", "POST", "/tasks/g0/reschedule", `null`, 400, `"pointer":"#"`, ""},
		{"reschedule twice", "POST", "/tasks/g0/reschedule", `{"delay": 1, "delay": 2}`, 400, `"pointer":"#"`, ""},
		{"reschedule to no time", "POST", "/tasks/g0/reschedule", `{"dueAt": "tomorrow", "more": 1}`, 400, `"pointer":"#/dueAt"`, ""},
		{"all faults", "POST", "/tasks/g0/reschedule", `{"dueAt": "tomorrow", "more": 1}`, 400, `"pointer":"#/more"`, ""},
		{"reschedule backwards", "POST", "/tasks/g0/reschedule", `{"delay": -1}`, 400, `"pointer":"#/delay"`, ""},
		{"reschedule by no number", "POST", "/tasks/g0/reschedule", `{"delay": "1h"}`, 400, `"pointer":"#/delay"`, ""},
		{"reschedule none", "POST", "/tasks/nope/reschedule", `{"delay": 1}`, 404, `"status":404`, ""},
		{"reschedule too much", "POST", "/tasks/g0/reschedule", strings.Repeat(" ", 9<<20), 413, `"status":413`, ""},
		{"skip what is not held", "POST", "/tasks/g0/skip", "", 409, "task g0 is scheduled", ""},
		{"skip none", "POST", "/tasks/nope/skip", "", 404, `"status":404`, ""},
		{"cancel the blocked", "DELETE", "/tasks/g1", "", 202, `"cancelling":true`, ""},
		{"it cannot be rescheduled", "POST", "/tasks/g1/reschedule", `{"delay": 1}`, 409, "task g1 is blocked", ""},
		{"cancel the head", "DELETE", "/tasks/g0", "", 200, `"state":"cancelled"`, `"waits"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, header, body := r.call(c.method, c.path, c.body)
			if status != c.status || !strings.Contains(body, c.holds) || c.lacks != "" && strings.Contains(body, c.lacks) {
				t.Errorf("%d %s; want %d with %s and without %q", status, body, c.status, c.holds, c.lacks)
			}
			if status >= 400 && header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("content type %q", header.Get("Content-Type"))
			}
		})
	}
	r.await("g1", dispatch.Cancelled) // its turn has come
}

func TestSettingsAPI(t *testing.T) {
	r := start(t, nil)
	for _, c := range []struct {
		name, body, match string
		method            string
		status            int
		holds, tag        string
	}{
		{"none yet", "", "", "GET", 200, `{"version":0,"queues":{"default"`, `"0"`},
		{"no version", `{"queues": {}}`, "", "PUT", 428, "version", ""},
		{"another version", `{"version": 3, "queues": {}}`, "", "PUT", 409, "changed meanwhile", ""},
		{"another tag", `{"queues": {}}`, `"3"`, "PUT", 412, "changed meanwhile", ""},
		{"no tag", `{"queues": {}}`, `3`, "PUT", 400, "If-Match", ""},
		{"a weak tag", `{"queues": {}}`, `W/"0"`, "PUT", 400, "If-Match", ""},
		{"by version", `{"version": 0, "queues": {"bulk": {"lanes": 2}}}`, "", "PUT", 200, `"version":1`, `"1"`},
		{"by tag", `{"queues": {"bulk": {"lanes": 3}}}`, `"1"`, "PUT", 200, `"version":2`, `"2"`},
		{"by an old tag and the version", `{"version": 2, "queues": {"bulk": {"lanes": 3}}}`, `"1"`, "PUT", 412, "", ""},
		{"over any", `{"queues": {"bulk": {"lanes": 3, "priority": 5}}}`, `*`, "PUT", 200, `"version":3`, `"3"`},
		{"fewer lanes", `{"queues": {"bulk": {"lanes": 1}}}`, `"3"`, "PUT", 400, `"pointer":"#/queues/bulk/lanes"`, ""},
		{"without a queue", `{"queues": {}}`, `"3"`, "PUT", 400, `"pointer":"#/queues/bulk"`, ""},
		{"faults", `{"version": "x", "queues": {"B!": {}, "bulk": {"rate": 0}}}`, "", "PUT", 400, `"pointer":"#/queues/bulk/rate"`, ""},
		{"all faults", `{"version": "x", "queues": {"B!": {}, "bulk": {"rate": 0}}}`, "", "PUT", 400, `"pointer":"#/version"`, ""},
		{"a version twice", `{"version": 3, "version": 3, "queues": {}}`, "", "PUT", 400, "more than once", ""},
		{"no JSON", `queues`, "", "PUT", 400, `"errors"`, ""},
		{"null", `null`, `"3"`, "PUT", 400, `"errors"`, ""},
		{"it is as it was", "", "", "GET", 200, `"priority":5`, `"3"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var headers []string
			if c.match != "" {
				headers = append(headers, "If-Match: "+c.match)
			}
			status, header, body := r.call(c.method, "/settings", c.body, headers...)
			if status != c.status || !strings.Contains(body, c.holds) || header.Get("ETag") != c.tag {
				t.Errorf("%d %v %s; want %d with %s and the tag %s", status, header, body, c.status, c.holds, c.tag)
			}
		})
	}
}

func TestSettingsOfTwoAtOnce(t *testing.T) {
	r := start(t, nil)
	statuses := make(chan int, 20)
	var wg sync.WaitGroup
	for range cap(statuses) {
		wg.Go(func() {
			status, _, _ := r.call("PUT", "/settings", `{"version": 0, "queues": {"bulk": {"lanes": 1}}}`)
			statuses <- status
		})
	}
	wg.Wait()
	close(statuses)
	count := map[int]int{}
	for s := range statuses {
		count[s]++
	}
	// The same content over the same version is the same save: who repeats it is told that it is done.
	if count[200] == 0 || count[200]+count[409] != cap(statuses) {
		t.Errorf("answers %v", count)
	}
	if _, header, _ := r.call("GET", "/settings", ""); header.Get("ETag") != `"1"` {
		t.Errorf("it was saved %s times", header.Get("ETag"))
	}
}

func TestPauseTakesEffectAtOnce(t *testing.T) {
	var mu sync.Mutex
	calls := 0
	url := target(t, func(http.ResponseWriter, *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		calls++
	})
	r := start(t, nil)
	put := func(paused bool) {
		t.Helper()
		body := fmt.Sprintf(`{"queues": {"bulk": {"lanes": 1, "paused": %t}}}`, paused)
		if status, _, answer := r.call("PUT", "/settings", body, "If-Match: *"); status != 200 {
			t.Fatal(status, answer)
		}
	}
	for range 3 { // each time right after the other state was in use
		put(true)
		if status, _, body := r.call("POST", "/tasks", `{"queue": "bulk", "id": "a`+fmt.Sprint(time.Now().UnixNano())+`", "uri": "`+url+`"}`); status != 201 {
			t.Fatal(status, body)
		}
		settings, err := r.Settings(t.Context())
		if err != nil || !settings.Queues["bulk"].Paused {
			t.Errorf("paused: %v, %v", settings, err)
		}
		_, _, list := r.call("GET", "/tasks?state=scheduled&queue=bulk", "")
		if !strings.Contains(list, `"queue":"bulk"`) {
			t.Errorf("a paused queue's task is not there any more: %s", list)
		}
		put(false)
		r.until("the queue is empty again", func() bool {
			_, _, list := r.call("GET", "/tasks?state=scheduled&queue=bulk", "")
			return strings.Contains(list, `{"tasks":[]}`)
		})
	}
	mu.Lock()
	defer mu.Unlock()
	if calls != 3 {
		t.Errorf("%d calls, want 3", calls)
	}
}
