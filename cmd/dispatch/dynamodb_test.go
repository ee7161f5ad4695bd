package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"example.com/dispatch/pkg/dispatch/dynamo/dynamotest"
)

func TestCommandsOnATable(t *testing.T) {
	var database dynamotest.Server
	endpoint := database.Endpoint(t)
	table := database.Table(t)
	for _, c := range []struct {
		name, args, in string
		code           int
		out            string
		err            string
	}{
		{"enqueue", "enqueue", `{"id": "a", "uri": "https://a.example/x", "delay": 3600}`, 0, "a  scheduled  due in", ""},
		{"plain http is the deployment's to allow", "enqueue", `{"uri": "http://127.0.0.1/"}`, 2, "", "#/uri"},
		{"list", "list --state scheduled", "", 0, "https://a.example/x", ""},
		{"show", "show a", "", 0, "attempt 1", ""},
		{"cancel", "cancel a", "", 0, "cancelled by hand", ""},
		{"list all", "list", "", 0, "cancelled", ""},
		{"retry", "retry a", "", 0, "run", ""},
		{"show none", "show nope", "", 1, "", "there is no task nope"},
		{"settings", "settings get", "", 0, `"default"`, ""},
		{"a group", "enqueue", `{"tasks": [{"id": "g0", "group": "g", "uri": "https://a.example/", "delay": 60, "identifier": "seven"},
			{"id": "g1", "group": "g", "uri": "https://a.example/"}]}`, 0, "g1  blocked", ""},
		{"behind whom", "show g1", "", 0, "blocked behind g0, which is scheduled: not due until", ""},
		{"by identifier", "list --identifier seven", "", 0, "g0", ""},
		{"reschedule", "reschedule g0 --delay 2h", "", 0, "in 2 h", ""},
		{"cancel the head", "cancel g0", "", 0, "cancelled by hand", ""},
		{"its turn has come", "show g1", "", 0, "is a sweep running?", ""},
		{"retry by a filter", "retry --state cancelled --yes", "", 0, "1 task retried", "1 task in state cancelled"},
		{"it joins the end", "show g0", "", 0, "g, behind g1", ""},
		{"pause", "pause default", "", 0, "is paused", ""},
		{"paused", "show g1", "", 0, "queue default is paused", ""},
		{"resume", "resume default", "", 0, "goes on", ""},
		{"clear", "clear --older-than 8h --yes", "", 0, "0 tasks deleted", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			p := command(ctx, t, t.TempDir(), strings.Fields(c.args)...)
			p.Env = append(p.Env, "AWS_ENDPOINT_URL_DYNAMODB="+endpoint, "AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=y",
				"DISPATCH_STORE=dynamodb:"+table)
			var out, errs bytes.Buffer
			p.Stdin, p.Stdout, p.Stderr = strings.NewReader(c.in), &out, &errs
			if err := p.Run(); err != nil && p.ProcessState == nil {
				t.Fatal(err)
			}
			if p.ProcessState.ExitCode() != c.code || !strings.Contains(out.String(), c.out) || !strings.Contains(errs.String(), c.err) {
				t.Errorf("exit %d\nout: %s\nerr: %s\nwant exit %d with %q and %q", p.ProcessState.ExitCode(), &out, &errs, c.code, c.out, c.err)
			}
		})
	}
}
