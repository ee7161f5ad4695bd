package plot

import (
	"errors"
	"fmt"
	"html/template"
	"io"
	"math"
)

// The drawing's measures, in pixels.
const (
	width, height            = 760, 420
	left, right, top, bottom = 76, 30, 84, 356 // of the axes, right from the edge
	legendWidth, legendLine  = 320, 18         // what a name of the legend takes; two are side by side
	overPoint, underPoint    = 12, 20
)

// drawing is what the template shows; places are in pixels.
type drawing struct {
	Plot
	Width, Height, Left, Right, Top, Bottom, Middle int
	Rows, Columns                                   []tick
	Lines                                           []line
}

type tick struct {
	At   float64
	Text string
}

type line struct {
	Class            string // of its colour
	Name             string
	LegendX, LegendY int
	Path             string
	Dots             []dot
}

type dot struct {
	X, Y, TextY float64
	Text        string
}

// SVG draws the plot. It follows the reader's preference for light or dark.
func (p Plot) SVG(w io.Writer) error {
	if len(p.Series) == 0 || len(p.Series[0].Points) < 2 {
		return errors.New("a plot has at least two points")
	}
	least, most, highest := math.Inf(1), 0.0, 0.0
	for _, s := range p.Series {
		for _, point := range s.Points {
			least, most = min(least, math.Log10(float64(point.X))), max(most, math.Log10(float64(point.X)))
			highest = max(highest, point.Y)
		}
	}
	step := stepOf(highest)
	ceiling := step * math.Ceil(highest*1.1/step)
	const inset = 46 // so that labels of the first and the last point have room
	x := func(v int) float64 {
		return left + inset + (math.Log10(float64(v))-least)/(most-least)*(width-left-right-2*inset)
	}
	y := func(v float64) float64 { return bottom - v/ceiling*(bottom-top) }
	d := drawing{Plot: p, Width: width, Height: height, Left: left, Right: width - right, Top: top, Bottom: bottom, Middle: (left + width - right) / 2}
	for v := 0.0; v <= ceiling+step/2; v += step {
		d.Rows = append(d.Rows, tick{y(v), axis(v)})
	}
	for _, point := range p.Series[0].Points {
		d.Columns = append(d.Columns, tick{x(point.X), grouped(float64(point.X))})
	}
	for i, s := range p.Series {
		l := line{Class: fmt.Sprintf("s%d", i%4), Name: s.Name, LegendX: left + i%2*legendWidth, LegendY: 48 + i/2*legendLine}
		for j, point := range s.Points {
			command := "L"
			if j == 0 {
				command = "M"
			}
			l.Path += fmt.Sprintf("%s%.1f %.1f", command, x(point.X), y(point.Y))
			d := dot{X: x(point.X), Y: y(point.Y), Text: short(point.Y)}
			if j > 0 {
				d.Text += fmt.Sprintf(" (%.2f×)", point.Ratio)
			}
			d.TextY = d.Y - overPoint
			if p.under(i, j, ceiling) && d.Y+underPoint < bottom {
				d.TextY = d.Y + underPoint
			}
			l.Dots = append(l.Dots, d)
		}
		d.Lines = append(d.Lines, l)
	}
	return picture().Execute(w, d)
}

// under says whether a point's label has more room below it: another series' point is next above.
func (p Plot) under(i, j int, ceiling float64) bool {
	const near = 0.16 // of the axis
	for k, s := range p.Series {
		gap := (s.Points[j].Y - p.Series[i].Points[j].Y) / ceiling
		if k != i && (gap > 0 || gap == 0 && k < i) && gap < near {
			return true
		}
	}
	return false
}

// stepOf returns the distance of lines that makes four to eight of them.
func stepOf(highest float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(highest)))
	for _, n := range []float64{0.2, 0.5, 1, 2} {
		if highest/(n*unit) <= 7 {
			return n * unit
		}
	}
	return 2 * unit
}

// axis writes a value at the axis, whose steps are round.
func axis(v float64) string {
	if v >= 100 || v == math.Trunc(v) {
		return grouped(v)
	}
	return fmt.Sprintf("%.2g", v)
}

func picture() *template.Template {
	return template.Must(template.New("svg").Parse(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {{.Width}} {{.Height}}" width="{{.Width}}" height="{{.Height}}" role="img" aria-label="{{.Title}}" font-family="system-ui, sans-serif" font-size="12">
<style>
  .paper { fill: #ffffff } .ink { fill: #1f2328 } .pale { fill: #59636e } .grid { stroke: #d1d9e0 }
  .line { fill: none; stroke-width: 2 } .label { font-size: 11px }
  .s0 .line { stroke: #0969da } .s0 .dot, .s0 .label { fill: #0969da }
  .s1 .line { stroke: #bc4c00 } .s1 .dot, .s1 .label { fill: #bc4c00 }
  .s2 .line { stroke: #1a7f37 } .s2 .dot, .s2 .label { fill: #1a7f37 }
  .s3 .line { stroke: #8250df } .s3 .dot, .s3 .label { fill: #8250df }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117 } .ink { fill: #f0f6fc } .pale { fill: #9198a1 } .grid { stroke: #3d444d }
    .s0 .line { stroke: #4493f8 } .s0 .dot, .s0 .label { fill: #4493f8 }
    .s1 .line { stroke: #f0883e } .s1 .dot, .s1 .label { fill: #f0883e }
    .s2 .line { stroke: #3fb950 } .s2 .dot, .s2 .label { fill: #3fb950 }
    .s3 .line { stroke: #ab7df8 } .s3 .dot, .s3 .label { fill: #ab7df8 }
  }
</style>
<rect class="paper" width="{{.Width}}" height="{{.Height}}"/>
<text class="ink" x="{{.Left}}" y="28" font-size="16" font-weight="600">{{.Title}}</text>
{{- range .Lines}}
<g class="{{.Class}}"><circle class="dot" cx="{{.LegendX}}" cy="{{.LegendY}}" r="4"/></g><text class="ink" x="{{.LegendX}}" dx="10" y="{{.LegendY}}" dy="4">{{.Name}}</text>
{{- end}}
{{- range .Rows}}
<line class="grid" x1="{{$.Left}}" x2="{{$.Right}}" y1="{{printf "%.1f" .At}}" y2="{{printf "%.1f" .At}}"/><text class="pale" x="{{$.Left}}" dx="-8" y="{{printf "%.1f" .At}}" dy="4" text-anchor="end">{{.Text}}</text>
{{- end}}
{{- range .Columns}}
<text class="pale" x="{{printf "%.1f" .At}}" y="{{$.Bottom}}" dy="20" text-anchor="middle">{{.Text}}</text>
{{- end}}
<text class="pale" x="{{.Left}}" y="{{.Top}}" dx="-8" dy="-8" text-anchor="end">{{.Y}}</text>
<text class="pale" x="{{.Middle}}" y="{{.Bottom}}" dy="38" text-anchor="middle">{{.X}}, a logarithmic axis; in brackets the ratio to the smallest</text>
<text class="pale" x="{{.Left}}" y="{{.Height}}" dy="-8" font-size="10">{{.Note}}</text>
{{- range .Lines}}
<g class="{{.Class}}"><path class="line" d="{{.Path}}"/>
{{- range .Dots}}<circle class="dot" cx="{{printf "%.1f" .X}}" cy="{{printf "%.1f" .Y}}" r="4"/><text class="label" x="{{printf "%.1f" .X}}" y="{{printf "%.1f" .TextY}}" text-anchor="middle">{{.Text}}</text>{{end}}</g>
{{- end}}
</svg>
`))
}
