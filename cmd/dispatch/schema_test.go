package main

import (
	"strings"
	"testing"

	"example.com/dispatch/pkg/dispatch/schema"
)

func TestSchema(t *testing.T) {
	for _, c := range []struct {
		args string
		want []byte
	}{{"schema", schema.Task()}, {"schema task", schema.Task()}, {"schema settings", schema.Settings()}, {"schema answer", schema.Answer()}} {
		if got := dispatchIn(t, t.TempDir(), "", strings.Fields(c.args)...); got.code != 0 || got.out != string(c.want) || got.err != "" {
			t.Errorf("%s: exit %d, %d bytes, want %d: %s", c.args, got.code, len(got.out), len(c.want), got.err)
		}
	}
	if got := dispatchIn(t, t.TempDir(), "", "schema", "tasks"); got.code != exitUsage || got.out != "" {
		t.Errorf("exit %d: %s", got.code, got.out)
	}
}
