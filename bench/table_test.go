package main

import (
	"strings"
	"testing"
)

func written(t *testing.T, table *table) string {
	t.Helper()
	var b strings.Builder
	if err := table.write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// line returns the line of a text that begins with a name, with single spaces, after a heading.
func line(t *testing.T, text, heading, name string) string {
	t.Helper()
	_, text, found := strings.Cut(text, heading)
	if !found {
		t.Fatalf("nothing has the heading %q", heading)
	}
	for one := range strings.Lines(text) {
		if one = strings.Join(strings.Fields(one), " "); strings.HasPrefix(one, name+" ") {
			return one
		}
	}
	t.Fatalf("%q has no line %q", text, name)
	return ""
}

func TestTable(t *testing.T) {
	table := newTable()
	table.systems = []string{dispatchName, riverName, asynqName, asynqEverysec}
	for system, rate := range map[string]float64{dispatchName: 12000, riverName: 10000, asynqName: 8001, asynqEverysec: 9000} {
		table.set(system, drainRate, rate)
		table.set(system, latencyMiddle, rate/1000)
		table.set(system, singleRate, rate)
	}
	table.set(dispatchName, singleHTTP, 5000)
	table.set(dispatchName, batchRate, 20000)
	table.set(riverName, batchRate, 40000)
	table.trials = []trial{{riverName, 200, 9000}}
	table.leaveOut("%s: %s", "somebody", "was not found")
	text := written(t, table)
	for name, want := range map[string]string{
		drainRate:     "drain 1.20 ≥ 1.2 MET 1.50 ≥ 1.5 MISSED 1.33",
		latencyMiddle: "latency at 1,000/s, p50 1.20 < 1 MISSED 1.50 < 1 MISSED 1.33",
		singleRate:    "enqueue, single 1.20 ≥ 5 MISSED 1.50 ≥ 1 MET 1.33",
		singleHTTP:    "enqueue over HTTP, single 0.50 0.62 0.56",
		batchRate:     "enqueue, batches 0.50 - -",
	} {
		if got := line(t, text, "DISPATCH ÷ PEER", name); got != want {
			t.Errorf("the ratios have %q, not %q", got, want)
		}
	}
	if got, want := line(t, text, "MEASURED", batchRate), "enqueue, batches 20000 40000 - - tasks/s"; !strings.HasPrefix(got, want) {
		t.Errorf("the figures have %q, not %q", got, want)
	}
	if got, want := line(t, text, "CONCURRENCY TRIED", riverName), "River 200 9000"; got != want {
		t.Errorf("what was tried has %q, not %q", got, want)
	}
	if want := "LEFT OUT\n  somebody: was not found\n"; !strings.Contains(text, want) {
		t.Errorf("%q is not in\n%s", want, text)
	}
}

// TestTableOfOne: without a peer, or without dispatch, there is nothing to divide.
func TestTableOfOne(t *testing.T) {
	for _, name := range []string{dispatchName, riverName} {
		table := newTable()
		table.systems = []string{name}
		table.set(name, drainRate, 12000)
		if text := written(t, table); strings.Contains(text, "÷") || !strings.Contains(text, "12000") {
			t.Errorf("of %s alone it prints\n%s", name, text)
		}
	}
}

// TestGoals: less is better than the peers' must be below, not as much.
func TestGoals(t *testing.T) {
	for _, c := range []struct {
		goal  goal
		ratio float64
		met   bool
	}{
		{atLeast(1.2), 1.2, true}, {atLeast(1.2), 1.19, false}, {lower()[riverName], 1, false}, {lower()[asynqName], 0.99, true},
	} {
		if got := c.goal.met(c.ratio); got != c.met {
			t.Errorf("%v is met by %v: %v", c.goal, c.ratio, got)
		}
	}
}
