package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// report is what a part has seen: figures, and what must not have happened.
type report struct {
	title      string
	figures    []figure
	violations []string
	hidden     int // violations that are more than anybody reads
}

type figure struct {
	name  string
	value any
}

// shown is how many violations are told one by one.
const shown = 20

func (r *report) add(name string, value any) { r.figures = append(r.figures, figure{name, value}) }

func (r *report) violate(format string, args ...any) {
	if len(r.violations) == shown {
		r.hidden++
		return
	}
	r.violations = append(r.violations, fmt.Sprintf(format, args...))
}

func (r *report) failed() bool { return len(r.violations) > 0 }

func (r *report) write(w io.Writer) error {
	lines := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\n%s\n", r.title)
	for _, f := range r.figures {
		fmt.Fprintf(lines, "%v\t  %s\t\n", f.value, f.name)
	}
	fmt.Fprintf(lines, "%d\t  violations\t\n", len(r.violations)+r.hidden)
	if err := lines.Flush(); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	for _, v := range r.violations {
		fmt.Fprintln(w, "  VIOLATION:", v)
	}
	return nil
}
