package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const task = `{"id": "a", "method": "PATCH", "uri": "https://a.example/x", "delay": 3600, "lifetime": 86400, "body": {"n": 1},
	"headers": {"Authorization": "Bearer s3cret", "Cookie": "s3cret", "X-Plain": "shown"}}`

func TestCommands(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{
		"task.json": task, "batch.json": `{"tasks": [{"id": "b", "uri": "http://127.0.0.1:1/"}, {"id": "a", "uri": "https://b.example/"}]}`,
		"settings.json": `{"queues": {"default": {"lanes": 2}, "mail": {"lanes": 3}}}`, "fewer.json": `{"queues": {"default": {"lanes": 1}}}`,
		"wrong.json": `{"queues": {"Mail!": {"lanes": 0}}}`, "other.db": "this is no database, whatever its name says",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name     string
		args     string
		in       string
		code     int
		out, err string // what they hold; "" for out: it is empty
	}{
		{"no command", "", "", 2, "", "expected"},
		{"unknown command", "nope", "", 2, "", "nope"},
		{"unknown flag", "list --nope", "", 2, "", "--nope"},
		{"help", "--help", "", 0, "enqueue", ""},
		{"help of a command", "show --help", "", 0, "<id>", ""},
		{"reading what is not there", "list", "", 1, "", "there is no database dispatch.db"},
		{"showing in what is not there", "show a --store sqlite:x/y.db", "", 1, "", "there is no database x/y.db"},
		{"a store of another kind", "list --store mysql:x", "", 2, "", "sqlite:FILE or dynamodb:TABLE"},
		{"a store without a name", "list --store sqlite:", "", 2, "", "sqlite:FILE or dynamodb:TABLE"},
		{"another program's file", "list --store sqlite:other.db", "", 1, "", "other.db"},
		{"too short a retention", "cancel a --retention 1h", "", 2, "", "8h"},
		{"enqueue a file", "enqueue task.json", "", 0, "a  scheduled  due in 60 min", ""},
		{"enqueue it again", "enqueue task.json", "", 0, "enqueued before", ""},
		{"enqueue some", "enqueue batch.json", "", 1, "Conflict", "not every task"},
		{"enqueue from standard input", "enqueue -", `{"id": "c", "uri": "https://a.example/", "delay": 60, "queue": "default"}`, 0, "c  scheduled", ""},
		{"enqueue with JSON", "enqueue --json", `{"id": "d", "uri": "https://a.example/", "delay": 120}`, 0, `"id": "d"`, ""},
		{"enqueue faults", "enqueue", `{"id": "/", "uri": "x"}`, 2, "", "#/id"},
		{"enqueue all faults", "enqueue", `{"id": "/", "uri": "x"}`, 2, "", "#/uri"},
		{"enqueue nothing", "enqueue", "", 2, "", "faults"},
		{"enqueue no file", "enqueue nope.json", "", 2, "", "nope.json"},
		{"list", "list", "", 0, "PATCH https://a.example/x", ""},
		{"list by state", "list --state scheduled --limit 1", "", 0, "b", "there are more"},
		{"list none", "list --state delivered", "", 0, "", "no such tasks"},
		{"list no state", "list --state leased", "", 2, "", "--state"},
		{"list a negative number", "list --limit=-1", "", 2, "", "--limit"},
		{"list as JSON", "list --json --state delivered", "", 0, `"tasks": []`, ""},
		{"show", "show a", "", 0, "X-Plain: shown", ""},
		{"show hides secrets", "show a", "", 0, "Authorization: (hidden)", ""},
		{"show what comes next", "show a", "", 0, "attempt 1, 2", ""},
		{"show none", "show nope", "", 1, "", "there is no task nope"},
		{"retry before the end", "retry a", "", 1, "", "task a is scheduled"},
		{"cancel", "cancel a", "", 0, "cancelled by hand", ""},
		{"cancel again", "cancel a", "", 1, "", "task a is cancelled"},
		{"cancel none", "cancel nope", "", 1, "", "there is no task nope"},
		{"retry", "retry a --json", "", 0, `"run": 2`, ""},
		{"settings", "settings get", "", 0, `"default"`, ""},
		{"apply settings", "settings apply settings.json", "", 0, "version 1", ""},
		{"settings applied", "settings get", "", 0, `"mail"`, ""},
		{"apply fewer", "settings apply fewer.json", "", 2, "", "#/queues/mail"},
		{"apply faults", "settings apply wrong.json", "", 2, "", "#/queues/Mail%21"},
		{"apply no file", "settings apply nope.json", "", 2, "", "nope.json"},
		{"enqueue for the new queue", "enqueue", `{"id": "m", "uri": "https://a.example/", "delay": 9, "queue": "mail"}`, 0, "m  scheduled", ""},
		{"list a queue", "list --queue mail --state scheduled", "", 0, "mail", ""},
		{"serve beyond loopback", "serve --listen 0.0.0.0:0", "", 2, "", "needs a token"},
		{"serve with too many workers", "serve --workers 100000", "", 2, "", "--workers"},
		{"serve what excludes each other", "serve --public-only --allow-network 10.0.0.0/8", "", 2, "", "exclude"},
		{"serve unsigned and signed", "serve --unsigned --signing both", "", 2, "", "exclude"},
		{"serve signed in no known way", "serve --signing none", "", 2, "", "--signing"},
		{"serve a network that is none", "serve --allow-network 10.0.0.0/99", "", 2, "", "10.0.0.0/99"},
		{"receive with an impossible code", "receive --code 99", "", 2, "", "--code"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := dispatchIn(t, folder, c.in, strings.Fields(c.args)...)
			if got.code != c.code || !strings.Contains(got.out, c.out) || c.out == "" && got.out != "" || !strings.Contains(got.err, c.err) {
				t.Errorf("exit %d\nout: %s\nerr: %s\nwant exit %d with %q and %q", got.code, got.out, got.err, c.code, c.out, c.err)
			}
			if strings.Contains(got.out+got.err, "s3cret") {
				t.Errorf("it shows a secret: %s%s", got.out, got.err)
			}
			if strings.Contains(got.out, "\x1b") {
				t.Errorf("colour where no terminal is: %q", got.out)
			}
		})
	}
	if _, err := os.Stat(filepath.Join(folder, "x")); err == nil {
		t.Error("a reading command made a file")
	}
}

