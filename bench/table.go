package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
)

// table is what a run found.
type table struct {
	systems []string                      // in the order of their columns
	figures map[string]map[string]float64 // by system and measure
	trials  []trial
	left    []string // what was left out, and why
}

// trial is a drain that looked for a system's best concurrency.
type trial struct {
	system      string
	concurrency int
	rate        float64
}

func newTable() *table { return &table{figures: map[string]map[string]float64{}} }

func (t *table) set(system, measure string, value float64) {
	if t.figures[system] == nil {
		t.figures[system] = map[string]float64{}
	}
	t.figures[system][measure] = value
}

func (t *table) leaveOut(format string, args ...any) {
	t.left = append(t.left, fmt.Sprintf(format, args...))
}

// write prints the ratios, then what they were made of.
func (t *table) write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s/%s, %d cores for everything: workers, servers, receiver and load\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	for _, part := range []func(io.Writer){t.ratios, t.absolutes, t.tried} {
		lines := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		part(lines)
		if err := lines.Flush(); err != nil {
			return err
		}
	}
	if len(t.left) > 0 {
		fmt.Fprintf(&b, "\nLEFT OUT\n  %s\n", strings.Join(t.left, "\n  "))
	}
	for line := range strings.Lines(b.String()) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

// ratios prints dispatch's figures divided by those of its peers, with the goals.
func (t *table) ratios(w io.Writer) {
	peers := slices.DeleteFunc(slices.Clone(t.systems), func(name string) bool { return name == dispatchName })
	if t.figures[dispatchName] == nil || len(peers) == 0 {
		return
	}
	fmt.Fprint(w, "\nDISPATCH ÷ PEER")
	for _, peer := range peers {
		fmt.Fprintf(w, "\t%s\t", peer)
	}
	fmt.Fprintln(w)
	for _, m := range measures() {
		ours, measured := t.figures[dispatchName][m.name]
		if !measured {
			continue
		}
		fmt.Fprintf(w, "  %s", m.name)
		for _, peer := range peers {
			theirs := t.figures[peer][beside(m.name)]
			if theirs == 0 {
				fmt.Fprint(w, "\t-\t")
				continue
			}
			fmt.Fprintf(w, "\t%s\t%s", plain(ours/theirs), verdict(m.goals, peer, ours/theirs))
		}
		fmt.Fprintln(w)
	}
}

func verdict(goals map[string]goal, peer string, ratio float64) string {
	g, has := goals[peer]
	switch {
	case !has:
		return ""
	case g.met(ratio):
		return g.String() + " MET"
	default:
		return g.String() + " MISSED"
	}
}

func (t *table) absolutes(w io.Writer) {
	fmt.Fprintf(w, "\nMEASURED\t%s\n", strings.Join(t.systems, "\t"))
	for _, m := range measures() {
		line, any := "  "+m.name, false
		for _, system := range t.systems {
			value, measured := t.figures[system][m.name]
			if any = any || measured; measured {
				line += "\t" + plain(value)
			} else {
				line += "\t-"
			}
		}
		if any {
			fmt.Fprintf(w, "%s\t%s\t%s\n", line, m.unit, m.meaning)
		}
	}
}

func (t *table) tried(w io.Writer) {
	if len(t.trials) > 0 {
		fmt.Fprintln(w, "\nCONCURRENCY TRIED\tcalls at once\ttasks/s")
	}
	for _, one := range t.trials {
		fmt.Fprintf(w, "  %s\t%d\t%s\n", one.system, one.concurrency, plain(one.rate))
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
