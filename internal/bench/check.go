package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

const (
	baselineFile = "internal/bench/baseline.json"
	// slack is how far a ratio may be from the recorded one: noise stays within it, half the speed does not.
	slack = 1.8
	// tries is how often a part is measured at most where a ratio of it misses; the best of each counts.
	tries = 4
	// recordings is how often each part is measured to record it; the medians count.
	recordings = 3
)

// side of its baseline on which a ratio is worse.
type worse int

const (
	worseBelow worse = iota // a speed's
	worseAbove              // a time's
	worseOther              // a count: it must be the same
)

// guarded returns which ratios are guarded of each part, all measured in one run against something that this project
// has no influence on. Of the writes every figure is guarded, as it is.
func guarded() map[string]map[string]worse {
	return map[string]map[string]worse{
		"drain": {
			"ratio, unsigned": worseBelow, "ratio, ES256": worseBelow,
			"CPU ratio, unsigned": worseAbove, "CPU ratio, ES256": worseAbove,
		},
		"enqueue": {"ratio, embedded": worseBelow, "CPU ratio, embedded": worseAbove, "CPU ratio, over HTTP": worseAbove},
		"claim":   {"ratio": worseAbove},
		"writes":  nil,
	}
}

// baseline is what was recorded, by the part and the name of the figure.
type baseline struct {
	Machine string                        `json:"machine"`
	Figures map[string]map[string]float64 `json:"figures"`
}

// compared is a figure beside its baseline.
type compared struct {
	part, name         string
	worse              worse
	baseline, measured float64
}

// missed says whether the figure is worse than its baseline by more than the slack.
func (c compared) missed() bool {
	switch c.worse {
	case worseBelow:
		return c.measured < c.baseline/slack
	case worseAbove:
		return c.measured > c.baseline*slack
	default:
		return c.measured != c.baseline
	}
}

// better returns the better of two measurements.
func (c compared) better(other compared) compared {
	if c.worse == worseBelow && other.measured > c.measured || c.worse == worseAbove && other.measured < c.measured {
		return other
	}
	return c
}

var errSlower = errors.New("slower than the baseline, or other writes")

// check measures what is guarded of the parts and fails if any of it misses its baseline, every time it is tried.
func (b *bench) check(ctx context.Context, wanted []string, out io.Writer) error {
	content, err := os.ReadFile(baselineFile)
	if err != nil {
		return fmt.Errorf("reading the baseline: %w", err)
	}
	var recorded baseline
	if err := json.Unmarshal(content, &recorded); err != nil {
		return fmt.Errorf("reading the baseline: %w", err)
	}
	var all []compared
	var left []string
	for _, p := range parts() {
		if _, ok := guarded()[p.name]; !ok || !slices.Contains(wanted, p.name) {
			continue
		}
		var best []compared
		for try := range tries {
			t, err := b.again(ctx, p)
			if err != nil {
				return err
			}
			if left = append(left, t.Left...); len(t.Left) > 0 {
				break
			}
			now, err := compare(p.name, recorded.Figures[p.name], t.Figures)
			if err != nil {
				return err
			}
			for i, c := range best {
				now[i] = c.better(now[i])
			}
			if best = now; !slices.ContainsFunc(best, compared.missed) {
				break
			}
			if try < tries-1 {
				fmt.Fprintf(os.Stderr, "%s misses its baseline: once more\n", p.name)
			}
		}
		all = append(all, best...)
	}
	return report(out, all, left)
}

// again measures one part anew.
func (b *bench) again(ctx context.Context, p part) (table, error) {
	before := b.table
	defer func() { b.table = before }()
	b.table = table{}
	began := time.Now()
	fmt.Fprintf(os.Stderr, "measuring %s …", p.name)
	err := p.run(b, ctx)
	fmt.Fprintf(os.Stderr, " %.0f s\n", time.Since(began).Seconds())
	if err != nil {
		return table{}, fmt.Errorf("measuring %s: %w", p.name, err)
	}
	return b.table, nil
}

