package main

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"text/tabwriter"
)

// table is what a run found.
type table struct {
	Machine string   `json:"machine"`
	Figures []figure `json:"figures"`
	Left    []string `json:"leftOut,omitempty"` // what could not be measured here, and why
}

// figure is one line of the table.
type figure struct {
	Part    string  `json:"part"`
	Name    string  `json:"name"`
	Value   float64 `json:"value"`
	Unit    string  `json:"unit"`
	Target  string  `json:"target,omitempty"` // "≥ 10000", "≤ 1.5"
	Met     *bool   `json:"met,omitempty"`
	Meaning string  `json:"meaning"`
}

func (t *table) add(f figure) { t.Figures = append(t.Figures, f) }

// atLeast adds a figure that has a target.
func (t *table) atLeast(f figure, target float64) {
	met := f.Value >= target
	f.Target, f.Met = fmt.Sprintf("≥ %s", plain(target)), &met
	t.add(f)
}

// atMost adds a figure that has a target.
func (t *table) atMost(f figure, target float64) {
	met := f.Value <= target
	f.Target, f.Met = fmt.Sprintf("≤ %s", plain(target)), &met
	t.add(f)
}

func (t *table) leaveOut(format string, args ...any) {
	t.Left = append(t.Left, fmt.Sprintf(format, args...))
}

func (t table) write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintln(&b, t.Machine)
	lines := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	part := ""
	for _, f := range t.Figures {
		if f.Part != part {
			part = f.Part
			fmt.Fprintf(lines, "\t\t\t\t\n%s\t\t\t\t\n", strings.ToUpper(part))
		}
		fmt.Fprintf(lines, "  %s\t%12s %s\t%s\t%s\n", f.Name, plain(f.Value), f.Unit, f.verdict(), f.Meaning)
	}
	if err := lines.Flush(); err != nil {
		return err
	}
	if len(t.Left) > 0 {
		fmt.Fprintln(&b, "\nLEFT OUT")
	}
	for _, left := range t.Left {
		fmt.Fprintln(&b, "  "+left)
	}
	var out strings.Builder
	for line := range strings.Lines(b.String()) {
		out.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func (f figure) verdict() string {
	switch {
	case f.Met == nil:
		return ""
	case *f.Met:
		return f.Target + " met"
	default:
		return f.Target + " MISSED"
	}
}

// plain writes a number with as many digits as mean anything.
func plain(n float64) string {
	switch {
	case n >= 100:
		return fmt.Sprintf("%.0f", n)
	case n == float64(int64(n)):
		return fmt.Sprintf("%d", int64(n))
	case n >= 10:
		return fmt.Sprintf("%.1f", n)
	default:
		return fmt.Sprintf("%.2f", n)
	}
}

func machine() string {
	return fmt.Sprintf("%s, %s/%s, %d cores for everything: server, receiver and this program", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
}
