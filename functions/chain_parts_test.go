//go:build sam

package functions_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/functions/internal/samlocal"
	"example.com/dispatch/pkg/dispatch"
)

// parts enqueues the event files of everything that a task can ask for, changes tasks by hand with the command
// line on the same table, and looks at what the receiver got.
func (c *chain) parts() {
	c.receiver.answers(map[string][]int{
		"/orders/4711/events":   {200, 418, 200, 200}, // the second ends badly at first
		"/invoices/1/reminder":  {200},
		"/exports/9/start":      {404}, // a stop code
		"/exports/9/failed":     {200},
		"/products/77/reindex":  {200},
		"/imports/parts/1":      {200},
		"/webhooks/customer-5":  {503, 200},
		"/ledger":               {500, 200},
		"/archive":              {200},
		"/waits":                {425, 200},
		"/said":                 {200, 500},
		"/bulk":                 {200},
		"/paused":               {200},
		"/told-of-nobody-asked": {200},
	}, map[string][]string{"/said": {`retry;after=1;reason="warming up"`, "delivered"}})

	for _, test := range []struct {
		name string
		part func(*chain)
	}{
		{"a group, held and retried", (*chain).group},
		{"waiting, and the receiver's own word", (*chain).waiting},
		{"rules", (*chain).rules},
		{"intervals", (*chain).intervals},
		{"an end that is told of, and the history", (*chain).told},
		{"the same event once", (*chain).replaced},
		{"identifiers", (*chain).identified},
		{"a type with several targets", (*chain).typed},
		{"queues", (*chain).queues},
	} {
		c.t.Run(test.name, func(t *testing.T) { test.part(&chain{t: t, system: c.system, receiver: c.receiver, warm: true}) })
	}
}

// group: the second of three fails and is held, the third waits behind it until a person has decided.
func (c *chain) group() {
	tasks := c.enqueue("group.json")
	ids := []string{tasks[0].ID, tasks[1].ID, tasks[2].ID}
	if tasks[0].State != dispatch.Scheduled || tasks[1].State != dispatch.Blocked || tasks[2].State != dispatch.Blocked {
		c.t.Errorf("receipts %+v", tasks)
	}
	c.await("the second to be held", func() bool { return c.states(ids...) == c.said(ids, "delivered 1", "held 1", "blocked 0") }, func() string { return c.states(ids...) })
	c.command("show "+ids[2], "blocked behind "+ids[1]+", which is held")
	c.command("retry "+ids[1], "it was run again by hand")
	c.await("the group to go on", func() bool {
		c.sweep()
		return c.states(ids...) == c.said(ids, "delivered 1", "delivered 1", "delivered 1")
	}, func() string { return c.states(ids...) })
	var order []string
	for _, call := range c.receiver.at("/orders/4711/events") {
		order = append(order, call.id)
	}
	if want := []string{ids[0], ids[1], ids[1] + "/2", ids[2]}; strings.Join(order, " ") != strings.Join(want, " ") {
		c.t.Errorf("called in the order %v, want %v", order, want)
	}
}

func (c *chain) said(ids []string, states ...string) string {
	parts := make([]string, len(ids))
	for i, id := range ids {
		parts[i] = id + " is " + states[i]
	}
	return strings.Join(parts, ", ")
}

func (c *chain) waiting() {
	tasks := c.enqueue(c.file(`{"tasks": [
		{"id": "waits", "uri": "http://host.docker.internal:8701/waits", "attempts": {"interval": 1, "limit": 1}},
		{"id": "said", "uri": "http://host.docker.internal:8701/said", "attempts": {"interval": 600}}]}`))
	c.await("the word of the receiver", func() bool {
		c.sweep()
		return c.state("waits") == "delivered 1" && c.state("said") == "delivered 2"
	}, func() string { return c.states(tasks[0].ID, tasks[1].ID) })
	c.command("show said", "200 OK")
}

func (c *chain) rules() {
	yes := c.enqueue("rule.json")[0]
	no := c.enqueue(c.file(`{"uri": "http://host.docker.internal:8701/never", "body": {"total": 9}, "when": "body.total > 100"}`))[0]
	c.await("both to end", func() bool { return c.state(yes.ID) == "delivered 1" && c.state(no.ID) == "skipped 0" }, func() string { return c.states(yes.ID, no.ID) })
	if p := c.fails(c.file(`{"uri": "https://example.com/", "when": "body +"}`), "InvalidInput"); p.Errors[0].Pointer != "#/when" {
		c.t.Errorf("problem %+v", p)
	}
}

func (c *chain) intervals() {
	task := c.enqueue("intervals.json")[0]
	c.await("the first attempt", func() bool { return c.state(task.ID) == "scheduled 1" }, func() string { return c.states(task.ID) })
	stored := c.task(task.ID)
	if wait := stored.DueAt.Sub(stored.Progress[0].Last[0].At); wait < 4*time.Second || wait > 7*time.Second {
		c.t.Errorf("the second comes after %v, want 5 s, give or take a tenth, and the first one's time", wait)
	}
	c.command("reschedule "+task.ID+" --delay 1s", "")
	c.await("the second", func() bool { c.sweep(); return c.state(task.ID) == "delivered 2" }, func() string { return c.states(task.ID) })
}

func (c *chain) told() {
	task := c.enqueue("callback.json")[0]
	c.await("the end", func() bool { return c.state(task.ID) == "stopped 1" }, func() string { return c.states(task.ID) })
	c.await("the callback", func() bool { c.sweep(); return len(c.receiver.at("/exports/9/failed")) == 1 }, func() string { return "none" })
	if body := string(c.receiver.at("/exports/9/failed")[0].body); !strings.Contains(body, `"state":"stopped"`) || !strings.Contains(body, `"status":404`) || !strings.Contains(body, task.ID) {
		c.t.Errorf("it told %s", body)
	}
	c.command("list --state stopped", task.ID)
}

