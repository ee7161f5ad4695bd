package main

import (
	"errors"
	"testing"
	"time"
)

func TestPercentile(t *testing.T) {
	of := func(n int) (sorted []time.Duration) {
		for i := range n {
			sorted = append(sorted, time.Duration(i+1))
		}
		return sorted
	}
	for _, c := range []struct {
		n, p int
		want time.Duration
	}{
		{0, 50, 0}, {1, 50, 1}, {1, 99, 1}, {2, 50, 1}, {3, 50, 2}, {100, 50, 50}, {100, 99, 99}, {101, 99, 100}, {10_000, 99, 9900}, {5, 100, 5},
	} {
		if got := percentile(of(c.n), c.p); got != c.want {
			t.Errorf("p%d of 1 to %d is %d, not %d", c.p, c.n, got, c.want)
		}
	}
}

// TestSideEnds: side does each once, and ends at the first failure.
func TestSideEnds(t *testing.T) {
	calls := make(chan int, 100)
	if _, err := side(7, 100, limit{seconds: 60}, func() error { calls <- 1; return nil }); err != nil || len(calls) != 100 {
		t.Errorf("it did %d of 100: %v", len(calls), err)
	}
	failure := errors.New("no")
	calls = make(chan int, 100)
	if _, err := side(1, 100, limit{seconds: 60}, func() error { calls <- 1; return failure }); !errors.Is(err, failure) || len(calls) != 1 {
		t.Errorf("after a failure it went on, %d times: %v", len(calls), err)
	}
}
