package main

import (
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	o, err := parse(nil)
	if err != nil || !slices.Equal(o.concurrency, []int{100, 200, 500, 1000}) || !slices.Equal(o.only, []string{"dispatch", "river", "asynq"}) || o.short {
		t.Errorf("without arguments: %+v, %v", o, err)
	}
	o, err = parse([]string{"-short", "-only", "river,asynq", "-concurrency", "50"})
	if err != nil || !slices.Equal(o.concurrency, []int{50}) || !slices.Equal(o.only, []string{"river", "asynq"}) || !o.short {
		t.Errorf("with all arguments: %+v, %v", o, err)
	}
	for _, c := range []struct{ args, want string }{
		{"-only rabbit", `no system "rabbit"`}, {"-only river,", `no system ""`}, {"-concurrency 100,", `""`}, {"-concurrency ten", `"ten"`},
		{"-concurrency 9", "from 10 to 10000"}, {"-concurrency 10001", "from 10 to 10000"}, {"river", "is no flag"},
	} {
		if _, err := parse(strings.Fields(c.args)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, not %s", c.args, err, c.want)
		}
	}
}
