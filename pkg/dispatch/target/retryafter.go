package target

import (
	"net/http"
	"strings"
	"time"

	"example.com/dispatch/pkg/dispatch"
)

// retryAfter reads a Retry-After header (RFC 9110, section 10.2.3), seconds or a date, and returns how long
// that is from now: 0 for a malformed one or a time that has passed, 14 days at most.
func retryAfter(value string, now time.Time) time.Duration {
	value = strings.Trim(value, " \t")
	if value == "" {
		return 0
	}
	if '0' <= value[0] && value[0] <= '9' {
		return delaySeconds(value)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(0, at.Sub(now)), dispatch.MaxWaiting)
}

// delaySeconds reads digits, however many.
func delaySeconds(digits string) time.Duration {
	const most = int64(dispatch.MaxWaiting / time.Second)
	n := int64(0)
	for _, d := range []byte(digits) {
		if d < '0' || '9' < d {
			return 0
		}
		n = min(n*10+int64(d-'0'), most)
	}
	return time.Duration(n) * time.Second
}
