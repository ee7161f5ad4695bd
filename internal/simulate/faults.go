package simulate

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// faults are what goes wrong in a run, each with its chance, in [0, 1].
type faults struct {
	throttled   float64 // a request is refused, and nothing done
	failed      float64 // DynamoDB answers 500, having done it or not
	lost        float64 // the answer is lost, or none comes, whatever became of the request
	late        float64 // of those: the request lands after that was known, or after its process has died
	lateBy      time.Duration
	conflict    float64 // a write meets another
	unprocessed float64 // a batch leaves some out
	slow        float64 // a request takes seconds, there or back
	stalled     float64 // a process stands still
	stalledFor  time.Duration
	killed      float64 // a process is killed before an effect or after it
	lagging     float64 // an index follows a write late
	lag         time.Duration

	dropped    float64 // an asynchronous invoke comes to nothing
	twice      float64 // it is run twice
	delayed    float64 // it is run up to a minute late
	refused    float64 // it is refused, or its answer is lost
	tickMissed float64
	tickTwice  float64

	receiver float64 // a receiver hangs, refuses, resets, answers late or in half
	skew     time.Duration
	smallest bool // pages have three entries
	blind    bool // the circuits can be neither read nor written
}

// kinds are the faults by name, so that a story can be told without those that it does not need.
func (f *faults) kinds() map[string]func() {
	return map[string]func(){
		"throttling":        func() { f.throttled = 0 },
		"errors":            func() { f.failed = 0 },
		"lost answers":      func() { f.lost = 0 },
		"late writes":       func() { f.late, f.lateBy = 0, 0 },
		"conflicts":         func() { f.conflict = 0 },
		"unprocessed items": func() { f.unprocessed = 0 },
		"slow requests":     func() { f.slow = 0 },
		"stalls":            func() { f.stalled, f.stalledFor = 0, 0 },
		"kills":             func() { f.killed = 0 },
		"lagging indexes":   func() { f.lagging, f.lag = 0, 0 },
		"lost invokes":      func() { f.dropped, f.refused = 0, 0 },
		"double invokes":    func() { f.twice, f.tickTwice = 0, 0 },
		"late invokes":      func() { f.delayed = 0 },
		"missed ticks":      func() { f.tickMissed = 0 },
		"bad receivers":     func() { f.receiver = 0 },
		"clock skew":        func() { f.skew = 0 },
		"small pages":       func() { f.smallest = false },
		"blind circuits":    func() { f.blind = false },
	}
}

// String lists the kinds that there are.
func (f faults) String() string {
	var there []string
	kinds := f.kinds()
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		without := f
		without.kinds()[name]()
		if without != f {
			there = append(there, name)
		}
	}
	if there == nil {
		return "none"
	}
	return strings.Join(there, ", ")
}

// drawFaults decides which faults a run has, and how many of each.
func drawFaults(d *dice) (f faults) {
	if d.chance(0.1) {
		return f // a calm day: nothing at all may go wrong
	}
	for _, p := range []*float64{
		&f.throttled, &f.failed, &f.lost, &f.conflict, &f.unprocessed, &f.slow, &f.dropped, &f.twice, &f.delayed, &f.refused,
		&f.tickMissed, &f.tickTwice, &f.receiver,
	} {
		if d.chance(0.5) {
			*p = one(d, 0.02, 0.1, 0.3)
		}
	}
	if d.chance(0.5) {
		f.killed = one(d, 0.005, 0.02, 0.1)
	}
	if d.chance(0.3) {
		f.stalled, f.stalledFor = one(d, 0.01, 0.05), one(d, time.Minute, 5*time.Minute)
	}
	if d.chance(0.5) {
		f.late, f.lateBy = one(d, 0.2, 0.8), one(d, 8*time.Second, 8*time.Second, time.Minute)
	}
	if d.chance(0.5) {
		f.lagging, f.lag = one(d, 0.1, 0.5), one(d, time.Second, 10*time.Second, 2*time.Minute)
	}
	if d.chance(0.6) {
		f.skew = one(d, time.Second, agree, agree, 5*time.Minute)
	}
	f.smallest = d.chance(0.2)
	return f
}

// agree is how far clocks may lie apart for all of the promise to hold.
const agree = 20 * time.Second
