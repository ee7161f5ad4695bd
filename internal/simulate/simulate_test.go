package simulate

import (
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var (
	seeds = flag.Int("seeds", 1000, "how many runs")
	from  = flag.Uint64("from", 0, "the first run's seed")
	files = flag.Int("files", 50, "how many runs over SQLite")
	seed  = flag.Int64("seed", -1, "the seed of a single run, whose story is told")

	tries   = flag.Int("tries", 10000, "how many seeds are tried with each defect")
	zero    = flag.Bool("zero", false, "try them from seed 0 on with each defect")
	stories = flag.Bool("stories", false, "tell of each defect the shortest story that shows it")
)

func TestMain(m *testing.M) {
	flag.Parse()
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

// runSeed runs a seed in a bubble of its own.
func runSeed(t *testing.T, seed uint64, o options) (r result) {
	synctest.Test(t, func(*testing.T) { r = run(seed, o) })
	return r
}

// TestSimulate runs many seeds; of one that fails it tells the shortest story that fails as well.
func TestSimulate(t *testing.T) {
	if *seed >= 0 {
		if r := runSeed(t, uint64(*seed), options{}); r.violation != "" {
			fail(t, uint64(*seed), options{}, r)
		} else {
			runSeed(t, uint64(*seed), options{story: t.Output()})
		}
		return
	}
	m := &many{next: *from, end: *from + uint64(*seeds), began: time.Now()}
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for s, ok := m.take(t); ok; s, ok = m.take(t) {
				m.done(t, s, runSeed(t, s, options{}))
			}
		})
	}
	wg.Wait()
	t.Logf("%d runs: %+v", m.runs, m.sum)
}

// TestSQLite runs seeds over the store in SQLite.
func TestSQLite(t *testing.T) {
	first, end := *from, *from+uint64(*files)
	if *seed >= 0 {
		first, end = uint64(*seed), uint64(*seed)+1
	}
	var sum figures
	for s := first; s < end; s++ {
		o := options{file: filepath.Join(t.TempDir(), "tasks.db")}
		if *seed >= 0 {
			o.story = t.Output()
		}
		r := runSeed(t, s, o)
		sum.add(r.figures)
		if r.violation != "" {
			t.Errorf("seed %d: %s\nThe same in short:", s, r.violation)
			fresh := func(o options) options {
				o.file = filepath.Join(t.TempDir(), "tasks.db")
				return o
			}
			o = shrink(o, r, func(o options) result { return runSeed(t, s, fresh(o)) })
			o.story = t.Output()
			runSeed(t, s, fresh(o))
			return
		}
	}
	t.Logf("%d runs: %+v", end-first, sum)
}

// many are the runs of a test.
type many struct {
	mu        sync.Mutex
	next, end uint64
	began     time.Time
	runs      int
	sum       figures
}

func (m *many) take(t *testing.T) (uint64, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.next++
	return m.next - 1, m.next <= m.end && !t.Failed()
}

func (m *many) done(t *testing.T, seed uint64, r result) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.runs++
	m.sum.add(r.figures)
	if m.runs%10000 == 0 {
		t.Logf("%d runs, %v", m.runs, time.Since(m.began).Round(time.Second))
	}
	if r.violation != "" {
		fail(t, seed, options{}, r)
	}
}

func fail(t *testing.T, seed uint64, o options, r result) {
	t.Errorf("seed %d: %s\nThe same in short; again with -run TestSimulate -seed %d:", seed, r.violation, seed)
	o = shrink(o, r, func(o options) result { return runSeed(t, seed, o) })
	o.story = t.Output()
	runSeed(t, seed, o)
}

// TestReplay runs seeds twice: their stories are the same, to the letter.
func TestReplay(t *testing.T) {
	for s := range uint64(30) {
		var first, again strings.Builder
		runSeed(t, s, options{story: &first})
		runSeed(t, s, options{story: &again})
		if a, b := first.String(), again.String(); a != b {
			at := 0
			for at < min(len(a), len(b)) && a[at] == b[at] {
				at++
			}
			t.Errorf("seed %d was told in two ways:\n%s\nand:\n%s", s, a[max(0, at-500):min(len(a), at+200)], b[max(0, at-500):min(len(b), at+200)])
		}
	}
}

// TestDefects makes mistakes on purpose: each is found, and its story can be told in short.
func TestDefects(t *testing.T) {
	for _, d := range defects() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			o := options{defect: d}
			if *zero {
				d.seed = 0
			}
			for s := d.seed; s < d.seed+uint64(*tries); s++ {
				r := runSeed(t, s, o)
				if r.violation == "" {
					continue
				}
				t.Logf("found by seed %d: %s", s, r.violation)
				if *stories {
					o = shrink(o, r, func(o options) result { return runSeed(t, s, o) })
					o.story = t.Output()
					runSeed(t, s, o)
				}
				return
			}
			t.Errorf("not found in %d seeds", *tries)
		})
	}
}