func (c *chain) replaced() {
	first := c.enqueue("replace.json")[0]
	second := c.enqueue("replace.json")[0]
	if first.Existing || !second.Existing || !second.Replaced || !second.DueAt.After(first.DueAt) {
		c.t.Errorf("receipts %+v and %+v", first, second)
	}
	c.command("reschedule "+first.ID+" --delay 1s", "")
	c.await("one call", func() bool { c.sweep(); return c.state(first.ID) == "delivered 1" }, func() string { return c.states(first.ID) })
	if calls := c.receiver.at("/products/77/reindex"); len(calls) != 1 {
		c.t.Errorf("%d calls, want one", len(calls))
	}
}

func (c *chain) identified() {
	tasks := c.enqueue("identifier.json")
	c.await("the first part", func() bool { return c.state(tasks[0].ID) == "delivered 1" }, func() string { return c.states(tasks[0].ID) })
	if out := c.command("list --identifier import-2026-01-31", tasks[1].ID); strings.Contains(out, tasks[0].ID) {
		c.t.Errorf("it lists what is finished:\n%s", out)
	}
	c.command("cancel "+tasks[1].ID, "cancelled by hand")
	c.command("list --identified", "")
}

func (c *chain) typed() {
	task := c.enqueue("typed.json")[0]
	ends := func() string {
		var all []string
		for _, p := range c.task(task.ID).Progress {
			all = append(all, string(p.State))
		}
		return strings.Join(all, " ")
	}
	c.await("the first calls", func() bool { return ends() == " delivered skipped" && c.task(task.ID).Lease == "" }, ends)
	c.command("show "+task.ID, "tax-office: skipped")
	c.command("reschedule "+task.ID+" --delay 1s", "")
	c.await("the ledger", func() bool { c.sweep(); return c.task(task.ID).State == dispatch.Delivered }, ends)
	ledger, archive := c.receiver.at("/ledger"), c.receiver.at("/archive")
	if len(ledger) != 2 || len(archive) != 1 || len(c.receiver.at("/tax")) != 0 {
		c.t.Fatalf("%d calls of the ledger, %d of the archive", len(ledger), len(archive))
	}
	if ledger[1].id != task.ID+"/ledger" || ledger[1].attempt != "2" || ledger[1].method != "PUT" || ledger[1].signature != nil {
		c.t.Errorf("the ledger got %+v", ledger[1])
	}
	if string(archive[0].body) != normal(c.t, c.bodyIn("typed.json")) || archive[0].header.Get("X-Tenant") != "acme" || archive[0].signature == nil {
		c.t.Errorf("the archive got %+v, want it raw and of another sender", archive[0])
	}
	if p := c.fails(c.file(`{"type": "order.paid"}`), "InvalidInput"); !strings.Contains(p.Errors[0].Detail, "known are invoice.*") {
		c.t.Errorf("problem %+v", p)
	}
}

// queues: a limited one is called, a retired and an unknown one take nothing, a paused one waits.
func (c *chain) queues() {
	bulk := c.enqueue(c.file(`{"queue": "bulk", "uri": "http://host.docker.internal:8701/bulk"}`))[0]
	c.await("the limited queue", func() bool { return c.state(bulk.ID) == "delivered 1" }, func() string { return c.states(bulk.ID) })
	p := c.fails(c.file(`{"tasks": [{"queue": "legacy", "uri": "https://example.com/"}, {"queue": "mail", "uri": "https://example.com/"}]}`), "InvalidInput")
	if len(p.Errors) != 2 || !strings.Contains(p.Errors[0].Detail, "retired") || !strings.Contains(p.Errors[1].Detail, "there are bulk, default, legacy, urgent") {
		c.t.Errorf("problem %+v", p)
	}
	waits := c.enqueue(c.file(`{"queue": "urgent", "uri": "http://host.docker.internal:8701/paused"}`))[0]
	c.sweep()
	c.command("show "+waits.ID, "its queue urgent is paused")
	if got := c.state(waits.ID); got != "scheduled 0" || len(c.receiver.at("/paused")) != 0 {
		c.t.Errorf("%s in a paused queue", got)
	}
	c.command("resume urgent", "goes on")
	c.command("cancel "+waits.ID, "cancelled by hand")
}

// configure has settings before any function reads them: a function looks again after a minute.
func (c *chain) configure() {
	c.t.Helper()
	if out, err := exec.CommandContext(c.t.Context(), "make", "-C", "..", "build").CombinedOutput(); err != nil {
		c.t.Fatalf("%v: %s", err, out)
	}
	c.command("settings apply "+filepath.Join("events", "settings.json"), "version 1")
	c.command("pause urgent", "is paused")
}

var spaces = regexp.MustCompile(`\s+`)

// command runs the command line on the table, and returns what it says.
func (c *chain) command(args, want string) string {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), filepath.Join("bin", "dispatch"), strings.Fields(args)...)
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "DISPATCH_STORE=dynamodb:"+samlocal.Table, "AWS_ENDPOINT_URL_DYNAMODB="+c.system.DynamoDB(),
		"AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		c.t.Fatalf("dispatch %s: %v: %s", args, err, &out)
	}
	c.t.Logf("dispatch %s:\n%s", args, &out)
	if got := spaces.ReplaceAllString(out.String(), " "); !strings.Contains(got, want) {
		c.t.Errorf("dispatch %s says\n%s\nwant %q", args, &out, want)
	}
	return out.String()
}
