package main

import (
	"maps"
	"slices"
	"time"
)

// usage is what a run used.
type usage struct {
	tasks     int // that were delivered
	writes    float64
	reads     float64
	stored    float64 // bytes of the table at the end, with its indexes
	logged    float64 // bytes of logs
	functions map[string]work

	requests  int           // to DynamoDB, of the functions
	processor time.Duration // of the functions' processes, with their starts
}

// work is what the invocations of one function used.
type work struct {
	invocations int
	gbSeconds   float64
}

// line is one of a bill.
type line struct {
	name    string
	amount  float64 // for a million tasks
	unit    string
	dollars float64
}

const (
	million = 1e6
	gb      = 1 << 30 // DynamoDB's and CloudWatch's
	// retained is the share of a month that a row stays: seven days.
	retained = 7.0 / 30
)

// bill returns what a million tasks cost that use as much as these.
func (u usage) bill(p prices) []line {
	scale := million / float64(u.tasks)
	gbSecond := p.arm
	var lines []line
	add := func(name string, amount float64, unit string, price float64) {
		lines = append(lines, line{name, amount, unit, amount * price})
	}
	add("DynamoDB writes", u.writes*scale, "units", p.write/million)
	add("DynamoDB reads", u.reads*scale, "units", p.read/million)
	add("rows for seven days", u.stored*scale/gb*retained, "GB-months", p.storage)
	for _, name := range slices.Sorted(maps.Keys(u.functions)) {
		w := u.functions[name]
		add(name+", requests", float64(w.invocations)*scale, "", p.request/million)
		add(name+", time", w.gbSeconds*scale, "GB-s", gbSecond)
	}
	add("logs", u.logged*scale/gb, "GB", p.logs)
	return lines
}

// total adds up a bill.
func total(lines []line) float64 {
	sum := 0.0
	for _, l := range lines {
		sum += l.dollars
	}
	return sum
}

// job is what others are asked to do as well.
type job struct {
	scheduled bool
	attempts  float64 // calls for each task
	callTime  float64 // seconds that one takes
}

// others returns what a million such jobs cost elsewhere, by list prices; a function that makes the calls has 128 MB, and is
// billed for nothing but the receiver's time.
func (p prices) others(j job) []line {
	const memory = 128.0 / 1024
	calls := j.attempts * (p.request + million*memory*j.callTime*p.arm)
	scheduled := line{"EventBridge Scheduler + Lambda", million, "", p.scheduler + calls}
	if !j.scheduled {
		scheduled = line{"Lambda alone, invoked as Event", million, "", calls}
	}
	return []line{
		scheduled,
		{"Cloud Tasks", million * (1 + j.attempts), "operations", (1 + j.attempts) * p.cloudTasks},
		{"QStash", million, "messages", p.qstash},
	}
}

// month returns what a stack costs in a month of so many sweeps that each use this.
func (u usage) month(p prices, alarms int, sweeps float64) []line {
	const metrics = 3
	per := u
	per.tasks, per.stored = 1, 0
	var lines []line
	for _, l := range per.bill(p) {
		if l.amount > 0 {
			l.amount, l.dollars = l.amount/million*sweeps, l.dollars/million*sweeps
			lines = append(lines, l)
		}
	}
	return append(lines,
		line{"metrics", metrics, "", metrics * p.metric},
		line{"alarms", float64(alarms), "", float64(alarms) * p.alarm})
}
