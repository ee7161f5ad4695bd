package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// table is what a run has seen.
type table struct {
	part  string // to which rows are added
	lines []line
}

// line is one row of the table.
type line struct {
	part, what, seen string
	promise          string // "" for what is only told
	kept             bool
}

// saw adds what no promise is about.
func (t *table) saw(what, format string, args ...any) {
	t.lines = append(t.lines, line{part: t.part, what: what, seen: fmt.Sprintf(format, args...)})
}

// promise adds what must hold.
func (t *table) promise(kept bool, what, promise, format string, args ...any) {
	t.lines = append(t.lines, line{t.part, what, fmt.Sprintf(format, args...), promise, kept})
}

// within promises that a time of this run is at most so many times another. Below a floor both are what the machine adds by
// itself, and their ratio says nothing.
func (t *table) within(what string, value, other time.Duration, times float64, floor time.Duration) {
	kept := value <= time.Duration(times*float64(other)) || value <= floor
	t.promise(kept, what, fmt.Sprintf("≤ %g ×, or ≤ %v", times, floor), "%s, %s without: %.2f ×", short(value), short(other), float64(value)/float64(max(1, other)))
}

func (t *table) broken() error {
	n := 0
	for _, l := range t.lines {
		if l.promise != "" && !l.kept {
			n++
		}
	}
	if n > 0 {
		return fmt.Errorf("%d promises were broken", n)
	}
	return nil
}

func (t *table) write(w io.Writer) error {
	fmt.Fprintf(w, "%s, %s/%s, %d cores for everything: server, receivers and this program\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	lines := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	part := ""
	for _, l := range t.lines {
		if l.part != part {
			part = l.part
			fmt.Fprintf(lines, "\n%s\n", strings.ToUpper(part))
		}
		verdict := ""
		switch {
		case l.promise != "" && l.kept:
			verdict = "\t" + l.promise + ": kept"
		case l.promise != "":
			verdict = "\t" + l.promise + ": BROKEN"
		}
		fmt.Fprintf(lines, "  %s\t%s%s\n", l.what, l.seen, verdict)
	}
	return lines.Flush()
}

// short writes a time with as many digits as mean anything.
func short(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%.1f ms", d.Seconds()*1000)
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// percentile returns that of some times, which need not be in order; 0 for none.
func percentile(p int, times []time.Duration) time.Duration {
	if len(times) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(times))
	return sorted[(len(sorted)-1)*p/100]
}
