package cloud

import (
	"io"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"
)

// Lambda is the service's Invoke operation, for events: it takes each and answers, whatever becomes of it.
type Lambda struct {
	Latency time.Duration                         // from a request's arrival to its answer
	Rate    int                                   // requests a second; 0: any number
	Accept  func(function string, payload []byte) // runs the function; the answer does not wait for it

	mu        sync.Mutex
	taken     int
	throttled int
	second    time.Time
	used      int // of the rate in this second
}

// ServeHTTP implements [http.Handler].
func (l *Lambda) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := time.Now().Add(l.Latency)
	payload, err := io.ReadAll(r.Body)
	function := path.Base(strings.TrimSuffix(r.URL.Path, "/invocations"))
	if err != nil || r.Header.Get("X-Amz-Invocation-Type") != "Event" {
		http.Error(w, `{"Message":"not an event"}`, http.StatusBadRequest)
		return
	}
	if !l.admit() {
		time.Sleep(time.Until(answer))
		w.Header().Set("X-Amzn-Errortype", "TooManyRequestsException")
		http.Error(w, `{"Reason":"CallerRateLimitExceeded","Type":"User","message":"Rate Exceeded."}`, http.StatusTooManyRequests)
		return
	}
	go l.Accept(function, payload)
	time.Sleep(time.Until(answer))
	w.WriteHeader(http.StatusAccepted)
}

func (l *Lambda) admit() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now().Truncate(time.Second); !now.Equal(l.second) {
		l.second, l.used = now, 0
	}
	if l.Rate > 0 && l.used >= l.Rate {
		l.throttled++
		return false
	}
	l.used++
	l.taken++
	return true
}

// Counts returns how many requests were accepted, and how many refused for their rate.
func (l *Lambda) Counts() (taken, throttled int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.taken, l.throttled
}
