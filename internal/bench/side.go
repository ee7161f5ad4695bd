package main

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// side runs do for 0 to n-1 on so many goroutines, until one fails or the time is over; it returns how many
// were done a second.
func side(wide, n int, most time.Duration, do func(int) error) (rate float64, err error) {
	var next, done atomic.Int64
	var wg sync.WaitGroup
	failed := make(chan error, wide)
	began := time.Now()
	for range wide {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && time.Since(began) < most; i = int(next.Add(1)) - 1 {
				if err := do(i); err != nil {
					next.Add(int64(n))
					failed <- err
					return
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	close(failed)
	return float64(done.Load()) / time.Since(began).Seconds(), <-failed
}

// sideCPU is side with the CPU time that this process took for each.
func sideCPU(wide, n int, most time.Duration, do func(int) error) (rate float64, each time.Duration, err error) {
	before, err := ownCPU()
	if err != nil {
		return 0, 0, err
	}
	var done atomic.Int64
	rate, err = side(wide, n, most, func(i int) error {
		done.Add(1)
		return do(i)
	})
	after, failed := ownCPU()
	return rate, (after - before) / time.Duration(max(1, done.Load())), errors.Join(err, failed)
}
