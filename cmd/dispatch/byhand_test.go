package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// step is a command, and what is wanted of it.
type step struct {
	name     string
	args     string
	in       string
	code     int
	out, err string // what they hold; "" for out: it is empty
	lacks    string // what out does not hold
}

func steps(t *testing.T, folder string, all []step) {
	t.Helper()
	for _, c := range all {
		t.Run(c.name, func(t *testing.T) {
			got := dispatchIn(t, folder, c.in, strings.Fields(c.args)...)
			if got.code != c.code || !strings.Contains(got.out, c.out) || c.out == "" && got.out != "" || !strings.Contains(got.err, c.err) ||
				c.lacks != "" && strings.Contains(got.out, c.lacks) {
				t.Errorf("exit %d\nout: %s\nerr: %s\nwant exit %d with %q and %q, without %q", got.code, got.out, got.err, c.code, c.out, c.err, c.lacks)
			}
		})
	}
}

func write(t *testing.T, folder, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestByHand(t *testing.T) {
	const group = `{"tasks": [
		{"id": "g0", "group": "g", "uri": "https://a.example/", "delay": 3600},
		{"id": "g1", "group": "g", "uri": "https://a.example/", "identifier": "order-7", "when": "attempt < 9"},
		{"id": "g2", "group": "g", "uri": "https://a.example/", "identifier": "order-8", "onFailure": {"uri": "https://told.example/"}}]}`
	steps(t, t.TempDir(), []step{
		{"enqueue a group", "enqueue", group, 0, "g1  blocked", "", ""},
		{"a rule that is none", "enqueue", `{"uri": "https://a.example/", "when": "1 +"}`, 2, "", "#/when", ""},
		{"not due", "show g0", "", 0, "not due until", "", ""},
		{"before whom", "show g0", "", 0, "g, before g1", "", ""},
		{"behind whom", "show g1", "", 0, "g, behind g0, before g2", "", ""},
		{"blocked behind which", "show g2", "", 0, "blocked behind g0, which is scheduled, and 1 task between: not due until", "", ""},
		{"its rule", "show g1", "", 0, "attempt < 9", "", ""},
		{"who is told", "show g2", "", 0, "POST https://told.example/", "", ""},
		{"as JSON", "show g2 --json", "", 0, `"waits": "blocked behind g0`, "", ""},
		{"list the blocked", "list --state blocked", "", 0, "g2", "", "g0"},
		{"list an identifier", "list --identifier order-7", "", 0, "g1", "", "g2"},
		{"list two", "list --identifier order-7 --identifier order-8 --json", "", 0, `"id": "g2"`, "", ""},
		{"list none of it", "list --identifier order-9", "", 0, "", "no such tasks", ""},
		{"list the identified", "list --identified", "", 0, "g2", "", "g0"},
		{"skip what is not held", "skip g0", "", 1, "", "task g0 is scheduled", ""},
		{"skip none", "skip nope", "", 1, "", "there is no task nope", ""},
		{"reschedule", "reschedule g0 --at 2100-01-01T00:00:00Z", "", 0, "not due until 2100-01-01", "", ""},
		{"reschedule by a delay", "reschedule g0 --delay 1d12h", "", 0, "in 36 h", "", ""},
		{"reschedule the blocked", "reschedule g2 --delay 2h --json", "", 0, `"state": "blocked"`, "", ""},
		{"reschedule to both", "reschedule g0 --delay 1h --at 2100-01-01T00:00:00Z", "", 2, "", "--at", ""},
		{"reschedule to nothing", "reschedule g0", "", 2, "", "--delay", ""},
		{"reschedule to what is no time", "reschedule g0 --at tomorrow", "", 2, "", "--at", ""},
		{"reschedule by what is no duration", "reschedule g0 --delay 3x", "", 2, "", "3x", ""},
		{"reschedule none", "reschedule nope --delay 1s", "", 1, "", "there is no task nope", ""},
		{"cancel the blocked", "cancel g1", "", 0, "ends at its turn", "", ""},
		{"and it is listed so", "list --state blocked", "", 0, "cancelled: it ends at its turn", "", ""},
		{"cancel the head", "cancel g0", "", 0, "cancelled by hand", "", ""},
		{"its turn has come", "show g1", "", 0, "cancelled: it ends as soon as", "", ""},
		{"retry joins the end", "retry g0", "", 0, "g, behind g2", "", ""},
	})
}

func TestReschedulePastTheExpiry(t *testing.T) {
	steps(t, t.TempDir(), []step{
		{"enqueue", "enqueue", `{"id": "a", "uri": "https://a.example/", "lifetime": 3600}`, 0, "a", "", ""},
		{"too late", "reschedule a --delay 2h", "", 2, "", "#/dueAt: is not before the task's expiry", ""},
		{"not too late", "reschedule a --delay 30m", "", 0, "in 30 min", "", ""},
	})
}

func TestBulk(t *testing.T) {
	folder := t.TempDir()
	steps(t, folder, []step{
		{"enqueue", "enqueue", `{"tasks": [{"id": "a", "uri": "https://a.example/"}, {"id": "b", "uri": "https://a.example/"},
			{"id": "c", "uri": "https://a.example/"}, {"id": "d", "uri": "https://a.example/"}]}`, 0, "d", "", ""},
		{"cancel a", "cancel a", "", 0, "cancelled", "", ""},
		{"cancel b", "cancel b", "", 0, "cancelled", "", ""},
		{"cancel c", "cancel c", "", 0, "cancelled", "", ""},
		{"neither ids nor a filter", "retry", "", 2, "", "--state", ""},
		{"both", "retry a --state cancelled", "", 2, "", "not both", ""},
		{"a state that cannot", "retry --state blocked", "", 2, "", "--state", ""},
		{"none", "retry --state expired", "", 0, "0 tasks retried", "0 tasks", ""},
		{"of another queue", "retry --state cancelled --queue other --yes", "", 0, "0 tasks", "", ""},
		{"the count, and a question", "retry --state cancelled", "n\n", 1, "", "3 tasks in state cancelled", ""},
		{"no answer", "retry --state cancelled", "", 1, "", "nothing was changed", ""},
		{"and it changed nothing", "list --state cancelled", "", 0, "c", "", ""},
		{"several ids", "retry a nope b", "", 1, "b", "there is no task nope", ""},
		{"those run again", "show a", "", 0, "2: it was run again", "", ""},
		{"an answer", "retry --state cancelled --since 2h", "y\n", 0, "1 task retried", "go on?", ""},
		{"it runs again too", "show c", "", 0, "2: it was run again", "", ""},
		{"cancel d", "cancel d", "", 0, "cancelled", "", ""},
		{"without a question", "retry --state cancelled --yes --json", "", 0, `"changed": 1`, "", ""},
		{"cancel d again", "cancel d", "", 0, "cancelled", "", ""},
		{"clear needs an age", "clear", "", 2, "", "--older-than", ""},
		{"clear what is young", "clear --older-than 7h59m", "", 2, "", "8h", ""},
		{"clear finds nothing as old", "clear --older-than 8h --yes", "", 0, "0 tasks deleted", "", ""},
		{"and d is there", "show d", "", 0, "cancelled", "", ""},
		{"clear a live state", "clear --older-than 14d --state scheduled", "", 2, "", "--state", ""},
	})
}

func TestSettingsByHand(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, "settings.json", `{"queues": {"bulk": {"lanes": 2, "rate": 5}}}`)
	write(t, folder, "old.json", `{"version": 1, "queues": {"bulk": {"lanes": 2}}}`)
	write(t, folder, "wrong.json", `{"version": -1, "queues": {"bulk": {"rate": -1, "inFlight": "x"}}, "more": 1}`)
	steps(t, folder, []step{
		{"apply", "settings apply settings.json", "", 0, "version 1", "", ""},
		{"get", "settings get", "", 0, `"version": 1`, "", ""},
		{"pause", "pause bulk", "", 0, "queue bulk is paused; settings version 2", "", ""},
		{"pause again", "pause bulk", "", 0, "settings version 2", "", ""},
		{"the rest stays", "settings get", "", 0, `"rate": 5`, "", ""},
		{"pause none", "pause nope", "", 2, "", "there are bulk, default", ""},
		{"enqueue", "enqueue", `{"id": "a", "queue": "bulk", "uri": "https://a.example/"}`, 0, "a", "", ""},
		{"why", "show a", "", 0, "its queue bulk is paused", "", "sweep running"},
		{"over an old version", "settings apply old.json", "", 1, "", "version 2 is stored, not 1", ""},
		{"resume", "resume bulk --json", "", 0, `"version": 3`, "", `"paused"`},
		{"due", "show a", "", 0, "its queue bulk is limited, and others may come first: 5 a second may begin", "", "paused"},
		{"the version's fault", "settings apply wrong.json", "", 2, "", "#/version", ""},
		{"the others too", "settings apply wrong.json", "", 2, "", "#/queues/bulk/inFlight", ""},
		{"and what is unknown", "settings apply wrong.json", "", 2, "", "#/more", ""},
	})
}

