// Package plot draws what was measured at ever larger sizes: an SVG, and beside it the figures as JSON, so that it can
// be drawn anew.
package plot

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Plot is one drawing: rates or times over a size, whose axis is logarithmic.
type Plot struct {
	Name   string   `json:"name"` // of its files
	Title  string   `json:"title"`
	X      string   `json:"x"` // what is counted
	Y      string   `json:"y"` // a unit; the axis begins at zero
	Note   string   `json:"note"`
	Series []Series `json:"series"`
}

// Series is one line.
type Series struct {
	Name   string  `json:"name"`
	Points []Point `json:"points"`
}

// Point is one measurement.
type Point struct {
	X     int     `json:"x"`
	Y     float64 `json:"y"`
	Ratio float64 `json:"ratio"` // to the smallest size
}

// Add adds a measurement. A ratio of 0 stands for that to the series' first; one that was measured otherwise is given.
func (s *Series) Add(x int, y, ratio float64) {
	if ratio == 0 {
		ratio = 1
		if len(s.Points) > 0 {
			ratio = y / s.Points[0].Y
		}
	}
	s.Points = append(s.Points, Point{x, y, ratio})
}

// Save writes the plot's figures and its drawing into a folder.
func (p Plot) Save(folder string) error {
	figures, err := json.MarshalIndent(p, "", "  ")
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, p.Name+".json"), append(figures, '\n'), 0o644)
	}
	var drawing bytes.Buffer
	if err == nil {
		err = p.SVG(&drawing)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, p.Name+".svg"), drawing.Bytes(), 0o644)
	}
	if err != nil {
		return fmt.Errorf("saving plot %s: %w", p.Name, err)
	}
	return nil
}

// Draw draws all plots of a folder anew from their figures.
func Draw(folder string) error {
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return err
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("reading figures: %w", err)
		}
		var p Plot
		if err := json.Unmarshal(content, &p); err != nil {
			return fmt.Errorf("reading figures of %s: %w", file, err)
		}
		if err := p.Save(folder); err != nil {
			return err
		}
	}
	return nil
}

// Text returns the figures as a table in Markdown.
func (p Plot) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\n\n| %s |", p.Title, p.X)
	for _, s := range p.Series {
		fmt.Fprintf(&b, " %s, %s | ratio |", s.Name, p.Y)
	}
	b.WriteString("\n|" + strings.Repeat("---|", 1+2*len(p.Series)) + "\n")
	for i := range p.Series[0].Points {
		fmt.Fprintf(&b, "| %s |", grouped(float64(p.Series[0].Points[i].X)))
		for _, s := range p.Series {
			fmt.Fprintf(&b, " %s | %.2f |", short(s.Points[i].Y), s.Points[i].Ratio)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// short writes a value with as many digits as mean anything.
func short(v float64) string {
	switch {
	case v >= 100:
		return grouped(v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

// grouped writes a whole number with commas.
func grouped(v float64) string {
	s := fmt.Sprintf("%.0f", v)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
