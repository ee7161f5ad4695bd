package main

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	fillSeconds = 120
	// nowhere is where tasks go that nobody sends.
	nowhere = "http://127.0.0.1:9/call"
)

// side runs do n times on so many goroutines, until one fails or the limit's time is over; it returns how many were
// done a second.
func side(wide, n int, l limit, do func() error) (rate float64, err error) {
	most := time.Duration(l.seconds * float64(time.Second))
	var next, done atomic.Int64
	var wg sync.WaitGroup
	failed := make(chan error, wide)
	began := time.Now()
	for range wide {
		wg.Go(func() {
			for next.Add(1) <= int64(n) && time.Since(began) < most {
				if err := do(); err != nil {
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