// of returns those of a part's figures that are guarded, by name.
func of(part string, figures []figure) (values map[string]float64, kinds map[string]worse) {
	values, kinds = map[string]float64{}, map[string]worse{}
	names := guarded()[part]
	for _, f := range figures {
		kind, ok := names[f.Name]
		if names == nil {
			kind, ok = worseOther, true
		}
		if ok && f.Part == part {
			values[f.Name], kinds[f.Name] = f.Value, kind
		}
	}
	return values, kinds
}

// compare returns each guarded figure of a part beside its baseline, by name. There must be as many of both.
func compare(part string, recorded map[string]float64, figures []figure) ([]compared, error) {
	values, kinds := of(part, figures)
	var cs []compared
	for _, name := range slices.Sorted(maps.Keys(values)) {
		was, ok := recorded[name]
		if !ok {
			return nil, fmt.Errorf("the baseline has no figure of %s: %s; record it: make bench-check ARGS=-record", part, name)
		}
		cs = append(cs, compared{part, name, kinds[name], was, values[name]})
	}
	for name := range recorded {
		if _, ok := values[name]; !ok {
			return nil, fmt.Errorf("%s: %s is in the baseline and was not measured", part, name)
		}
	}
	return cs, nil
}

func report(out io.Writer, all []compared, left []string) error {
	lines := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(lines, "\trecorded\tnow\tallowed\t")
	var missed []string
	exact := 0
	for _, c := range all {
		name, verdict := c.part+": "+c.name, ""
		if c.missed() {
			verdict = "MISSED"
			missed = append(missed, name)
		}
		if c.worse == worseOther && verdict == "" {
			exact++
			continue
		}
		allowed := map[worse]string{worseBelow: "≥ " + plain(c.baseline/slack), worseAbove: "≤ " + plain(c.baseline*slack), worseOther: "the same"}
		fmt.Fprintf(lines, "%s\t%s\t%s\t%s\t%s\n", name, plain(c.baseline), plain(c.measured), allowed[c.worse], verdict)
	}
	if exact > 0 {
		fmt.Fprintf(lines, "writes: %d paths, each exactly\t\t\t\t\n", exact)
	}
	if err := lines.Flush(); err != nil {
		return err
	}
	for _, l := range left {
		fmt.Fprintln(out, "left out:", l)
	}
	if len(missed) > 0 {
		return fmt.Errorf("%s: %w", strings.Join(missed, "; "), errSlower)
	}
	return nil
}

// record writes the baseline: the medians of several measurements of each part.
func (b *bench) record(ctx context.Context) error {
	recorded := baseline{Machine: machine(), Figures: map[string]map[string]float64{}}
	for _, p := range parts() {
		if _, ok := guarded()[p.name]; !ok {
			continue
		}
		seen := map[string][]float64{}
		for range recordings {
			t, err := b.again(ctx, p)
			if err == nil && len(t.Left) > 0 {
				err = fmt.Errorf("left out, %s", t.Left[0])
			}
			if err != nil {
				return fmt.Errorf("recording: %w", err)
			}
			values, kinds := of(p.name, t.Figures)
			for name, v := range values {
				if kinds[name] != worseOther {
					v = float64(int(v*100+0.5)) / 100
				}
				seen[name] = append(seen[name], v)
			}
			if p.name == "writes" { // counted, not measured
				break
			}
		}
		recorded.Figures[p.name] = map[string]float64{}
		for name, values := range seen {
			recorded.Figures[p.name][name] = slices.Sorted(slices.Values(values))[len(values)/2]
		}
	}
	content, err := json.MarshalIndent(recorded, "", "  ")
	if err == nil {
		err = os.WriteFile(filepath.FromSlash(baselineFile), append(content, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("writing the baseline: %w", err)
	}
	return nil
}
