package plot_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/dispatch/internal/bench/plot"
)

// TestPlotsAreDrawnFromTheirFigures: what the documentation shows is what was measured.
func TestPlotsAreDrawnFromTheirFigures(t *testing.T) {
	files, err := filepath.Glob("../../../docs/plots/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d plots, %v", len(files), err)
	}
	for _, file := range files {
		figures, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		kept, err := os.ReadFile(strings.TrimSuffix(file, ".json") + ".svg")
		if err != nil {
			t.Fatal(err)
		}
		var p plot.Plot
		if err := json.Unmarshal(figures, &p); err != nil {
			t.Fatal(err)
		}
		var drawn bytes.Buffer
		if err := p.SVG(&drawn); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(drawn.Bytes(), kept) {
			t.Errorf("%s is drawn otherwise: make plots ARGS=-draw", p.Name)
		}
		for d := xml.NewDecoder(&drawn); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", p.Name, err)
			}
		}
	}
}

func TestAPlotHasTwoPoints(t *testing.T) {
	p := plot.Plot{Series: []plot.Series{{Name: "a"}}}
	p.Series[0].Add(1000, 20, 0)
	if err := p.SVG(io.Discard); err == nil {
		t.Error("one point is drawn")
	}
	p.Series[0].Add(5000, 30, 0)
	p.Series[0].Add(9000, 50, 1.75)
	for i, want := range []float64{1, 1.5, 1.75} {
		if got := p.Series[0].Points[i].Ratio; got != want {
			t.Errorf("ratio %d is %v, want %v", i, got, want)
		}
	}
}
