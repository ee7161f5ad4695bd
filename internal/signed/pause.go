package signed

import (
	"context"
	"math/rand/v2"
	"time"
)

// Pause waits after so many tries, at least 1, up to the first wait and twice as long after each further one, and reports
// whether there is time for another. The wait is random, so that many that were refused at once do not come back at once.
func Pause(ctx context.Context, first time.Duration, tries int) bool {
	timer := time.NewTimer(1 + rand.N(first<<(tries-1)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