func TestTypes(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, "routes.json", `{"routes": {"invoice.*": {"targets": [
		{"name": "ledger", "uri": "https://ledger.example/", "attempts": {"interval": 30}}, {"name": "tax", "uri": "https://tax.example/", "when": "body.total > 100"}]}}}`)
	write(t, folder, "bad.json", `{"routes": {"a": {"targets": [{"name": "b", "uri": "https://x.example/", "when": "1 +"}]}}}`)
	const task = `{"id": "a", "type": "invoice.paid", "body": {"total": 7}, "delay": 60}`
	steps(t, folder, []step{
		{"no routes", "enqueue", task, 2, "", "there is no route for", ""},
		{"a rule that is none", "settings apply " + filepath.Join(folder, "bad.json"), "", 2, "", "#/routes/a/targets/0/when", ""},
		{"apply", "settings apply " + filepath.Join(folder, "routes.json"), "", 0, "version 1", "", ""},
		{"get", "settings get", "", 0, `"invoice.*"`, "", ""},
		{"enqueue", "enqueue", task, 0, "a  scheduled", "", ""},
		{"a type that has none", "enqueue", `{"type": "order"}`, 2, "", "known are invoice.*", ""},
		{"show", "show a", "", 0, "ledger: scheduled", "", ""},
		{"list", "list", "", 0, "type invoice.paid", "", ""},
		{"its rule", "show a", "", 0, "body.total > 100", "", ""},
		{"as JSON", "show a --json", "", 0, `"type": "invoice.paid"`, "", ""},
		{"pause keeps the routes", "pause default", "", 0, "default", "", ""},
		{"they are there", "settings get", "", 0, `"ledger"`, "", ""},
	})
}
