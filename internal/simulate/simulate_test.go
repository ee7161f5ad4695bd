package simulate

import (
	"flag"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

var (
	seeds = flag.Int("seeds", 1000, "how many runs")
	seed  = flag.Uint64("seed", 0, "the first seed; with -seeds 1 its story is told")
)

func TestMain(m *testing.M) {
	flag.Parse()
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

func TestSimulate(t *testing.T) {
	if *seeds == 1 {
		synctest.Test(t, func(*testing.T) {
			if r := run(*seed, options{story: t.Output()}); r.violation != "" {
				t.Fatalf("seed %d: %s", *seed, r.violation)
			}
		})
		return
	}
	var next atomic.Uint64
	next.Store(*seed)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				s := next.Add(1) - 1
				if s >= *seed+uint64(*seeds) || t.Failed() {
					return
				}
				synctest.Test(t, func(*testing.T) {
					if r := run(s, options{}); r.violation != "" {
						t.Errorf("seed %d: %s", s, r.violation)
					}
				})
			}
		})
	}
	wg.Wait()
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

var tries = flag.Int("tries", 300, "seeds tried with each defect")

// TestDefects makes mistakes on purpose: each is found.
func TestDefects(t *testing.T) {
	for _, d := range defects() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			for s := range uint64(*tries) {
				var r result
				synctest.Test(t, func(*testing.T) { r = run(s, options{defect: d}) })
				if r.violation != "" {
					t.Logf("found by seed %d: %s", s, r.violation)
					return
				}
			}
			t.Errorf("not found in %d seeds", *tries)
		})
	}
}
