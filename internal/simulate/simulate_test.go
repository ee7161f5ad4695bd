package simulate

import (
	"flag"
	"os"
	"strings"
	"testing"
	"testing/synctest"
)

var (
	seeds = flag.Int("seeds", 1000, "how many runs")
	seed  = flag.Uint64("seed", 0, "the first seed; with -seeds 1 its story is told")
)

func TestSimulate(t *testing.T) {
	for s := *seed; s < *seed+uint64(*seeds); s++ {
		var r result
		o := options{}
		if *seeds == 1 {
			o.story = t.Output()
		}
		synctest.Test(t, func(t *testing.T) { r = run(s, o) })
		if r.violation != "" {
			t.Fatalf("seed %d: %s", s, r.violation)
		}
	}
}

// TestReplay runs seeds twice: their stories are the same, to the letter.
func TestReplay(t *testing.T) {
	for s := range uint64(30) {
		var first, again strings.Builder
		synctest.Test(t, func(*testing.T) { run(s, options{story: &first}) })
		synctest.Test(t, func(*testing.T) { run(s, options{story: &again}) })
		if first.String() != again.String() {
			t.Errorf("seed %d was told in two ways", s)
			os.WriteFile("/tmp/sim.a", []byte(first.String()), 0o600)
			os.WriteFile("/tmp/sim.b", []byte(again.String()), 0o600)
		}
	}
}
