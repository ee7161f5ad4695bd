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

// runInFile runs a seed over the store in SQLite.
func runInFile(t *testing.T, seed uint64, o options) result {
	dir, err := os.MkdirTemp("", "simulate-") // the test's own would all stay until its end
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	o.file = filepath.Join(dir, "tasks.db")
	return runSeed(t, seed, o)
}

// TestSimulate runs many seeds; of one that fails it tells the shortest story that fails as well.
func TestSimulate(t *testing.T) {
	(&many{run: runSeed, next: *from, end: *from + uint64(*seeds)}).all(t)
}

// TestSQLite runs seeds over the store in SQLite.
func TestSQLite(t *testing.T) {
	(&many{run: runInFile, next: *from, end: *from + uint64(*files)}).all(t)
}

// many are the runs of a test, side by side.
type many struct {
	run func(*testing.T, uint64, options) result

	mu        sync.Mutex
	next, end uint64
	began     time.Time
	runs      int
	sum       figures
}

// all runs them, or tells the story of the single one that is asked for.
func (m *many) all(t *testing.T) {
	if *seed >= 0 {
		if r := m.run(t, uint64(*seed), options{}); r.violation != "" {
			m.fail(t, uint64(*seed), r)
		} else {
			m.run(t, uint64(*seed), options{story: t.Output()})
		}
		return
	}
	m.began = time.Now()
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for s, ok := m.take(t); ok; s, ok = m.take(t) {
				m.done(t, s, m.run(t, s, options{}))
			}
		})
	}
	wg.Wait()
	t.Logf("%d runs: %+v", m.runs, m.sum)
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
		m.fail(t, seed, r)
	}
}

func (m *many) fail(t *testing.T, seed uint64, r result) {
	t.Errorf("seed %d: %s\nThe same in short; again with -run %s -seed %d:", seed, r.violation, t.Name(), seed)
	o := shrink(options{}, r, func(o options) result { return m.run(t, seed, o) })
	o.story = t.Output()
	m.run(t, seed, o)
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
