package main

import (
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The arithmetic of a bill, with prices that are easy to follow.
func TestBill(t *testing.T) {
	p := prices{write: 1, read: 0.5, storage: 30, request: 0.2, arm: 0.00001, x86: 1000, logs: 2}
	for _, c := range []struct {
		name string
		used usage
		line string // one of the bill
		want float64
		sum  float64
	}{
		{"writes", usage{tasks: 10, writes: 50}, "DynamoDB writes", 5, 5},
		{"reads of which many tasks share one", usage{tasks: 1000, reads: 0.5}, "DynamoDB reads", 0.00025, 0.00025},
		{"a row of 1 KB for seven days", usage{tasks: 1, stored: 1024}, "rows for seven days", million * 1024 / gb * 7 / 30 * 30, million / 1024 / 1024 * 7},
		{"an invocation a task", usage{tasks: 4, functions: map[string]work{"handle": {4, 0.08}}}, "handle, time", 0.2, 0.4},
		{"ten tasks an invocation", usage{tasks: 40, functions: map[string]work{"handle": {4, 0}}}, "handle, requests", 0.02, 0.02},
		{"a kilobyte of logs", usage{tasks: 2, logged: 2048}, "logs", million / 1024 / 1024 * 2, million / 1024 / 1024 * 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			lines := c.used.bill(p)
			got := math.NaN()
			for _, l := range lines {
				if l.name == c.line {
					got = l.dollars
				}
			}
			if !near(got, c.want) || !near(total(lines), c.sum) {
				t.Errorf("%s costs %v of %v, want %v of %v", c.line, got, total(lines), c.want, c.sum)
			}
		})
	}
}

// What others ask for the same job, by their lists.
func TestOthers(t *testing.T) {
	for _, c := range []struct {
		name                        string
		job                         job
		lambda, cloudTasks, upstash float64
	}{
		{"now", job{attempts: 1, callTime: 0.05}, 0.2 + 0.00625*13.3334, 0.8, 10},
		{"scheduled", job{scheduled: true, attempts: 1, callTime: 0.05}, 1.2 + 0.00625*13.3334, 0.8, 10},
		{"retried once", job{attempts: 2, callTime: 0.05}, 2 * (0.2 + 0.00625*13.3334), 1.2, 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i, want := range []float64{c.lambda, c.cloudTasks, c.upstash} {
				if got := list().others(c.job)[i]; !near(got.dollars, want) {
					t.Errorf("%s: %v, want %v", got.name, got.dollars, want)
				}
			}
		})
	}
}

// A month of ticks, and what costs the same whatever happens.
func TestMonth(t *testing.T) {
	p := prices{read: 1, request: 0.2, arm: 0.00001, metric: 0.3, alarm: 0.1}
	u := usage{tasks: 3, reads: 2, stored: 1 << 30, functions: map[string]work{"sweep": {1, 0.01}}}
	want := 43200*(2.0/million+0.2/million+0.01*0.00001) + 0.9 + 0.8
	if got := total(u.month(p, 8, 43200)); !near(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Max(1, math.Abs(b)) }

// The template's memory and alarms are those that are billed.
func TestAsInTheTemplate(t *testing.T) {
	b, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for name, want := range memories() {
		_, of, _ := strings.Cut(text, "\n  "+strings.ToUpper(name[:1])+name[1:]+"Function:\n")
		found := regexp.MustCompile(`MemorySize: (\d+)`).FindStringSubmatch(of)
		if found == nil || found[1] != strconv.Itoa(int(want)) {
			t.Errorf("%s has %v MB, want %v", name, found, want)
		}
	}
	if n := strings.Count(text, "Type: AWS::CloudWatch::Alarm"); n != alarms {
		t.Errorf("%d alarms, want %d", n, alarms)
	}
}