func TestJSONForPrograms(t *testing.T) {
	folder := t.TempDir()
	var receipts struct {
		Tasks []struct{ ID, State, DueAt string }
	}
	var list struct{ Tasks []map[string]any }
	var one map[string]any
	for _, c := range []struct {
		args string
		in   string
		into any
	}{
		{"enqueue --json", task, &receipts},
		{"list --json", "", &list},
		{"show --json a", "", &one},
	} {
		got := dispatchIn(t, folder, c.in, strings.Fields(c.args)...)
		if err := json.Unmarshal([]byte(got.out), c.into); err != nil || got.code != 0 || got.err != "" {
			t.Fatalf("%s: exit %d, %v: %s%s", c.args, got.code, err, got.out, got.err)
		}
	}
	if len(receipts.Tasks) != 1 || receipts.Tasks[0].ID != "a" || receipts.Tasks[0].State != "scheduled" || receipts.Tasks[0].DueAt == "" {
		t.Errorf("receipts: %v", receipts)
	}
	if len(list.Tasks) != 1 || list.Tasks[0]["id"] != one["id"] {
		t.Errorf("list: %v; show: %v", list, one)
	}
	for name, want := range map[string]any{"id": "a", "state": "scheduled", "queue": "default", "run": 1.0, "attempts": 0.0} {
		if one[name] != want {
			t.Errorf("%s is %v, want %v", name, one[name], want)
		}
	}
	request, _ := one["request"].(map[string]any)
	if request["method"] != "PATCH" || request["uri"] != "https://a.example/x" {
		t.Errorf("request: %v", request)
	}
}
