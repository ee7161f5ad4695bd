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
