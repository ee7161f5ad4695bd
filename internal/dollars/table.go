package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// summary is a scenario and what it used.
type summary struct {
	scenario scenario
	used     usage
}

// write prints the bills, and then all of them beside what others cost.
func write(w io.Writer, all []summary) {
	for _, s := range all {
		lines := s.used.bill(list())
		fmt.Fprintf(w, "\n%s\n", s.scenario.name)
		writeLines(w, lines)
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "a million tasks\twrites a task\tinvocations a task\tGB-s a task\trequests a task\tprocessor ms a task\tdispatch\tothers, the same job")
	for _, s := range all {
		n := float64(s.used.tasks)
		var invocations, gbSeconds float64
		for _, f := range s.used.functions {
			invocations += float64(f.invocations)
			gbSeconds += f.gbSeconds
		}
		fmt.Fprintf(t, "%s\t%.3g\t%.3f\t%.4f\t%.2f\t%.2f\t$%.2f\t", s.scenario.name, s.used.writes/n, invocations/n, gbSeconds/n,
			float64(s.used.requests)/n, s.used.processor.Seconds()*1000/n, total(s.used.bill(list())))
		for i, l := range list().others(s.scenario.job()) {
			if i > 0 {
				fmt.Fprint(t, ", ")
			}
			fmt.Fprintf(t, "%s $%.2f", l.name, l.dollars)
		}
		fmt.Fprintln(t)
	}
	t.Flush()
}

func writeMonth(w io.Writer, title string, lines []line) {
	fmt.Fprintf(w, "\n%s\n", title)
	writeLines(w, lines)
}

func writeLines(w io.Writer, lines []line) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, l := range append(lines, line{"total", 0, "", total(lines)}) {
		amount := ""
		if l.amount > 0 {
			amount = fmt.Sprintf("%.6g", l.amount)
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t$%.3f\t\n", l.name, amount, l.unit, l.dollars)
	}
	t.Flush()
}
